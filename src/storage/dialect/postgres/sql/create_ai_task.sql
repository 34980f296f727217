-- The table as the app's Drizzle schema creates it on PostgreSQL. On SQLite times are numbers.
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
