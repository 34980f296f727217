'use strict'

/** What functions make of their replies: rows, lists, and values with the times in them. */

const { own } = require('./fields.js')
const { decodeRow } = require('./wire.js')

const nothing = () => undefined

/** Yes or no, a number, or an object without times. */
const value = (reply) => reply.value

/** An object with times somewhere in it. */
const valueWithTimes = (reply) => withTimes(reply.value)

/** What is under `at`, or under a name that ends in `At`, becomes a `Date`: milliseconds, or text as a draw has it. */
function withTimes(object) {
  for (const [key, value] of Object.entries(object)) {
    if (value === null) continue
    if (/^at$|At$/.test(key)) object[key] = new Date(value)
    else if (typeof value === 'object') withTimes(value)
  }
  return object
}

/** What was found when the database was opened: a row of no table. */
const valueAsRow = (reply) => decodeRow(reply.value)

/** A row, with what else is known of it. */
function row(reply) {
  const found = decodeRow(reply.row)
  if (own(reply, 'replayed')) found.replayed = true
  if (own(reply, 'refund')) found.refund = withTimes(reply.refund)
  if (own(reply, 'rollover')) found.rollover = reply.rollover
  if (own(reply, 'collected') !== undefined) {
    found.collected = reply.collected
    found.uncollected = reply.uncollected
  }
  return found
}

/** A row for each of several requests that went together. */
const all = (reply) => reply.all.map(row)

const rows = (reply) => reply.rows.map(decodeRow)

/** The grant that is claimed, or why there is none. */
function topUp(reply) {
  if (!own(reply, 'row')) return withTimes(reply.value)
  const claimed = { claimed: true, credit: decodeRow(reply.row) }
  return own(reply, 'replayed') ? { ...claimed, replayed: true } : claimed
}

const rowsOrRow = (reply) => (own(reply, 'rows') ? rows(reply) : row(reply))

function rowsWithUsers(reply) {
  const found = rows(reply)
  if (!own(reply, 'users')) return found
  const users = new Map(reply.users.map(decodeRow).map((user) => [user.id, user]))
  for (const row of found) row.user = users.get(row.userId)
  return found
}

const page = (reply) => ({
  list: rows(reply),
  ...reply.page,
  totalPages: Math.ceil(reply.page.total / reply.page.limit),
})

const fixes = (reply) => reply.value.map(decodeFix)

/** A time that no `Date` holds stays a number. */
function decodeFix(fix) {
  if (!fix.column.endsWith('At')) return fix
  const date = (time) => (typeof time === 'string' ? new Date(time) : time)
  return { ...fix, before: date(fix.before), after: date(fix.after) }
}

module.exports = {
  all,
  fixes,
  nothing,
  page,
  row,
  rows,
  rowsOrRow,
  rowsWithUsers,
  topUp,
  value,
  valueAsRow,
  valueWithTimes,
}
