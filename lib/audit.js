'use strict'

/** Audits and repairs the ledger, some users after others. */

const { fieldsOf, snapshot } = require('./fields.js')

/** Audits some users after others, so that memory and snapshots stay small however many there are. */
function audit(auditSome, getCreditsCount) {
  return async function* auditLedger(query) {
    const taken = snapshot(query)
    const { onProgress, ...passed } = fieldsOf(taken)
    const listens = typeof onProgress === 'function'
    const { userId, limit = Infinity } = passed
    const progress = { users: 0, rows: 0, totalRows: 0 }
    let found = 0
    let next
    do {
      const page = await auditSome(listens ? passed : taken, next)
      if (listens) {
        if (next === undefined) progress.totalRows = await getCreditsCount({ userId })
        progress.users += page.users
        progress.rows += page.rows
        onProgress({ ...progress })
      }
      for (const finding of page.findings) {
        yield finding
        if (++found >= limit) return
      }
      next = page.next
    } while (next !== null)
  }
}

/** What can be right in one way only. */
const REPAIRABLE = ['refunded-more-than-once', 'failed-task-charged', 'wrong-time-unit']

/** Repairs the books of those users in whose an audit finds what can be repaired. */
function repair(auditLedger, repairBooks) {
  /** Users whose books are read at once, where nothing is written. */
  const SOME = 100
  return async function repairLedger(options) {
    const taken = snapshot(options)
    const { apply, userId } = fieldsOf(taken)
    // It refuses what is wrong with the options before anything is read. No user is not all users.
    const isUnknown = 'userId' in fieldsOf(taken) && userId === undefined
    await repairBooks(isUnknown ? { ...taken, userId: null } : taken)
    const found = new Set()
    for await (const finding of auditLedger({ userId })) {
      if (REPAIRABLE.includes(finding.kind)) found.add(finding.userId)
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
