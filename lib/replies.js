'use strict'

/** Decodes replies: rows, lists, and values with times in them. */

const { own } = require('./fields.js')
const { decodeRow } = require('./wire.js')

const nothing = () => undefined

/** A boolean, a number, or an object without times. */
const value = (reply) => reply.value

/** An object that contains times. */
const valueWithTimes = (reply) => withTimes(reply.value)

/** Values of `at`, and of names that end in `At`, become `Date`s: milliseconds, or text as in a draw. */
function withTimes(object) {
  for (const [key, value] of Object.entries(object)) {
    if (value === null) continue
    if (/^at$|At$/.test(key)) object[key] = new Date(value)
    else if (typeof value === 'object') withTimes(value)
  }
  return object
}

/** Diagnostics of the database, which are encoded like a row. */
const valueAsRow = (reply) => decodeRow(reply.value)

/** A row, with additional properties. */
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

/** A row for each request of an atomic batch. */
const all = (reply) => reply.all.map(row)

const rows = (reply) => reply.rows.map(decodeRow)

/** The claimed grant, or why there is none. */
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

/** A time outside the range of `Date` stays a number. */
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
