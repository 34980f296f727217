-- The number of tasks of each user that have one of these statuses. The column may be an enum that lacks some of them,
-- so it is compared as text.
SELECT user_id::text, count(*)
FROM {tasks}
WHERE user_id = ANY ($1) AND status::text = ANY ($2)
GROUP BY user_id
