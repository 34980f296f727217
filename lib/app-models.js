'use strict'

/**
 * What the app's own model files export besides functions over the database. Names, values and behaviour are
 * the app's.
 */

const { types } = require('node:util')
const { invalidArgument, readOnlyField } = require('./errors.js')
const { fieldsOf, isFields, look, own, snapshot } = require('./fields.js')
const { timeOf } = require('./wire.js')

const CreditStatus = Object.freeze({ ACTIVE: 'active', EXPIRED: 'expired', DELETED: 'deleted' })

const CreditTransactionType = Object.freeze({ GRANT: 'grant', CONSUME: 'consume' })

/** The scenes of all versions of the app: one has AWARD, another REWARD. */
const CreditTransactionScene = Object.freeze({
  PAYMENT: 'payment',
  SUBSCRIPTION: 'subscription',
  RENEWAL: 'renewal',
  GIFT: 'gift',
  AWARD: 'award',
  REWARD: 'reward',
})

const AITaskStatus = Object.freeze({
  PENDING: 'pending',
  PROCESSING: 'processing',
  SUCCESS: 'success',
  FAILED: 'failed',
  CANCELED: 'canceled',
})

/**
 * When credits expire: with the subscription's period, otherwise after this many days; never (`null`) without
 * days.
 */
function calculateCreditExpirationTime(about) {
  const { creditsValidDays, currentPeriodEnd } = fieldsOf(snapshot(about))
  if (look(() => creditsValidDays > 0) !== true) return null
  if (currentPeriodEnd) {
    if (types.isDate(currentPeriodEnd)) return new Date(timeOf(currentPeriodEnd))
    throw invalidArgument(calculateCreditExpirationTime, 'currentPeriodEnd', 'a Date', currentPeriodEnd)
  }
  const expiresAt = new Date()
  expiresAt.setDate(expiresAt.getDate() + Number(creditsValidDays))
  return expiresAt
}

/** The columns of a grant that `grantCreditsForUser` fills in, and their sources. */
const FILLED_IN = {
  userId: 'user has it',
  userEmail: 'user has it',
  expiresAt: 'validDays says it; createCredit takes any time',
}

/** Grants credits like the app's model; further fields are columns of the grant. */
function grantsFor(createCredit) {
  return async function grantCreditsForUser(grant, options) {
    const { user, credits, validDays, description, replay, ...columns } = fieldsOf(snapshot(grant))
    const { id, email } = fieldsOf(snapshot(user))
    if (typeof credits === 'number' && credits <= 0) return undefined
    if (validDays !== undefined && validDays !== null && !Number.isFinite(validDays)) {
      throw invalidArgument(grantCreditsForUser, 'validDays', 'a number of days', validDays)
    }
    for (const [field, reason] of Object.entries(FILLED_IN)) {
      // An error about `tx` comes first.
      if (own(columns, field) !== undefined && !own(columns, 'tx')) {
        throw readOnlyField(grantCreditsForUser, field, reason)
      }
    }
    const row = {
      orderNo: '',
      subscriptionNo: '',
      transactionScene: CreditTransactionScene.GIFT,
      ...columns,
      userId: id,
      userEmail: email,
      credits,
      description: description || 'grant credits',
      expiresAt: calculateCreditExpirationTime({ creditsValidDays: validDays }),
    }
    const passed = snapshot(options)
    const isWithout = replay === undefined || (passed !== undefined && !isFields(passed))
    return createCredit(row, isWithout ? passed : { replay, ...passed })
  }
}

module.exports = {
  AITaskStatus,
  CreditStatus,
  CreditTransactionScene,
  CreditTransactionType,
  calculateCreditExpirationTime,
  grantsFor,
}
