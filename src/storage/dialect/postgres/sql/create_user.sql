-- The table as the app's Drizzle schema creates it on PostgreSQL. On SQLite times are numbers.
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

CREATE INDEX IF NOT EXISTS idx_user_name ON "user" (name);
CREATE INDEX IF NOT EXISTS idx_user_created_at ON "user" (created_at);
