'use strict'

/** The app's tables, as in its Drizzle schemas, without indexes: those are in the database. */

function tables({ table, text, integer, boolean, time }) {
  const user = table('user', { id: text('id').primaryKey(), name: text('name').notNull() })

  const credit = table('credit', {
    id: text('id').primaryKey(),
    userId: text('user_id').notNull(),
    userEmail: text('user_email'),
    orderNo: text('order_no'),
    subscriptionNo: text('subscription_no'),
    transactionNo: text('transaction_no').unique().notNull(),
    transactionType: text('transaction_type').notNull(),
    transactionScene: text('transaction_scene'),
    credits: integer('credits').notNull(),
    remainingCredits: integer('remaining_credits').notNull().default(0),
    description: text('description'),
    expiresAt: time('expires_at'),
    status: text('status').notNull(),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
    deletedAt: time('deleted_at'),
    consumedDetail: text('consumed_detail'),
    metadata: text('metadata'),
  })

  const mediaTasks = table('media_tasks', {
    id: text('id').primaryKey(),
    userId: text('user_id').notNull(),
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
    creditId: text('credit_id'),
    isFreeTrial: boolean('is_free_trial').default(false),
    createdAt: time('created_at').notNull(),
    updatedAt: time('updated_at').notNull(),
    deletedAt: time('deleted_at'),
  })

  // A table of the app that this package does not use.
  const order = table('order', {
    id: text('id').primaryKey(),
    userId: text('user_id').notNull(),
    amount: integer('amount').notNull(),
    status: text('status').notNull(),
    createdAt: time('created_at').notNull(),
  })

  return { credit, mediaTasks, order, user }
}

module.exports = { tables }
