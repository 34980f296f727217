SELECT COALESCE(user_id::text, ''), COALESCE(status::text, ''), {credit_id}::text, updated_at, {free_trial}
FROM {tasks}
WHERE id = $1
FOR NO KEY UPDATE
