//! Each thing that a page shows.

use super::books::{audited, audits, fixes_of, named_elsewhere, write_statement};
use super::replays::charges_of;
use super::{Outcome, Read};
use crate::domain::quote::quote;
use crate::domain::statement::credit_ids;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::Views;
use crate::storage::books::{Shelf, owners_of};

/// Answers one question.
pub fn read(views: &mut impl Views, read: &Read, now_ms: i64) -> Result<Outcome> {
    match read {
        Read::Find(table, id) => views.find(*table, id).map(Outcome::Row),
        Read::HasActiveTask(user_id, statuses) => {
            views.has_active_task(user_id, statuses).map(Outcome::Bool)
        }
        Read::ActiveTasks(user_id, statuses) => {
            views.active_tasks(user_id, statuses).map(Outcome::Rows)
        }
        Read::TaskHistory(user_id, page) => {
            let total = views.task_count(user_id)?;
            Ok(Outcome::Page(views.task_history(user_id, *page)?, total, *page))
        }
        Read::Balance(user_id) => views.balance(user_id, now_ms).map(Outcome::Number),
        Read::Quote(user_id, credits) => {
            let grants = views.all_spendable_grants(user_id, now_ms)?;
            Ok(Outcome::Quote(quote(&grants, *credits)))
        }
        Read::List(filter, page) => views.list(filter, *page).map(Outcome::Rows),
        Read::ListWithUsers(filter, page) => {
            let rows = views.list(filter, *page)?;
            let owners = owners_of(&rows);
            let owners: Vec<&str> = owners.iter().map(AsRef::as_ref).collect();
            let users = views.find_all(TableName::User, &owners)?;
            Ok(Outcome::RowsOfUsers(rows, users))
        }
        Read::Count(filter) => views.count(filter).map(Outcome::Number),
        Read::TaskCharges(kind, id) => match views.find(TableName::Tasks(*kind), id)? {
            Some(task) => charges_of(views, *kind, &task).map(Outcome::Rows),
            None => Ok(Outcome::Rows(Vec::new())),
        },
        Read::StuckTasks(filter) => views.stuck_tasks(filter, now_ms).map(Outcome::Rows),
        Read::Purse(user_id) => views.all_spendable_grants(user_id, now_ms).map(Outcome::Purse),
        Read::Statement(user_id, query) => {
            let page = views.books(&Shelf::User(user_id.clone()))?;
            let statement = write_statement(&page, user_id, query, now_ms);
            let rows = views.find_all(TableName::Credit, &credit_ids(&statement.entries))?;
            Ok(Outcome::Statement(statement, rows))
        }
        Read::Audit(shelf) => {
            let page = views.books(shelf)?;
            let audits = audits(&page);
            let owners = views.owners(&named_elsewhere(&audits))?;
            Ok(Outcome::Audited(audited(&page, &audits, &owners)))
        }
        Read::Fixes(user_ids) => {
            let mut found = Vec::new();
            for user_id in user_ids {
                found.extend(fixes_of(&views.books(&Shelf::User(user_id.clone()))?, now_ms));
            }
            Ok(Outcome::Fixes(found))
        }
    }
}
