'use strict'

/** Audits and repairs the ledger, some users after others. */

const { fieldsOf, snapshot } = require('./fields.js')

/** What `auditSome` finds in all books, some users after others, so that memory and snapshots stay small. */
async function* pagesOf(auditSome, query) {
  let next
  do {
    const page = await auditSome(query, next)
    yield page
    next = page.next
  } while (next !== null)
}

/** Audits all users, or the query's. */
function audit(auditSome, getCreditsCount) {
  return async function* auditLedger(query) {
    const taken = snapshot(query)
    const { onProgress, ...passed } = fieldsOf(taken)
    const listens = typeof onProgress === 'function'
    const { userId, limit = Infinity } = passed
    const progress = { users: 0, rows: 0 }
    let found = 0
    for await (const page of pagesOf(auditSome, listens ? passed : taken)) {
      if (listens) {
        progress.totalRows ??= await getCreditsCount({ userId })
        progress.users += page.users
        progress.rows += page.rows
        onProgress({ ...progress })
      }
      for (const finding of page.findings) {
        yield finding
        if (++found >= limit) return
      }
    }
  }
}

/** Repairs the books of those users in whose an audit finds what can be repaired. */
function repair(auditSome, repairBooks) {
  /** Users whose books are read at once, where nothing is written. */
  const SOME = 100
  return async function repairLedger(options) {
    const taken = snapshot(options)
    const { apply, userId } = fieldsOf(taken)
    // It refuses what is wrong with the options before anything is read. No user is not all users.
    const isUnknown = 'userId' in fieldsOf(taken) && userId === undefined
    await repairBooks(isUnknown ? { ...taken, userId: null } : taken)
    const found = new Set()
    for await (const { repairable } of pagesOf(auditSome, { userId })) {
      for (const user of repairable) found.add(user)
    }
    const userIds = [...found]
    const changes = []
    for (const size = apply ? userIds.length : SOME; userIds.length > 0;) {
      changes.push(...(await repairBooks({ apply }, userIds.splice(0, size))))
    }
    return { applied: apply === true, changes }
  }
}

module.exports = { audit, repair }
