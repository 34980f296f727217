'use strict'

/** Audits and repairs the ledger, page by page. */

const { fieldsOf, snapshot } = require('./fields.js')

/** The results of `auditSome` for all users, page by page, so that memory use and snapshots stay small. */
async function* pagesOf(auditSome, query) {
  let next
  do {
    const page = await auditSome(query, next)
    yield page
    next = page.next
  } while (next !== null)
}

/** Audits all users, or the one in the query. */
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

/** Repairs the accounts of users with repairable findings. */
function repair(auditSome, repairBooks) {
  /** The number of users that a preview reads at once. */
  const SOME = 100
  return async function repairLedger(options) {
    const taken = snapshot(options)
    const { apply, userId } = fieldsOf(taken)
    // `repairBooks` checks the options before anything is read. An undefined `userId` does not mean all
    // users.
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
