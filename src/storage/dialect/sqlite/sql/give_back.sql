-- The condition ensures that a grant never holds more than was granted.
UPDATE credit
SET remaining_credits = remaining_credits + {credits}, updated_at = {updated_at}
{amounts}WHERE id = {id} AND remaining_credits + {credits} <= credits
