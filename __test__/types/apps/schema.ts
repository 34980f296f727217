// An app's Drizzle schema: the columns of each app, and some of its own.

import { boolean, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const createdAt = () => timestamp('created_at').defaultNow().notNull()
const updatedAt = () =>
  timestamp('updated_at')
    .$onUpdate(() => new Date())
    .notNull()

export const user = pgTable('user', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull().unique(),
  emailVerified: boolean('email_verified').default(false).notNull(),
  image: text('image'),
  createdAt: createdAt(),
  updatedAt: updatedAt(),
  // The app's own columns.
  locale: text('locale').notNull().default(''),
  freeTrialUsed: integer('free_trial_used').default(0),
})

const userId = () =>
  text('user_id')
    .notNull()
    .references(() => user.id, { onDelete: 'cascade' })

export const credit = pgTable('credit', {
  id: text('id').primaryKey(),
  userId: userId(),
  userEmail: text('user_email'),
  orderNo: text('order_no'),
  subscriptionNo: text('subscription_no'),
  transactionNo: text('transaction_no').unique().notNull(),
  transactionType: text('transaction_type').notNull(),
  transactionScene: text('transaction_scene'),
  credits: integer('credits').notNull(),
  remainingCredits: integer('remaining_credits').notNull().default(0),
  description: text('description'),
  expiresAt: timestamp('expires_at'),
  status: text('status').notNull(),
  createdAt: createdAt(),
  updatedAt: updatedAt(),
  deletedAt: timestamp('deleted_at'),
  consumedDetail: text('consumed_detail'),
  metadata: text('metadata'),
})

export const aiTask = pgTable('ai_task', {
  id: text('id').primaryKey(),
  userId: userId(),
  mediaType: text('media_type').notNull(),
  provider: text('provider').notNull(),
  model: text('model').notNull(),
  prompt: text('prompt').notNull(),
  options: text('options'),
  status: text('status').notNull(),
  createdAt: createdAt(),
  updatedAt: updatedAt(),
  deletedAt: timestamp('deleted_at'),
  taskId: text('task_id'),
  taskInfo: text('task_info'),
  taskResult: text('task_result'),
  costCredits: integer('cost_credits').notNull().default(0),
  scene: text('scene').notNull().default(''),
  creditId: text('credit_id'),
})

export const mediaTasks = pgTable('media_tasks', {
  id: text('id').primaryKey(),
  userId: userId(),
  platform: text('platform').notNull(),
  videoUrl: text('video_url').notNull(),
  thumbnailUrl: text('thumbnail_url'),
  title: text('title'),
  author: text('author'),
  duration: integer('duration'),
  likes: integer('likes'),
  views: integer('views'),
  shares: integer('shares'),
  publishedAt: timestamp('published_at'),
  sourceLang: text('source_lang'),
  targetLang: text('target_lang'),
  status: text('status').notNull().default('pending'),
  progress: integer('progress').notNull().default(0),
  srtUrl: text('srt_url'),
  translatedSrtUrl: text('translated_srt_url'),
  resultVideoUrl: text('result_video_url'),
  errorMessage: text('error_message'),
  subtitleRaw: text('subtitle_raw'),
  subtitleTranslated: text('subtitle_translated'),
  videoUrlInternal: text('video_url_internal'),
  expiresAt: timestamp('expires_at'),
  outputType: text('output_type'),
  creditId: text('credit_id'),
  isFreeTrial: boolean('is_free_trial').default(false),
  createdAt: createdAt(),
  updatedAt: updatedAt(),
  deletedAt: timestamp('deleted_at'),
  // The app's own column.
  rewrittenScripts: jsonb('rewritten_scripts').$type<{ at: number; text: string }[]>(),
})

export type CreditRow = typeof credit.$inferSelect
export type AITaskRow = typeof aiTask.$inferSelect
export type MediaTaskRow = typeof mediaTasks.$inferSelect
export type UserRow = typeof user.$inferSelect
