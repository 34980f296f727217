-- The table as the app's Drizzle schema creates it on SQLite.
CREATE TABLE IF NOT EXISTS "ai_task" (
  "id" text PRIMARY KEY NOT NULL,
  "user_id" text NOT NULL,
  "media_type" text NOT NULL,
  "provider" text NOT NULL,
  "model" text NOT NULL,
  "prompt" text NOT NULL,
  "options" text,
  "status" text NOT NULL,
  "created_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "updated_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "deleted_at" integer,
  "task_id" text,
  "task_info" text,
  "task_result" text,
  "cost_credits" integer DEFAULT 0 NOT NULL,
  "scene" text DEFAULT '' NOT NULL,
  "credit_id" text,
  FOREIGN KEY ("user_id") REFERENCES "user"("id") ON UPDATE no action ON DELETE cascade
);

CREATE INDEX IF NOT EXISTS "idx_ai_task_user_media_type" ON "ai_task" ("user_id","media_type");
CREATE INDEX IF NOT EXISTS "idx_ai_task_media_type_status" ON "ai_task" ("media_type","status");
