'use strict'

/** `grants --renew`: its preview, and running it. */

const { count, oneLine, plural, time } = require('../output')
const { grantedAnew, isWithdrawn, readGrants, refused, said, sum } = require('./rows')

/** The default of `renewGrants`, in milliseconds. */
const GRACE_MS = 3 * 86_400_000

const renew = {
  async look(credits, userId, options) {
    const grants = await readGrants(credits, userId)
    const made = grants.find(({ transactionNo }) => transactionNo === options.transactionNo)
    const result = made
      ? { credits: made.credits, expiresAt: made.expiresAt }
      : {
          credits: options.credits,
          expiresAt: options.until.expiresAt,
          rollover: rolloverOf(grants, options),
        }
    if (made && !isSame(made, options)) {
      const number = oneLine(options.transactionNo)
      throw refused(
        'IDEMPOTENCY_CONFLICT',
        `transactionNo ${number} is taken by another grant or another period`,
      )
    }
    const seen = { writes: !made, result, isNew: grants.length === 0 }
    return { ...seen, sentence: made ? MADE : sentences('Grants', result) + unknownUser(seen) }
  },

  call(credits, userId, options) {
    const { subscription, replaces, transactionNo, rollover, grace: graceMs } = options
    return credits.renewGrants({
      userId,
      subscriptionNo: subscription,
      replaces,
      credits: options.credits,
      periodEnd: options.until.expiresAt,
      transactionNo,
      ...(rollover !== undefined && { rollover: { atMost: rollover, ...(graceMs && { graceMs }) } }),
    })
  },

  done: (seen, result) => (seen.writes ? sentences('Granted', result) : MADE),
}

const MADE = 'This renewal was made already: nothing is written.'

/** Whether a grant is the one that this call creates. */
function isSame(grant, options) {
  const period = said(grant, 'renewal')
  const rollover =
    options.rollover === undefined ? null : { atMost: options.rollover, graceMs: options.grace ?? GRACE_MS }
  return (
    grant.credits === options.credits &&
    period?.end === options.until.expiresAt.getTime() &&
    (period.replaces ?? undefined) === options.replaces &&
    period.rollover?.atMost === rollover?.atMost &&
    period.rollover?.graceMs === rollover?.graceMs
  )
}

/** The credits of earlier periods; `null` if a later period decides. */
function rolloverOf(grants, { subscription, replaces, until, rollover, grace = GRACE_MS }) {
  const end = until.expiresAt.getTime()
  const line = lineOf(grants, [subscription, replaces ?? subscription])
  const mayLive = ({ subscriptionNo }) => line.has(subscriptionNo)
  const periods = grants.filter((grant) => mayLive(grant) && grant.expiresAt && !isWithdrawn(grant))
  if (periods.some(({ expiresAt }) => expiresAt.getTime() >= end)) return null
  if (rollover === undefined) return { carried: 0, writtenOff: 0 }
  const inTime = periods.filter(({ expiresAt }) => expiresAt.getTime() >= Date.now() - grace)
  const left = sum(inTime, ({ remainingCredits }) => Math.max(remainingCredits, 0))
  const anew = sum(inTime, (grant) => grantedAnew(grant, grants))
  const carried = Math.min(left - anew, rollover)
  return { carried, writtenOff: left - carried }
}

/**
 * These subscriptions, and all that have replaced them or were replaced by them, from the metadata of their
 * periods.
 */
function lineOf(grants, subscriptions) {
  const line = new Set(subscriptions)
  const joined = grants.map((grant) => [grant.subscriptionNo, said(grant, 'renewal')?.replaces])
  const isOfLine = (pair) => pair.every(Boolean) && pair.some((one) => line.has(one))
  for (let size = 0; size < line.size;) {
    size = line.size
    joined.filter(isOfLine).forEach((pair) => pair.forEach((one) => line.add(one)))
  }
  return line
}

function sentences(verb, { credits, expiresAt, rollover }) {
  const grant = `${verb}: ${plural(credits, 'credit')} until ${time(expiresAt)} UTC.`
  if (!rollover) {
    return `${grant} There is a later period, or a grant that expires later: the ledger decides what is carried over when it applies this.`
  }
  const { carried, writtenOff } = rollover
  if (carried + writtenOff === 0) return `${grant} Nothing is carried over from earlier periods.`
  return `${grant} Of the rest of earlier periods ${count(carried)} are carried over, and ${count(writtenOff)} are written off.`
}

const unknownUser = ({ isNew }) => (isNew ? ' This user has no grants: is the id right?' : '')

module.exports = { renew }
