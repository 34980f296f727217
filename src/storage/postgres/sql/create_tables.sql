-- The app's tables, as its Drizzle schema makes them on PostgreSQL. In SQLite times are numbers.

CREATE TABLE IF NOT EXISTS "user" (
  id text PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  email_verified boolean DEFAULT false NOT NULL,
  image text,
  plan_type text DEFAULT 'free',
  free_trial_used integer DEFAULT 0,
  last_checkin_date text,
  created_at timestamp DEFAULT now() NOT NULL,
  updated_at timestamp DEFAULT now() NOT NULL,
  CONSTRAINT user_email_unique UNIQUE (email)
);

CREATE TABLE IF NOT EXISTS credit (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  user_email text,
  order_no text,
  subscription_no text,
  transaction_no text NOT NULL,
  transaction_type text NOT NULL,
  transaction_scene text,
  credits integer NOT NULL,
  remaining_credits integer DEFAULT 0 NOT NULL,
  description text,
  expires_at timestamp,
  status text NOT NULL,
  created_at timestamp DEFAULT now() NOT NULL,
  updated_at timestamp NOT NULL,
  deleted_at timestamp,
  consumed_detail text,
  metadata text,
  CONSTRAINT credit_transaction_no_unique UNIQUE (transaction_no),
  CONSTRAINT credit_user_id_user_id_fk FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

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

CREATE TABLE IF NOT EXISTS ai_task (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  media_type text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  prompt text NOT NULL,
  options text,
  status text NOT NULL,
  created_at timestamp DEFAULT now() NOT NULL,
  updated_at timestamp NOT NULL,
  deleted_at timestamp,
  task_id text,
  task_info text,
  task_result text,
  cost_credits integer DEFAULT 0 NOT NULL,
  scene text DEFAULT '' NOT NULL,
  credit_id text,
  CONSTRAINT ai_task_user_id_user_id_fk FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_ai_task_media_type_status ON ai_task (media_type, status);
CREATE INDEX IF NOT EXISTS idx_ai_task_user_media_type ON ai_task (user_id, media_type);
CREATE INDEX IF NOT EXISTS idx_credit_consume_fifo ON credit (user_id, status, transaction_type, remaining_credits, expires_at);
CREATE INDEX IF NOT EXISTS idx_credit_order_no ON credit (order_no);
CREATE INDEX IF NOT EXISTS idx_credit_subscription_no ON credit (subscription_no);
CREATE INDEX IF NOT EXISTS idx_media_task_expires ON media_tasks (expires_at);
CREATE INDEX IF NOT EXISTS idx_media_task_platform_status ON media_tasks (platform, status);
CREATE INDEX IF NOT EXISTS idx_media_task_user_status ON media_tasks (user_id, status);
CREATE INDEX IF NOT EXISTS idx_user_name ON "user" (name);
CREATE INDEX IF NOT EXISTS idx_user_created_at ON "user" (created_at);
