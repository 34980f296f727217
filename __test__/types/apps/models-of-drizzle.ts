// The app's model files with the app's own types, as Drizzle infers them, and the functions of a connection.

import { connect } from 'media-credits'
import type { AppUser } from './frame'
import type { AITaskRow, aiTask, CreditRow, credit, MediaTaskRow, mediaTasks, UserRow } from './schema'

export type Credit = CreditRow & { user?: AppUser }
export type NewCredit = typeof credit.$inferInsert
export type UpdateCredit = Partial<Omit<NewCredit, 'id' | 'transactionNo' | 'createdAt'>>

export type AITask = AITaskRow & { user?: AppUser }
export type NewAITask = typeof aiTask.$inferInsert
export type UpdateAITask = Partial<Omit<NewAITask, 'id' | 'createdAt'>>

export type MediaTask = MediaTaskRow & { user?: AppUser }
export type NewMediaTask = typeof mediaTasks.$inferInsert
export type UpdateMediaTask = Partial<Omit<NewMediaTask, 'id' | 'createdAt'>>
export type MediaTaskStatus = 'pending' | 'processing' | 'extracted' | 'translating' | 'completed' | 'failed'

export enum CreditStatus {
  ACTIVE = 'active',
  EXPIRED = 'expired',
  DELETED = 'deleted',
}

export enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

export enum CreditTransactionScene {
  PAYMENT = 'payment',
  SUBSCRIPTION = 'subscription',
  RENEWAL = 'renewal',
  GIFT = 'gift',
  AWARD = 'award',
}

export { AITaskStatus, calculateCreditExpirationTime } from 'media-credits'

export const {
  consumeCredits,
  createAITask,
  createCredit,
  createMediaTask,
  findAITaskById,
  findMediaTaskById,
  getActiveMediaTasks,
  getAITasks,
  getAITasksCount,
  getCredits,
  getCreditsCount,
  getMediaTaskHistory,
  getRemainingCredits,
  grantCreditsForUser,
  hasActiveMediaTask,
  updateAITaskById,
  updateMediaTaskById,
} = connect<MediaTaskRow, CreditRow, AITaskRow, UserRow>()

export async function grantCreditsForNewUser(user: AppUser, settings: Record<string, string | undefined>) {
  const credits = parseInt(settings.initial_credits_amount || '0')
  return grantCreditsForUser({ user, credits })
}
