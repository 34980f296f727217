//! Reads, on every store.

use super::auditing::{audited, audits, fixes_of, named_elsewhere, write_statement};
use super::operation::{Read, UserRead};
use super::outcome::{Audited, Outcome};
use super::replays::charges_of;
use super::top_ups;
use crate::domain::quote::quote;
use crate::domain::statement::credit_ids;
use crate::domain::table::TableName;
use crate::storage::books::{UserRange, owners_of};
use crate::storage::failure::Answer;
use crate::storage::store::{Extent, Store};

/// Runs one read.
pub(super) async fn read(store: &mut dyn Store, read: &Read, now_ms: i64) -> Answer<Outcome> {
    match read {
        Read::Find(table, id) => store.find(*table, id).await.map(Outcome::Row),
        Read::OfUser(user_id, read) => read_of_user(store, user_id, read, now_ms).await,
        Read::List(filter, page) => store.list(filter, *page).await.map(Outcome::Rows),
        Read::ListWithUsers(filter, page) => {
            let rows = store.list(filter, *page).await?;
            let owners = owners_of(&rows);
            let owners: Vec<&str> = owners.iter().map(AsRef::as_ref).collect();
            let users = store.users(&owners).await?;
            Ok(Outcome::RowsOfUsers(rows, users))
        }
        Read::Count(filter) => store.count(filter).await.map(Outcome::Number),
        Read::TaskCharges(kind, id) => match store.find(TableName::Tasks(*kind), id).await? {
            Some(task) => charges_of(store, *kind, &task).await.map(Outcome::Rows),
            None => Ok(Outcome::Rows(Vec::new())),
        },
        Read::StuckTasks(filter) => store.stuck_tasks(filter, now_ms).await.map(Outcome::Rows),
        Read::OpenTopUps(ago_ms, limit) => top_ups::open(store, now_ms - ago_ms, *limit).await,
        Read::EndedHolds(window) => store.ended_holds(*window, now_ms).await.map(Outcome::Rows),
        Read::Expiring(query) => {
            let found = store.expiring(query, now_ms).await?;
            let is_full = u32::try_from(found.len()).is_ok_and(|users| users >= query.limit);
            let last = found.last().map(|last| last.user_id.clone()).filter(|_| is_full);
            Ok(Outcome::Expiring(found, last))
        }
        Read::Audit(range) => audit(store, range).await.map(Outcome::Audited),
        Read::Fixes(user_ids) => {
            let mut found = Vec::new();
            for user_id in user_ids {
                let page = store.books(&UserRange::User(user_id.clone())).await?;
                found.extend(fixes_of(&page, now_ms));
                store.owners(&[]).await?;
            }
            Ok(Outcome::Fixes(found))
        }
    }
}

/// Audits some users' accounts.
pub(super) async fn audit(store: &mut dyn Store, range: &UserRange) -> Answer<Audited> {
    let page = store.books(range).await?;
    let audits = audits(&page);
    let owners = store.owners(&named_elsewhere(&audits)).await?;
    Ok(audited(&page, &audits, &owners))
}

/// Runs one read about a user.
async fn read_of_user(
    store: &mut dyn Store,
    user_id: &str,
    read: &UserRead,
    now_ms: i64,
) -> Answer<Outcome> {
    match read {
        UserRead::HasActiveTask(statuses) => {
            store.has_active_task(user_id, statuses).await.map(Outcome::Bool)
        }
        UserRead::ActiveTasks(statuses) => {
            store.active_tasks(user_id, statuses).await.map(Outcome::Rows)
        }
        UserRead::TaskHistory(page) => {
            let (rows, total) = store.task_history(user_id, *page).await?;
            Ok(Outcome::Page(rows, total, *page))
        }
        UserRead::BalanceTotal(paying) if paying.takes_all() => {
            store.balance(user_id, now_ms).await.map(Outcome::Number)
        }
        UserRead::BalanceTotal(paying) => {
            let grants = store.all_spendable_grants(user_id, Extent::of(paying), now_ms).await?;
            Ok(Outcome::Number(paying.available(&grants)))
        }
        UserRead::Balance(paying) => {
            let extent = Extent::of(paying);
            let (grants, held) = store.spendable_and_held(user_id, extent, now_ms).await?;
            Ok(Outcome::Balance(paying.choose(&grants).into_owned(), held))
        }
        UserRead::Quote(credits, paying) => {
            let grants = store.all_spendable_grants(user_id, Extent::of(paying), now_ms).await?;
            Ok(Outcome::Quote(quote(&paying.choose(&grants), *credits)))
        }
        UserRead::Statement(query) => {
            let page = store.books(&UserRange::User(user_id.to_owned())).await?;
            let statement = write_statement(&page, user_id, query, now_ms);
            let ids = credit_ids(&statement.entries);
            let rows = store.find_all(TableName::Credit, &ids).await?;
            Ok(Outcome::Statement(statement, rows))
        }
    }
}
