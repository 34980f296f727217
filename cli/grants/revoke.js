'use strict'

/** `grants --revoke` and `--restore`: their previews, and running them. */

const { count, oneLine, plural } = require('../output')
const { claimsIn, isSpendable, isUnconfirmed, readRows, refused, sum } = require('./rows')
const { grantedTo, orderOf, standingOf, withClaim, withoutClaim } = require('./standing')

/** The options that name a payment, and their columns. */
const TARGETS = [
  { option: 'credit', key: 'creditId', column: 'id' },
  { option: 'order', key: 'orderNo', column: 'orderNo' },
  { option: 'subscription', key: 'subscriptionNo', column: 'subscriptionNo' },
]

const targetOf = (options) => TARGETS.find(({ option }) => options[option] !== undefined)

async function read(credits, userId) {
  const rows = await readRows(credits, userId)
  const grants = rows.filter((row) => row.transactionType === 'grant' && !isUnconfirmed(row))
  return { rows, grants, claims: claimsIn(rows), now: Date.now() }
}

const revoke = {
  async look(credits, userId, options) {
    const found = await read(credits, userId)
    const { option, key, column } = targetOf(options)
    const named = found.grants.filter((grant) => grant[column] === options[option])
    if (named.length === 0) {
      throw refused(
        'GRANT_NOT_FOUND',
        `no grant of ${oneLine(userId)} has this ${key}: ${oneLine(options[option])}`,
      )
    }
    const terms = { total: options.total, recovers: options.recover === true }
    const isMade = wasMade({ ...found, named, terms, number: options.transactionNo })
    const order = orderOf({ ...found, named })
    const total = terms.total ?? grantedIn(named)
    const then = isMade ? order && standingOf(order) : order && withClaim(order, { ...terms, total })
    const seen = { ...foundIn(found, named, order), writes: !isMade, result: then ?? null }
    return { ...seen, sentence: isMade ? MADE : withdrawal(seen) }
  },

  call(credits, userId, options) {
    const { option, key } = targetOf(options)
    const { total, reason, transactionNo, recover } = options
    const how = { total, reason, transactionNo, recover: recover ? 'available' : 'none' }
    return credits.revokeGrants({ [key]: options[option] }, how)
  },

  done: (seen) => (seen.writes ? 'It is withdrawn.' : MADE),
  show,
}

const MADE = 'This call was made already: nothing is written.'

/**
 * Whether the call was made before. Rejects a row with its number that belongs to another call, as the ledger
 * does.
 */
function wasMade({ rows, claims, named, terms, number }) {
  if (!rows.some(({ transactionNo }) => transactionNo === number)) return false
  const claim = claims.find(({ transactionNo }) => transactionNo === number)
  const its = named.filter(({ id }) => claim?.grants.includes(id))
  const isOfThese = claim !== undefined && its.length === claim.grants.length
  const isTotal = (claimed) =>
    terms.total === undefined ? claimed >= grantedIn(its) : claimed === terms.total
  const isSame = isOfThese && isTotal(claim.total) && claim.recovers === terms.recovers
  // A revocation that was restored before it was made claims nothing.
  const isRemembered = isOfThese && !claim.stands && claim.total === 0
  if (isSame || isRemembered) return true
  throw refused('IDEMPOTENCY_CONFLICT', `transactionNo ${oneLine(number)} is taken by another call`)
}

const grantedIn = (grants) => sum(grants, ({ credits }) => Math.max(credits, 0))

const restore = {
  async look(credits, userId, { restore: number }) {
    const found = await read(credits, userId)
    const claim = found.claims.find(({ transactionNo }) => transactionNo === number)
    if (!claim) {
      const whose = `no revocation of ${oneLine(userId)} has this transactionNo: ${oneLine(number)}`
      throw refused('REVOCATION_NOT_FOUND', whose)
    }
    const named = found.grants.filter(({ id }) => claim.grants.includes(id))
    const order = orderOf({ ...found, named })
    const ended = order?.claims.find(({ transactionNo }) => transactionNo === number)
    const then = ended ? withoutClaim(order, ended) : order && standingOf(order)
    const seen = { ...foundIn(found, named, order), writes: claim.stands, result: then ?? null }
    return { ...seen, sentence: claim.stands ? restoration(seen) : ENDED }
  },

  call: (credits, userId, { restore: number }) => credits.restoreGrants(number),
  done: (seen) => (seen.writes ? 'The revocation has ended.' : ENDED),
  show,
}

const ENDED = 'This revocation has ended already: nothing is written.'

/** What is always known of an order, and its state if it depends on these grants alone. */
function foundIn({ now }, named, order) {
  const spendable = named.filter((grant) => isSpendable(grant, now))
  return {
    granted: order ? grantedTo(order.grants) : grantedIn(named),
    spendable: sum(spendable, ({ remainingCredits }) => remainingCredits),
    before: order ? standingOf(order) : null,
  }
}

const OTHERS =
  'Other revocations share some of these grants, or the app has withdrawn some itself: the ledger decides the result when it applies this.'

function withdrawal({ granted, before, result }) {
  if (!before || !result) return OTHERS
  const more = result.revoked - before.revoked
  const parts = [
    more > 0 ? `Withdraws ${count(more)} of ${plural(granted, 'credit')}` : 'Withdraws nothing more',
  ]
  if (before.revoked > 0) parts.push(`${count(before.revoked)} were withdrawn before`)
  if (result.spent > 0) parts.push(`${count(result.spent)} were spent already`)
  if (result.outstanding > 0) parts.push(`${count(result.outstanding)} stay outstanding`)
  const [what, ...why] = parts
  return why.length > 0 ? `${what}: ${why.join(', ')}.` : `${what}.`
}

function restoration({ before, result }) {
  if (!before || !result) return OTHERS
  const less = before.revoked - result.revoked
  if (less <= 0) return 'Restores nothing: the other revocations claim as much.'
  return `Restores ${count(less)} of ${plural(before.revoked, 'credit')} that ${less === 1 && before.revoked === 1 ? 'was' : 'were'} withdrawn.`
}

const COLUMNS = [
  { title: '' },
  ...['granted', 'spent', 'withdrawn', 'outstanding', 'can be spent'].map((title) => ({
    title,
    right: true,
  })),
]

/** Shows states of the order, each with a name. A state may be unknown. */
async function show(output, { granted, spendable, before }, [names, result]) {
  const line = (name, { spent, revoked, outstanding, remaining }) => [
    name,
    ...[granted, spent, revoked, outstanding, remaining].map(count),
  ]
  const unknown = [names[0], count(granted), '?', '?', '?', count(spendable)]
  await output.table(COLUMNS, [
    before ? line(names[0], before) : unknown,
    ...(result ? [line(names[1], result)] : []),
  ])
}

module.exports = { TARGETS, restore, revoke }
