'use strict'

/** Lists with pages of any length: a long one comes in parts, so that no other read waits for all of it. */

/** So many rows are read at once. */
const ROWS = 1000

/** The lists of a connection, of which these read parts of a page. */
function wholePages({ getCredits, getAITasks, getMediaTaskHistory }) {
  const list = (part) => (query) =>
    isLong(query?.limit) ? inParts((offset) => part(query, offset, ROWS)) : part(query)
  return {
    getCredits: list(getCredits),
    getAITasks: list(getAITasks),
    async getMediaTaskHistory(userId, page, limit) {
      if (!isLong(limit)) return getMediaTaskHistory(userId, page, limit)
      let last
      const rows = await inParts(async (offset) => {
        last = await getMediaTaskHistory(userId, page, limit, offset, ROWS)
        return last.list
      })
      return { ...last, list: rows }
    },
  }
}

/** What is no number at all is for the native code to refuse. */
const isLong = (limit) => Number(limit) > ROWS

/** The rows of all parts, each once: a new row meanwhile moves the others on. */
async function inParts(part) {
  const found = new Map()
  for (let offset = 0; ; offset += ROWS) {
    const rows = await part(offset)
    for (const row of rows) found.set(row.id, row)
    if (rows.length < ROWS) return [...found.values()]
  }
}

module.exports = { wholePages }
