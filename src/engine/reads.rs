//! Each thing that a page shows.

use super::{Outcome, Read};
use crate::error::Result;
use crate::storage::Views;

/// Answers one question.
pub fn read(views: &mut impl Views, read: &Read, now_ms: i64) -> Result<Outcome> {
    match read {
        Read::Find(table, id) => views.find(*table, id).map(Outcome::Row),
        Read::HasActiveTask(user_id) => views.has_active_task(user_id).map(Outcome::Bool),
        Read::ActiveTasks(user_id) => views.active_tasks(user_id).map(Outcome::Rows),
        Read::TaskHistory(user_id, page) => {
            let total = views.task_count(user_id)?;
            Ok(Outcome::Page(views.task_history(user_id, *page)?, total, *page))
        }
        Read::Balance(user_id) => views.balance(user_id, now_ms).map(Outcome::Number),
        Read::Credits(filter, page) => views.credits(filter, *page).map(Outcome::Rows),
        Read::CreditCount(filter) => views.credit_count(filter).map(Outcome::Number),
    }
}
