-- Never below zero: an app that counts trials itself may not have counted this one yet.
UPDATE "user"
SET free_trial_used = GREATEST(COALESCE(free_trial_used, 0) + change.more, 0){touch}
FROM unnest({users}, {more}) AS change (user_id, more)
WHERE "user".id = change.user_id
RETURNING 1
