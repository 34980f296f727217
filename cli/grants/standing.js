'use strict'

/**
 * The state of a payment's grants, now and with other claims: the arithmetic of docs/ledger.md for claims
 * that are all on the same grants. Other cases are left to the ledger.
 */

const { inDrawOrder, isOver, isSpendable, isWithdrawn, said, sourcesOf, sum, writeOffsIn } = require('./rows')

/**
 * An order: its grants, its active claims, and the user's other spendable credits. `undefined` if claims also
 * name other grants or are unreadable, or if the app has withdrawn some of the grants itself.
 */
function orderOf({ named, rows, grants, claims, now }) {
  const isNamed = (id) => named.some((grant) => grant.id === id)
  const standing = claims.filter((claim) => claim.stands && claim.grants.some(isNamed))
  const isSame = (claim) => claim.grants.length === named.length && claim.grants.every(isNamed)
  const closedBefore = (grant) => (grant.status === 'deleted' ? said(grant, 'revoked') : undefined)
  if (!standing.every((claim) => isSame(claim) && claim.draws)) return undefined
  if (named.some((grant) => isWithdrawn(grant) && closedBefore(grant) === undefined)) return undefined
  if (grants.flatMap(sourcesOf).some(({ creditId }) => isNamed(creditId))) return undefined
  const writeOffs = writeOffsIn(rows)
  if (!writeOffs.every(({ draws, anew }) => draws && !Object.keys(anew).some(isNamed))) return undefined
  // Credits that were written off were never spent: they count as withdrawn.
  const taking = [...standing, ...writeOffs]
  return {
    grants: inDrawOrder(named).map((grant) => ({
      id: grant.id,
      granted: Math.max(grant.credits, 0),
      left: grant.remainingCredits,
      isSpendable: isSpendable(grant, now),
      isClosed: isWithdrawn(grant),
      // Whether it can be spent when nothing is claimed of it any more.
      mayLive: (closedBefore(grant) ?? grant.status) === 'active' && !isOver(grant, now),
      drawn: sum(taking, (one) => drawnFrom(one, (id) => id === grant.id)),
    })),
    claims: standing.map((claim) => ({ ...claim, recovered: drawnFrom(claim, (id) => !isNamed(id)) })),
    others: sum(
      grants.filter((grant) => !isNamed(grant.id) && isSpendable(grant, now)),
      (grant) => grant.remainingCredits,
    ),
  }
}

const drawnFrom = ({ draws }, isIts) =>
  sum(
    draws.filter(({ creditId }) => isIts(creditId)),
    ({ credits }) => credits,
  )

const grantedTo = (grants) => sum(grants, ({ granted }) => granted)

/** The credits that claims have drawn, from the order's grants and from others. */
const takenOf = ({ grants, claims }) =>
  sum(grants, ({ drawn }) => drawn) + sum(claims, ({ recovered }) => recovered)

/** The credits of the order's grants that were spent: neither remaining nor drawn by claims. */
const spentOf = (grants) => sum(grants, ({ granted, left, drawn }) => Math.max(0, granted - left - drawn))

/** The current state, as `revokeGrants` returns it. */
function standingOf({ grants, claims }) {
  const granted = grantedTo(grants)
  const closed = sum(grants, ({ left, isClosed }) => (isClosed ? left : 0))
  const claimed = Math.min(granted, Math.max(0, ...claims.map(({ total }) => total)))
  const revoked = takenOf({ grants, claims }) + closed
  return {
    revoked,
    spent: spentOf(grants),
    outstanding: Math.max(0, claimed - revoked),
    remaining: sum(grants, ({ left, isSpendable }) => (isSpendable ? left : 0)),
  }
}

/** The state with these claims. With `recovers`, claims that may draw on other grants do so. */
function balanced({ grants, claims, others }, recovers) {
  const granted = grantedTo(grants)
  const largest = Math.max(0, ...claims.map(({ total }) => total))
  const isWhole = granted > 0 && largest >= granted
  let had = sum(grants, ({ drawn }) => drawn)
  const lackOf = (total) => Math.min(total, granted) - had
  // More than needed has come back in other ways.
  if (lackOf(largest) < 0) return undefined
  let remaining = 0
  for (const { left, mayLive } of grants) {
    const drawn = isWhole ? left : Math.min(left, lackOf(largest))
    had += drawn
    if (mayLive) remaining += left - drawn
  }
  // Other grants pay for the rest of what claims may take from them, and get back what these do not need.
  const lacks = claims.filter((claim) => claim.recovers).map(({ total }) => lackOf(total))
  const recovered = sum(claims, (claim) => claim.recovered)
  had += Math.min(recovers ? recovered + others : recovered, Math.max(0, ...lacks))
  const outstanding = lackOf(largest)
  if (outstanding < 0) return undefined
  const isClosed = isWhole || outstanding > 0
  return { revoked: had, spent: spentOf(grants), outstanding, remaining: isClosed ? 0 : remaining }
}

/** The state with one more claim. */
function withClaim(order, { total, recovers }) {
  const claim = { total, recovers, recovered: 0 }
  return balanced({ ...order, claims: [...order.claims, claim] }, recovers)
}

/** The state without a claim: what it drew is returned first. */
function withoutClaim(order, ended) {
  const claims = order.claims.filter((claim) => claim !== ended)
  const mayTakeAgain = ended.recovered > 0 && claims.some((claim) => claim.recovers)
  if (mayTakeAgain) return undefined
  const grants = order.grants.map((grant) => {
    const back = drawnFrom(ended, (id) => id === grant.id)
    return { ...grant, left: grant.left + back, drawn: grant.drawn - back }
  })
  return balanced({ ...order, grants, claims }, true)
}

module.exports = { grantedTo, orderOf, standingOf, withClaim, withoutClaim }
