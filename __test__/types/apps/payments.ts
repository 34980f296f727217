// How an app grants credits, by its model and by Drizzle itself. It must compile; nothing here runs.

import { eq } from 'drizzle-orm'
import {
  calculateCreditExpirationTime,
  consumeCredits,
  createCredit,
  type Credit,
  CreditStatus,
  CreditTransactionScene,
  CreditTransactionType,
  getCredits,
  grantCreditsForNewUser,
  type NewCredit,
  type UpdateCredit,
} from 'models'
import { type AppUser, db, getSnowId, getUserInfo, getUuid, type Order, respData, respErr } from './frame'
import { credit, type CreditRow, user } from './schema'

/** The grant for an order that was paid. */
export async function paid(order: Order, periodEnd: Date | undefined, subscriptionNo: string | undefined) {
  let newCredit: NewCredit | undefined = undefined
  if (order.creditsAmount && order.creditsAmount > 0) {
    const credits = order.creditsAmount
    const expiresAt =
      credits > 0
        ? calculateCreditExpirationTime({
            creditsValidDays: order.creditsValidDays || 0,
            currentPeriodEnd: periodEnd,
          })
        : null
    newCredit = {
      id: getUuid(),
      userId: order.userId,
      userEmail: order.userEmail,
      orderNo: order.orderNo,
      subscriptionNo,
      transactionNo: getSnowId(),
      transactionType: CreditTransactionType.GRANT,
      transactionScene:
        order.paymentType === 'subscription'
          ? CreditTransactionScene.SUBSCRIPTION
          : CreditTransactionScene.PAYMENT,
      credits: credits,
      remainingCredits: credits,
      description: `Grant credit`,
      expiresAt: expiresAt,
      status: CreditStatus.ACTIVE,
    }
  }
  return updateOrderInTransaction({ orderNo: order.orderNo, newCredit })
}

/** The order's own model writes the grant in its transaction, once an order. */
async function updateOrderInTransaction({ orderNo, newCredit }: { orderNo: string; newCredit?: NewCredit }) {
  return db().transaction(async (tx) => {
    const result: { credit: Credit | null } = { credit: null }
    if (newCredit) {
      let [existing] = await tx.select().from(credit).where(eq(credit.orderNo, orderNo))
      if (!existing) {
        const [created] = await tx.insert(credit).values(newCredit).returning()
        existing = created
      }
      result.credit = existing ?? null
    }
    return result
  })
}

/** A grant for users who have none yet, made by a route. */
export async function welcome() {
  const user = await getUserInfo()
  if (!user) return respErr('no auth, please sign in')
  const { getRemainingCredits } = await import('models')
  if ((await getRemainingCredits(user.id)) > 0) return respData('has some')
  const newCredit = {
    id: getUuid(),
    userId: user.id,
    userEmail: user.email,
    orderNo: null,
    subscriptionNo: null,
    transactionNo: getSnowId(),
    transactionType: CreditTransactionType.GRANT,
    transactionScene: CreditTransactionScene.GIFT,
    credits: 50,
    remainingCredits: 50,
    description: 'Welcome bonus',
    expiresAt: calculateCreditExpirationTime({ creditsValidDays: 7 }),
    status: CreditStatus.ACTIVE,
  }
  await createCredit(newCredit)
  return respData('granted')
}

/** A reward during a transaction of the app, of which the grant is no part. */
export async function checkIn(userId: string, today: string) {
  return db().transaction(async (tx) => {
    const { createCredit, CreditStatus, CreditTransactionType } = await import('models')
    await createCredit({
      id: getUuid(),
      transactionNo: getSnowId(),
      transactionType: CreditTransactionType.GRANT,
      transactionScene: CreditTransactionScene.AWARD,
      userId: userId,
      status: CreditStatus.ACTIVE,
      credits: 2,
      remainingCredits: 2,
      metadata: JSON.stringify({ type: 'daily-checkin', today }),
      expiresAt: null,
    })
    await tx.update(user).set({ locale: 'en' }).where(eq(user.id, userId))
  })
}

/** A new user's grant, at the sign-up of the app. */
export async function signedUp(user: AppUser) {
  await grantCreditsForNewUser(user, { initial_credits_enabled: 'true' })
}

/** Rows can be assigned both ways: the model's to Drizzle's type, Drizzle's to the model's. */
export async function bothWays(row: CreditRow, patch: UpdateCredit) {
  const granted: CreditRow = await createCredit({ ...row, id: getUuid(), transactionNo: getSnowId() })
  const charged: CreditRow = await consumeCredits({ userId: row.userId, credits: 1, scene: 'payment' })
  const rows: Credit[] = [row, granted, charged, ...(await getCredits({ userId: row.userId }))]
  const [refunded] = rows.filter(({ status }) => status === CreditStatus.DELETED)
  await db()
    .update(credit)
    .set({ ...patch, status: CreditStatus.EXPIRED })
    .where(eq(credit.id, row.id))
  return refunded?.transactionType === CreditTransactionType.CONSUME ? refunded.consumedDetail : null
}
