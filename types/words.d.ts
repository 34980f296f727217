// Enums of the app, as in its model files and with the same names. Every function also accepts plain text and the
// app's own enums.

import type { AITask, Credit, MediaTask } from './rows.js'

/** The values of {@link Credit.status}. */
export enum CreditStatus {
  ACTIVE = 'active',
  EXPIRED = 'expired',
  DELETED = 'deleted',
}

/** The values of {@link Credit.transactionType}. */
export enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

/** The values of {@link Credit.transactionScene}. Some versions of the app have `AWARD`, others `REWARD`. */
export enum CreditTransactionScene {
  PAYMENT = 'payment',
  SUBSCRIPTION = 'subscription',
  RENEWAL = 'renewal',
  GIFT = 'gift',
  AWARD = 'award',
  REWARD = 'reward',
}

/** The values of {@link AITask.status}. */
export enum AITaskStatus {
  PENDING = 'pending',
  PROCESSING = 'processing',
  SUCCESS = 'success',
  FAILED = 'failed',
  CANCELED = 'canceled',
}

/** The values of {@link MediaTask.status}. */
export type MediaTaskStatus =
  'pending' | 'downloading' | 'processing' | 'extracted' | 'translating' | 'completed' | 'failed'

/**
 * When credits that are granted now expire: with the subscription's period if there is one, otherwise after
 * `creditsValidDays`. `null` (never) if that is 0 or less.
 */
export function calculateCreditExpirationTime(validity: {
  creditsValidDays: number
  currentPeriodEnd?: Date | null | undefined
}): Date | null
