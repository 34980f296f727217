// Rows of the app's tables.

import type { getAITasks } from './ai-tasks.js'
import type { connect } from './connection.js'
import type { getCredits } from './credits.js'
import type { NewMediaTask, UpdateMediaTask } from './options.js'
import type { MediaTaskStatus } from './words.js'

/**
 * A row of `media_tasks`. Missing values are `null`, times are `Date`s.
 *
 * If your table has more columns, declare them once, in any `.ts` file of the app; {@link NewMediaTask} and
 * {@link UpdateMediaTask} then have them too. Or pass a row type to {@link connect}.
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
   * By default `'pending'`. A task is unfinished while it is pending, downloading, processing or translating. An update to
   * `'failed'` refunds the task's charge.
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
  /** The time of the last write. Every write sets it. */
  updatedAt: Date
  /** When the app deleted the task. Lists of tasks leave out deleted ones. */
  deletedAt: Date | null
}

/**
 * A row of `credit`: a grant or a charge. Missing values are `null`, times are `Date`s.
 *
 * If your table has more columns, add them to this interface as shown at {@link MediaTask}.
 */
export interface Credit {
  id: string
  userId: string
  userEmail: string | null
  orderNo: string | null
  subscriptionNo: string | null
  /** Unique; a sequence of digits unless the app chose it. */
  transactionNo: string
  /** `'grant'`, or `'consume'` for a charge. */
  transactionType: 'grant' | 'consume' | (string & {})
  transactionScene:
    'payment' | 'subscription' | 'renewal' | 'gift' | 'award' | 'reward' | (string & {}) | null
  /** The granted credits, or minus the charged ones. */
  credits: number
  /** The remaining credits of a grant; 0 for a charge. */
  remainingCredits: number
  description: string | null
  /** The expiry of a grant, or the end of a hold; `null` if there is none. */
  expiresAt: Date | null
  /** A charge is `'active'` until it is refunded, then `'deleted'`. Only `'active'` grants can be spent. */
  status: 'active' | 'expired' | 'deleted' | (string & {})
  createdAt: Date
  updatedAt: Date
  deletedAt: Date | null
  /** The draws of a charge, as JSON text of an array of {@link Draw}. `null` for a grant. */
  consumedDetail: string | null
  /** Text, usually JSON. */
  metadata: string | null
  /** The row of `user`, with the option `getUser` of {@link getCredits}. */
  user?: User | undefined
}

/**
 * A row of `user`, with the columns that every app has.
 *
 * If your table has more columns, add them to this interface as shown at {@link MediaTask}.
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
 * An item of a charge's {@link Credit.consumedDetail}: what it drew from one grant. In charges that the app wrote itself,
 * some fields may be missing.
 */
export interface Draw {
  /** The grant's `id`. */
  creditId: string
  /** The grant's `transactionNo`. */
  transactionNo: string
  /** The grant's expiry in the format of `toISOString`; `null` if it never expires. */
  expiresAt: string | null
  /** The credits that remained to be drawn before this item. */
  creditsToConsume: number
  /** The credits drawn from this grant. */
  creditsConsumed: number
  /** The grant's remaining credits before the draw. */
  creditsBefore: number
  /** The grant's remaining credits after the draw. */
  creditsAfter: number
  batchSize: number
  /** The item's number, counted from 1. */
  batchNo: number
}

/**
 * A row of `ai_task`. Missing values are `null`, times are `Date`s.
 *
 * If your table has more columns, add them to this interface as shown at {@link MediaTask}.
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
  /** A task is unfinished while it is pending or processing. An update to `'failed'` refunds its charge. */
  status: 'pending' | 'processing' | 'success' | 'failed' | 'canceled' | (string & {})
  createdAt: Date
  /** The time of the last write. Every write sets it. */
  updatedAt: Date
  deletedAt: Date | null
  /** The provider's id of the task. */
  taskId: string | null
  taskInfo: string | null
  taskResult: string | null
  /** The cost at its creation. */
  costCredits: number
  /** The charge's `transactionScene`. */
  scene: string
  /** The `id` of the charge that paid for the task, or for its last step; `null` if nothing was charged. */
  creditId: string | null
  /** The row of `user`, with the option `getUser` of {@link getAITasks}. */
  user?: User | undefined
}

/** A row with its user; `undefined` if the user no longer exists. */
export type WithUser<Row extends object, UserRow extends object = User> = Omit<Row, 'user'> & {
  user: UserRow | undefined
}
