'use strict'

/** Lists with pages of any length: a long one comes in parts, so that no other read waits for all of it. */

const { fieldsOf, snapshot } = require('./fields.js')

/** How many rows are read at once. */
const ROWS = 1000

/** Makes a list of a function that reads a part of a page: `part(query, offset, rows)`. */
const listInParts = (part) => (query) => {
  // Whatever the caller does with it meanwhile.
  const asked = snapshot(query)
  const { limit } = fieldsOf(asked)
  return isLong(limit) ? inParts(limit, (offset, rows) => part(asked, offset, rows)) : part(asked)
}

/** As above, of `part(userId, page, limit, offset, rows)`. */
const historyInParts = (part) => (userId, page, limit) =>
  isLong(limit) ? longHistory(part, userId, page, limit) : part(userId, page, limit)

async function longHistory(part, userId, page, limit) {
  let last
  const list = await inParts(limit, async (offset, rows) => {
    last = await part(userId, page, limit, offset, rows)
    return last.list
  })
  return { ...last, list }
}

/** What is no number is for the native code to refuse. */
const isLong = (limit) => ['number', 'string', 'bigint'].includes(typeof limit) && Number(limit) > ROWS

/** The rows of all parts, each once: new rows meanwhile move the others on, beyond what was the page's end. */
async function inParts(limit, part) {
  const found = new Map()
  for (let offset = 0; ;) {
    const wanted = Math.min(ROWS, Number(limit) - found.size)
    const rows = await part(offset, wanted)
    for (const row of rows) found.set(row.id, row)
    offset += rows.length
    if (rows.length < wanted || found.size >= limit) return [...found.values()]
  }
}

module.exports = { historyInParts, listInParts }
