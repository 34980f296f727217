import { boolean, index, int, longtext, mysqlTable, text, timestamp, varchar } from 'drizzle-orm/mysql-core'
import { ofMediaApps } from '../database'

/** The app's tables on MySQL. Times are UTC, in whole seconds. */

/** A column with an index, at the largest length that older servers can index. */
const key = (name: string) => varchar(name, { length: 191 })
const word = (name: string) => varchar(name, { length: 50 })
const time = (name: string) => timestamp(name)
const table = mysqlTable

const userId = () =>
  key('user_id')
    .notNull()
    .references(() => user.id, { onDelete: 'cascade' })

export const user = table(
  'user',
  {
    id: key('id').primaryKey(),
    name: key('name').notNull(),
    email: key('email').notNull().unique(),
    emailVerified: boolean('email_verified').notNull().default(false),
    image: text('image'),
    ...ofMediaApps({
      planType: word('plan_type').default('free'),
      freeTrialUsed: int('free_trial_used').default(0),
      lastCheckinDate: word('last_checkin_date'),
    }),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow().onUpdateNow(),
  },
  (table) => [index('idx_user_name').on(table.name), index('idx_user_created_at').on(table.createdAt)],
)

export const credit = table(
  'credit',
  {
    id: key('id').primaryKey(),
    userId: userId(),
    userEmail: key('user_email'),
    orderNo: key('order_no'),
    subscriptionNo: key('subscription_no'),
    transactionNo: key('transaction_no').notNull().unique(),
    transactionType: word('transaction_type').notNull(),
    transactionScene: word('transaction_scene'),
    credits: int('credits').notNull(),
    remainingCredits: int('remaining_credits').notNull().default(0),
    description: text('description'),
    expiresAt: time('expires_at'),
    status: word('status').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow().onUpdateNow(),
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

export const mediaTasks = table(
  'media_tasks',
  {
    id: key('id').primaryKey(),
    userId: userId(),
    platform: word('platform').notNull(),
    videoUrl: text('video_url').notNull(),
    thumbnailUrl: text('thumbnail_url'),
    title: text('title'),
    author: text('author'),
    duration: int('duration'),
    likes: int('likes'),
    views: int('views'),
    shares: int('shares'),
    publishedAt: time('published_at'),
    sourceLang: word('source_lang'),
    targetLang: word('target_lang'),
    status: word('status').notNull().default('pending'),
    progress: int('progress').notNull().default(0),
    srtUrl: text('srt_url'),
    translatedSrtUrl: text('translated_srt_url'),
    resultVideoUrl: text('result_video_url'),
    errorMessage: text('error_message'),
    subtitleRaw: longtext('subtitle_raw'),
    subtitleTranslated: longtext('subtitle_translated'),
    videoUrlInternal: text('video_url_internal'),
    expiresAt: time('expires_at'),
    outputType: word('output_type'),
    // The only column that media-credits needs and an older app may lack.
    creditId: key('credit_id'),
    isFreeTrial: boolean('is_free_trial').default(false),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow().onUpdateNow(),
    deletedAt: time('deleted_at'),
  },
  (table) => [
    index('idx_media_task_user_status').on(table.userId, table.status),
    index('idx_media_task_platform_status').on(table.platform, table.status),
    index('idx_media_task_expires').on(table.expiresAt),
  ],
)

export const aiTask = table(
  'ai_task',
  {
    id: key('id').primaryKey(),
    userId: userId(),
    mediaType: word('media_type').notNull(),
    provider: word('provider').notNull(),
    model: key('model').notNull(),
    prompt: longtext('prompt').notNull(),
    options: longtext('options'),
    status: word('status').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow().onUpdateNow(),
    deletedAt: time('deleted_at'),
    taskId: key('task_id'),
    taskInfo: longtext('task_info'),
    taskResult: longtext('task_result'),
    costCredits: int('cost_credits').notNull().default(0),
    scene: varchar('scene', { length: 100 }).notNull().default(''),
    creditId: key('credit_id'),
  },
  (table) => [
    index('idx_ai_task_user_media_type').on(table.userId, table.mediaType),
    index('idx_ai_task_media_type_status').on(table.mediaType, table.status),
  ],
)
