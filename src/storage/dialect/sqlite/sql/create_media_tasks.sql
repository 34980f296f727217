-- The table as the app's Drizzle schema creates it on SQLite.
CREATE TABLE IF NOT EXISTS "media_tasks" (
  "id" text PRIMARY KEY NOT NULL,
  "user_id" text NOT NULL,
  "platform" text NOT NULL,
  "video_url" text NOT NULL,
  "thumbnail_url" text,
  "title" text,
  "author" text,
  "duration" integer,
  "likes" integer,
  "views" integer,
  "shares" integer,
  "published_at" integer,
  "source_lang" text,
  "target_lang" text,
  "status" text DEFAULT 'pending' NOT NULL,
  "progress" integer DEFAULT 0 NOT NULL,
  "srt_url" text,
  "translated_srt_url" text,
  "result_video_url" text,
  "error_message" text,
  "subtitle_raw" text,
  "subtitle_translated" text,
  "video_url_internal" text,
  "expires_at" integer,
  "output_type" text,
  "credit_id" text,
  "is_free_trial" integer DEFAULT false,
  "created_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "updated_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "deleted_at" integer,
  FOREIGN KEY ("user_id") REFERENCES "user"("id") ON UPDATE no action ON DELETE cascade
);

CREATE INDEX IF NOT EXISTS "idx_media_task_user_status" ON "media_tasks" ("user_id","status");
CREATE INDEX IF NOT EXISTS "idx_media_task_platform_status" ON "media_tasks" ("platform","status");
CREATE INDEX IF NOT EXISTS "idx_media_task_expires" ON "media_tasks" ("expires_at");
