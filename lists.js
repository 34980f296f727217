'use strict'

/** Lists with pages of any length: a long one comes in parts, so that no other read waits for all of it. */

/** So many rows are read at once. */
const ROWS = 1000

/** Makes a list of a function that reads a part of a page: `part(query, offset, rows)`. */
const listInParts = (part) => (query) =>
  isLong(query?.limit) ? inParts((offset) => part(query, offset, ROWS)) : part(query)

/** As above, of `part(userId, page, limit, offset, rows)`. */
const historyInParts = (part) => (userId, page, limit) =>
  isLong(limit) ? longHistory(part, userId, page, limit) : part(userId, page, limit)

async function longHistory(part, userId, page, limit) {
  let last
  const rows = await inParts(async (offset) => {
    last = await part(userId, page, limit, offset, ROWS)
    return last.list
  })
  return { ...last, list: rows }
}

/** What is no number is for the native code to refuse. */
const isLong = (limit) => ['number', 'string', 'bigint'].includes(typeof limit) && Number(limit) > ROWS

/** The rows of all parts, each once: a new row meanwhile moves the others on. */
async function inParts(part) {
  const found = new Map()
  for (let offset = 0; ; offset += ROWS) {
    const rows = await part(offset)
    for (const row of rows) found.set(row.id, row)
    if (rows.length < ROWS) return [...found.values()]
  }
}

module.exports = { historyInParts, listInParts }
