-- The table as the app's Drizzle schema creates it on PostgreSQL. On SQLite times are numbers.
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

CREATE INDEX IF NOT EXISTS idx_credit_consume_fifo ON credit (user_id, status, transaction_type, remaining_credits, expires_at);
CREATE INDEX IF NOT EXISTS idx_credit_order_no ON credit (order_no);
CREATE INDEX IF NOT EXISTS idx_credit_subscription_no ON credit (subscription_no);
