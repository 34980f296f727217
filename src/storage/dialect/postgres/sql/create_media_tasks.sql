-- The table as the app's Drizzle schema creates it on PostgreSQL. On SQLite times are numbers.
CREATE TABLE IF NOT EXISTS media_tasks (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  platform text NOT NULL,
  video_url text NOT NULL,
  thumbnail_url text,
  title text,
  author text,
  duration integer,
  likes integer,
  views integer,
  shares integer,
  published_at timestamp,
  source_lang text,
  target_lang text,
  status text DEFAULT 'pending' NOT NULL,
  progress integer DEFAULT 0 NOT NULL,
  srt_url text,
  translated_srt_url text,
  result_video_url text,
  error_message text,
  subtitle_raw text,
  subtitle_translated text,
  video_url_internal text,
  expires_at timestamp,
  output_type text,
  credit_id text,
  is_free_trial boolean DEFAULT false,
  created_at timestamp DEFAULT now() NOT NULL,
  updated_at timestamp DEFAULT now() NOT NULL,
  deleted_at timestamp,
  CONSTRAINT media_tasks_user_id_user_id_fk FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_media_task_expires ON media_tasks (expires_at);
CREATE INDEX IF NOT EXISTS idx_media_task_platform_status ON media_tasks (platform, status);
CREATE INDEX IF NOT EXISTS idx_media_task_user_status ON media_tasks (user_id, status);
