-- The table as the app's Drizzle schema creates it on MySQL.
CREATE TABLE IF NOT EXISTS `ai_task` (
  `id` varchar(191) NOT NULL,
  `user_id` varchar(191) NOT NULL,
  `media_type` varchar(50) NOT NULL,
  `provider` varchar(50) NOT NULL,
  `model` varchar(191) NOT NULL,
  `prompt` longtext NOT NULL,
  `options` longtext,
  `status` varchar(50) NOT NULL,
  `created_at` timestamp NOT NULL DEFAULT (now()),
  `updated_at` timestamp NOT NULL DEFAULT (now()) ON UPDATE CURRENT_TIMESTAMP,
  `deleted_at` timestamp NULL,
  `task_id` varchar(191),
  `task_info` longtext,
  `task_result` longtext,
  `cost_credits` int NOT NULL DEFAULT 0,
  `scene` varchar(100) NOT NULL DEFAULT '',
  `credit_id` varchar(191),
  CONSTRAINT `ai_task_id` PRIMARY KEY (`id`),
  INDEX `idx_ai_task_user_media_type` (`user_id`, `media_type`),
  INDEX `idx_ai_task_media_type_status` (`media_type`, `status`),
  CONSTRAINT `ai_task_user_id_user_id_fk` FOREIGN KEY (`user_id`) REFERENCES `user` (`id`) ON DELETE CASCADE ON UPDATE NO ACTION
)
