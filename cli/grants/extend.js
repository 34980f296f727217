'use strict'

/** `grants --extend`: its preview, and running it. */

const { count, oneLine, plural, time } = require('../output')
const { grantedAnew, isOver, isUnconfirmed, isWithdrawn, readGrants, refused } = require('./rows')

const extend = {
  async look(credits, userId, { extend: id, until: { expiresAt } }) {
    const grants = await readGrants(credits, userId)
    const grant = grants.find((one) => one.id === id && !isUnconfirmed(one))
    if (!grant)
      throw refused('GRANT_NOT_FOUND', `no grant of ${oneLine(userId)} has this creditId: ${oneLine(id)}`)
    if (isWithdrawn(grant)) throw refused('GRANT_WITHDRAWN', `grant ${oneLine(id)} was withdrawn`)
    const isSame = (grant.expiresAt?.getTime() ?? null) === (expiresAt?.getTime() ?? null)
    const writes = !isSame || grant.status !== 'active'
    // Without metadata: a preview of its changes would duplicate the ledger's rules.
    const anew = writes ? grantedAnew(grant, grants) : 0
    const remainingCredits = grant.remainingCredits - anew
    const result = { ...grant, status: 'active', expiresAt, remainingCredits, metadata: undefined }
    const seen = { writes, before: grant, result, anew }
    return { ...seen, sentence: writes ? intended(seen) : SAME }
  },

  call: (credits, userId, { extend: id, until: { expiresAt } }) => credits.extendGrant(id, expiresAt),

  done: (seen, { expiresAt }) => (seen.writes ? `Its new expiry: ${when(expiresAt)}.` : SAME),
}

const SAME = 'The grant already expires then: nothing is written.'

const when = (expiresAt) => (expiresAt ? `${time(expiresAt)} UTC` : 'never')

function intended({ before, result, anew }) {
  const { credits, remainingCredits: left, expiresAt } = before
  const revives = left > anew && (before.status !== 'active' || isOver(before, Date.now()))
  const again = anew > 0 ? ` Another grant has ${count(anew)} of these already: they are written off.` : ''
  const what = `Of ${plural(credits, 'credit')} ${count(left)} are left.${again} Expiry now: ${when(expiresAt)}, then: ${when(result.expiresAt)}.`
  return revives ? `${what} The rest has expired, and can be spent again then.` : what
}

module.exports = { extend }
