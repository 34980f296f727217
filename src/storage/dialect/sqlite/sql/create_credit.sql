-- The table as the app's Drizzle schema creates it on SQLite.
CREATE TABLE IF NOT EXISTS "credit" (
  "id" text PRIMARY KEY NOT NULL,
  "user_id" text NOT NULL,
  "user_email" text,
  "order_no" text,
  "subscription_no" text,
  "transaction_no" text NOT NULL,
  "transaction_type" text NOT NULL,
  "transaction_scene" text,
  "credits" integer NOT NULL,
  "remaining_credits" integer DEFAULT 0 NOT NULL,
  "description" text,
  "expires_at" integer,
  "status" text NOT NULL,
  "created_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "updated_at" integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  "deleted_at" integer,
  "consumed_detail" text,
  "metadata" text,
  FOREIGN KEY ("user_id") REFERENCES "user"("id") ON UPDATE no action ON DELETE cascade
);

CREATE UNIQUE INDEX IF NOT EXISTS "credit_transaction_no_unique" ON "credit" ("transaction_no");
CREATE INDEX IF NOT EXISTS "idx_credit_consume_fifo" ON "credit" ("user_id","status","transaction_type","remaining_credits","expires_at");
CREATE INDEX IF NOT EXISTS "idx_credit_order_no" ON "credit" ("order_no");
CREATE INDEX IF NOT EXISTS "idx_credit_subscription_no" ON "credit" ("subscription_no");
