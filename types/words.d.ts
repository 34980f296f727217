// Words of the app, as its model files have them, under the same names. Every function takes the words as plain text,
// too, and enums of the app's own.

import type { AITask, Credit, MediaTask } from './rows.js'

/** What {@link Credit.status} may be. */
export enum CreditStatus {
  ACTIVE = 'active',
  EXPIRED = 'expired',
  DELETED = 'deleted',
}

/** What {@link Credit.transactionType} may be. */
export enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

/** What {@link Credit.transactionScene} may be. Some versions of the app have `AWARD`, others `REWARD`. */
export enum CreditTransactionScene {
  PAYMENT = 'payment',
  SUBSCRIPTION = 'subscription',
  RENEWAL = 'renewal',
  GIFT = 'gift',
  AWARD = 'award',
  REWARD = 'reward',
}

/** What {@link AITask.status} may be. */
export enum AITaskStatus {
  PENDING = 'pending',
  PROCESSING = 'processing',
  SUCCESS = 'success',
  FAILED = 'failed',
  CANCELED = 'canceled',
}

/** What {@link MediaTask.status} may be. */
export type MediaTaskStatus =
  'pending' | 'downloading' | 'processing' | 'extracted' | 'translating' | 'completed' | 'failed'

/**
 * When credits expire that are granted now: with the subscription's period, if there is one, else after
 * `creditsValidDays`. `null`: never, if these are 0 or less.
 */
export function calculateCreditExpirationTime(validity: {
  creditsValidDays: number
  currentPeriodEnd?: Date | null | undefined
}): Date | null
