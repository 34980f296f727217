-- The table as the app's Drizzle schema creates it on MySQL.
CREATE TABLE IF NOT EXISTS `user` (
  `id` varchar(191) NOT NULL,
  `name` varchar(191) NOT NULL,
  `email` varchar(191) NOT NULL,
  `email_verified` boolean NOT NULL DEFAULT false,
  `image` text,
  `plan_type` varchar(50) DEFAULT 'free',
  `free_trial_used` int DEFAULT 0,
  `last_checkin_date` varchar(50),
  `created_at` timestamp NOT NULL DEFAULT (now()),
  `updated_at` timestamp NOT NULL DEFAULT (now()) ON UPDATE CURRENT_TIMESTAMP,
  CONSTRAINT `user_id` PRIMARY KEY (`id`),
  CONSTRAINT `user_email_unique` UNIQUE (`email`),
  INDEX `idx_user_name` (`name`),
  INDEX `idx_user_created_at` (`created_at`)
)
