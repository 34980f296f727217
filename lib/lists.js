'use strict'

/** Lists with pages of any size. A long page is read in parts, so that it does not delay other reads. */

const { fieldsOf, snapshot } = require('./fields.js')

/** How many rows are read at once. */
const ROWS = 1000

/** Makes a list of a function that reads a part of a page: `part(query, offset, rows)`. */
const listInParts = (part) => (query) => {
  // The caller may change it meanwhile.
  const asked = snapshot(query)
  const { limit } = fieldsOf(asked)
  return isLong(limit) ? inParts(limit, (offset, rows) => part(asked, offset, rows)) : part(asked)
}

/** The same, of `part(userId, page, limit, offset, rows)`. */
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

/** Invalid limits are rejected by the native code. */
const isLong = (limit) => ['number', 'string', 'bigint'].includes(typeof limit) && Number(limit) > ROWS

/** The rows of all parts, each once: rows that are added meanwhile move others to the next part. */
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
