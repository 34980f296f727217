-- How many tasks of these users are in one of these states. A status may be an enum that lacks some of them.
SELECT user_id::text, count(*)
FROM {tasks}
WHERE user_id = ANY ($1) AND status::text = ANY ($2)
GROUP BY user_id
