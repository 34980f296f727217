import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { ofMediaApps } from '../database'

/** The app's tables on SQLite. Times are epoch milliseconds. */

const time = (name: string) => integer(name, { mode: 'timestamp_ms' })
const now = sql`(cast((julianday('now') - 2440587.5)*86400000 as integer))`
const userId = () =>
  text('user_id')
    .notNull()
    .references(() => user.id, { onDelete: 'cascade' })

export const user = sqliteTable('user', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull().unique(),
  emailVerified: integer('email_verified', { mode: 'boolean' }).notNull().default(false),
  image: text('image'),
  ...ofMediaApps({
    planType: text('plan_type').default('free'),
    freeTrialUsed: integer('free_trial_used').default(0),
    lastCheckinDate: text('last_checkin_date'),
  }),
  createdAt: time('created_at').notNull().default(now),
  updatedAt: time('updated_at').notNull().default(now),
})

export const credit = sqliteTable(
  'credit',
  {
    id: text('id').primaryKey(),
    userId: userId(),
    userEmail: text('user_email'),
    orderNo: text('order_no'),
    subscriptionNo: text('subscription_no'),
    transactionNo: text('transaction_no').notNull().unique(),
    transactionType: text('transaction_type').notNull(),
    transactionScene: text('transaction_scene'),
    credits: integer('credits').notNull(),
    remainingCredits: integer('remaining_credits').notNull().default(0),
    description: text('description'),
    expiresAt: time('expires_at'),
    status: text('status').notNull(),
    createdAt: time('created_at').notNull().default(now),
    updatedAt: time('updated_at').notNull().default(now),
    deletedAt: time('deleted_at'),
    consumedDetail: text('consumed_detail'),
    metadata: text('metadata'),
  },
  (table) => [
    index('idx_credit_consume_fifo').on(
      table.userId,
      table.status,
      table.transactionType,
      table.remainingCredits,
      table.expiresAt,
    ),
    index('idx_credit_order_no').on(table.orderNo),
    index('idx_credit_subscription_no').on(table.subscriptionNo),
  ],
)

export const mediaTasks = sqliteTable(
  'media_tasks',
  {
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
    publishedAt: time('published_at'),
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
    expiresAt: time('expires_at'),
    outputType: text('output_type'),
    // The only column that media-credits needs and an older app may lack.
    creditId: text('credit_id'),
    isFreeTrial: integer('is_free_trial', { mode: 'boolean' }).default(false),
    createdAt: time('created_at').notNull().default(now),
    updatedAt: time('updated_at').notNull().default(now),
    deletedAt: time('deleted_at'),
  },
  (table) => [
    index('idx_media_task_user_status').on(table.userId, table.status),
    index('idx_media_task_platform_status').on(table.platform, table.status),
    index('idx_media_task_expires').on(table.expiresAt),
  ],
)

export const aiTask = sqliteTable(
  'ai_task',
  {
    id: text('id').primaryKey(),
    userId: userId(),
    mediaType: text('media_type').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    prompt: text('prompt').notNull(),
    options: text('options'),
    status: text('status').notNull(),
    createdAt: time('created_at').notNull().default(now),
    updatedAt: time('updated_at').notNull().default(now),
    deletedAt: time('deleted_at'),
    taskId: text('task_id'),
    taskInfo: text('task_info'),
    taskResult: text('task_result'),
    costCredits: integer('cost_credits').notNull().default(0),
    scene: text('scene').notNull().default(''),
    creditId: text('credit_id'),
  },
  (table) => [
    index('idx_ai_task_user_media_type').on(table.userId, table.mediaType),
    index('idx_ai_task_media_type_status').on(table.mediaType, table.status),
  ],
)
