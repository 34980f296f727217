// Rows of the app's tables.

import type { getAITasks } from './ai-tasks.js'
import type { connect } from './connection.js'
import type { getCredits } from './credits.js'
import type { NewMediaTask, UpdateMediaTask } from './options.js'
import type { MediaTaskStatus } from './words.js'

/**
 * A row of `media_tasks`. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: name them once, in any `.ts` file of the app, and
 * {@link NewMediaTask} and {@link UpdateMediaTask} have them too. Or give {@link connect} a row type.
 *
 * @example
 * ```ts
 * declare module 'media-credits' {
 *   interface MediaTask { rewrittenScripts: string[] | null }
 * }
 * ```
 */
export interface MediaTask {
  /** Chosen by the app, for example a UUID. */
  id: string
  userId: string
  platform: 'youtube' | 'tiktok' | (string & {})
  videoUrl: string
  thumbnailUrl: string | null
  title: string | null
  author: string | null
  duration: number | null
  likes: number | null
  views: number | null
  shares: number | null
  publishedAt: Date | null
  sourceLang: string | null
  targetLang: string | null
  /**
   * `'pending'` unless the app says otherwise. Credits are at risk while a task is pending, downloading, processing
   * or translating. An update to `'failed'` refunds the task's charge.
   */
  status: MediaTaskStatus | (string & {})
  /** In percent. */
  progress: number
  srtUrl: string | null
  translatedSrtUrl: string | null
  resultVideoUrl: string | null
  errorMessage: string | null
  subtitleRaw: string | null
  subtitleTranslated: string | null
  videoUrlInternal: string | null
  expiresAt: Date | null
  outputType: 'subtitle' | 'video' | (string & {}) | null
  /** The `id` of the charge that paid for the task, or for its last step; `null` if nothing was charged. */
  creditId: string | null
  isFreeTrial: boolean | null
  createdAt: Date
  /** The time of the last write, set by every one. */
  updatedAt: Date
  /** When the app deleted the task. Lists of tasks leave it out from then on. */
  deletedAt: Date | null
}

/**
 * A row of `credit`: a grant or a charge. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface Credit {
  id: string
  userId: string
  userEmail: string | null
  orderNo: string | null
  subscriptionNo: string | null
  /** Unique; digits, unless the app chose it. */
  transactionNo: string
  /** `'grant'`, or `'consume'` for a charge. */
  transactionType: 'grant' | 'consume' | (string & {})
  transactionScene:
    'payment' | 'subscription' | 'renewal' | 'gift' | 'award' | 'reward' | (string & {}) | null
  /** What was granted; of a charge, what it took, as a negative number. */
  credits: number
  /** What is left of a grant; 0 for a charge. */
  remainingCredits: number
  description: string | null
  /** From when on a grant can't be spent any more; `null`: never expires. */
  expiresAt: Date | null
  /** A charge is `'active'` until it is refunded, then `'deleted'`. Only `'active'` grants can be spent. */
  status: 'active' | 'expired' | 'deleted' | (string & {})
  createdAt: Date
  updatedAt: Date
  deletedAt: Date | null
  /** The draws of a charge as the text of a JSON array: {@link Draw}. `null` for a grant. */
  consumedDetail: string | null
  /** Text, usually JSON. */
  metadata: string | null
  /** The row of `user`, if {@link getCredits} was asked for it. */
  user?: User | undefined
}

/**
 * A row of `user`, with the columns that every app has.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface User {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  createdAt: Date
  updatedAt: Date
}

/**
 * An item of a charge's {@link Credit.consumedDetail}: what it drew from one grant. A charge that the app wrote itself
 * may say less of it.
 */
export interface Draw {
  /** The grant's `id`. */
  creditId: string
  /** The grant's `transactionNo`. */
  transactionNo: string
  /** When the grant expires, as `toISOString` writes it; `null`: never. */
  expiresAt: string | null
  /** What was still to draw before this item. */
  creditsToConsume: number
  /** What this item drew. */
  creditsConsumed: number
  /** What the grant held before. */
  creditsBefore: number
  /** What the grant held after. */
  creditsAfter: number
  batchSize: number
  /** The item's number, from 1. */
  batchNo: number
}

/**
 * A row of `ai_task`. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface AITask {
  /** Chosen by the app, for example a UUID. */
  id: string
  userId: string
  mediaType: string
  provider: string
  model: string
  prompt: string
  options: string | null
  /** Credits are at risk while a task is pending or processing. An update to `'failed'` refunds its charge. */
  status: 'pending' | 'processing' | 'success' | 'failed' | 'canceled' | (string & {})
  createdAt: Date
  /** The time of the last write, set by every one. */
  updatedAt: Date
  deletedAt: Date | null
  /** The provider's id of it. */
  taskId: string | null
  taskInfo: string | null
  taskResult: string | null
  /** What it cost when it was created. */
  costCredits: number
  /** The charge's `transactionScene`. */
  scene: string
  /** The `id` of the charge that paid for the task, or for its last step; `null` if nothing was charged. */
  creditId: string | null
  /** The row of `user`, if {@link getAITasks} was asked for it. */
  user?: User | undefined
}

/** A row with its user, who may be gone. */
export type WithUser<Row extends object, UserRow extends object = User> = Omit<Row, 'user'> & {
  user: UserRow | undefined
}
