-- Never below zero: an app that counts trials itself may not have counted this one yet.
UPDATE "user"
SET free_trial_used = max(COALESCE(free_trial_used, 0) + ?2, 0){touch}
WHERE id = ?1
