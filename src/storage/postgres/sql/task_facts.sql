SELECT user_id, status::text, {credit_id}, updated_at, {free_trial}
FROM {tasks}
WHERE id = $1
FOR NO KEY UPDATE
