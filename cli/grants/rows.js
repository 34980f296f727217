'use strict'

/** A user's rows of `credit`, as the previews of `grants` read them: grants, and the claims on them. */

const { oneLine } = require('../output')

/** More than any user has; the library reads them in parts. */
const ALL = 100_000_000

const sum = (items, of) => items.reduce((total, item) => total + of(item), 0)

/** A user's grants, newest first. */
const readGrants = (credits, userId) => credits.getCredits({ userId, transactionType: 'grant', limit: ALL })

/** A user's grants and charges, newest first. */
const readRows = (credits, userId) => credits.getCredits({ userId, limit: ALL })

/** A value that the ledger has written into a row's metadata. */
function said({ metadata }, key) {
  try {
    return JSON.parse(metadata)?.[key] ?? undefined
  } catch {
    return undefined
  }
}

/** An unconfirmed top-up is not a grant, or not yet. */
const isUnconfirmed = (grant) =>
  (grant.status === 'pending' && said(grant, 'topUp') === 'open') ||
  (grant.status === 'deleted' && said(grant, 'topUp') === 'abandoned')

const isWithdrawn = ({ status, deletedAt }) =>
  Boolean(deletedAt) || (status !== 'active' && status !== 'expired')

const isOver = ({ expiresAt }, now) => expiresAt !== null && expiresAt.getTime() <= now

const isSpendable = (grant, now) =>
  grant.status === 'active' && !isWithdrawn(grant) && !isOver(grant, now) && grant.remainingCredits > 0

/** A grant's state, as one word. */
function stateOf(grant, now) {
  if (isUnconfirmed(grant)) return grant.status === 'pending' ? 'pending' : 'abandoned'
  if (isWithdrawn(grant)) return 'withdrawn'
  return grant.status === 'active' && isOver(grant, now) ? 'expired' : oneLine(grant.status)
}

/** In the ledger's default draw order. */
function inDrawOrder(grants) {
  const endOf = ({ expiresAt }) => expiresAt?.getTime() ?? Infinity
  const compare = (a, b) => (a < b ? -1 : Number(a > b))
  return [...grants].sort(
    (a, b) =>
      compare(endOf(a), endOf(b)) ||
      compare(a.createdAt.getTime(), b.createdAt.getTime()) ||
      compare(a.id, b.id),
  )
}

/** The calls of `revokeGrants` among a user's rows, from their metadata. */
function claimsIn(rows) {
  const claims = rows.map((row) => ({ row, terms: said(row, 'revocation') }))
  return claims
    .filter(({ row, terms }) => row.transactionType === 'consume' && Array.isArray(terms?.grants))
    .map(({ row, terms }) => ({
      transactionNo: row.transactionNo,
      stands: row.status === 'active',
      ...terms,
      draws: row.status === 'active' ? drawsOf(row) : [],
    }))
}

/** The grants that a grant replaces, from its metadata. */
const sourcesOf = (grant) => (said(grant, 'type') === 'regrant' ? (said(grant, 'sources') ?? []) : [])

/** The credits of an ended grant that were granted again in other grants since its end. */
function grantedAnew(grant, grants) {
  if (!grant.expiresAt) return 0
  const since = grants.filter(({ createdAt }) => createdAt >= grant.expiresAt)
  const its = since.flatMap(sourcesOf).filter(({ creditId }) => creditId === grant.id)
  const credits = sum(its, (source) => source.credits)
  return Math.max(0, Math.min(credits, grant.remainingCredits))
}

/**
 * The write-offs among these rows, from their metadata: the draws of each, and the part that was granted
 * again elsewhere.
 */
function writeOffsIn(rows) {
  const isOne = (row) => row.transactionType === 'consume' && row.status === 'active' && said(row, 'expiry')
  return rows.filter(isOne).map((row) => ({ draws: drawsOf(row), anew: said(row, 'expiry').anew ?? {} }))
}

/** The draws of a row; `undefined` if they are unreadable, which the ledger rejects. */
function drawsOf({ consumedDetail }) {
  try {
    const items = JSON.parse(consumedDetail ?? '[]')
    return items.map(({ creditId, creditsConsumed }) => ({ creditId, credits: creditsConsumed }))
  } catch {
    return undefined
  }
}

/** The error that the library would return, with its message and code. */
function refused(code, message) {
  const { MediaCreditsError } = require('../..')
  return new MediaCreditsError({ code, message, retryable: false, details: {} })
}

module.exports = {
  claimsIn,
  grantedAnew,
  inDrawOrder,
  isOver,
  isSpendable,
  isUnconfirmed,
  isWithdrawn,
  readGrants,
  readRows,
  refused,
  said,
  sourcesOf,
  stateOf,
  sum,
  writeOffsIn,
}
