//! Whole accounts: which to read, and how the rows of all tables are combined.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Row;
use crate::domain::books::{Books, ChargeEntry, GrantEntry, LeftOut, TaskEntry, Times};
use crate::domain::grant::{EXPIRY_UNREADABLE_MS, is_withdrawn};
use crate::domain::metadata::top_up_ended;
use crate::domain::revocation::State;
use crate::domain::table::TableName;
use crate::domain::top_up::{is_half, is_unconfirmed};

/// Which accounts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRange {
    /// One user's account.
    User(String),
    /// The accounts of the next users.
    Next {
        /// After this user; from the first one if `None`.
        after: Option<String>,
        /// Up to this many users of each table.
        users: u32,
    },
}

/// Some users' accounts, from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct BooksPage {
    /// The accounts, in the order of the users' ids.
    pub books: Vec<Books>,
    /// The number of rows of `credit` that were read.
    pub credit_rows: i64,
    /// The last user of this page, if there are more.
    pub next: Option<String>,
}

/// A row of `credit`, whose values may be of wrong types.
pub struct CreditEntry<'r> {
    /// Its `id`.
    pub id: Cow<'r, str>,
    /// The user's id.
    pub user_id: Cow<'r, str>,
    /// Its `transaction_type`.
    pub transaction_type: Cow<'r, str>,
    /// The granted credits, or minus the charged ones; `None` if unreadable.
    pub credits: Option<i64>,
    /// The remaining credits of a grant; `None` if unreadable.
    pub remaining: Option<i64>,
    /// Its `status`.
    pub status: Cow<'r, str>,
    /// Its `consumed_detail`, as stored.
    pub consumed_detail: Option<Cow<'r, [u8]>>,
    /// Its `metadata`.
    pub metadata: Option<Cow<'r, str>>,
    /// Its times.
    pub times: Times,
    /// The columns with unreadable values.
    pub unreadable: Vec<Odd>,
}

/// A column with an unreadable value: its JavaScript name, and a description of the value.
pub type Odd = (&'static str, String);

/// The users of these rows, each once.
pub fn owners_of(rows: &[Row]) -> Vec<Cow<'_, str>> {
    let ids: BTreeSet<Cow<'_, str>> = rows.iter().filter_map(|row| row.id("userId")).collect();
    ids.into_iter().collect()
}

impl BooksPage {
    /// This user's account, if there is one.
    pub fn of(&self, user_id: &str) -> Option<&Books> {
        self.place_of(user_id).ok().and_then(|at| self.books.get(at))
    }

    /// Adds a row of `credit`.
    pub fn enter_credit(&mut self, entry: CreditEntry<'_>) {
        self.credit_rows += 1;
        let CreditEntry { credits, remaining, mut times, .. } = entry;
        let active = entry.status == "active";
        let id = entry.id.into_owned();
        // Fast path: nearly all rows can be read.
        let odd_row = (!entry.unreadable.is_empty()).then(|| (TableName::Credit, id.clone()));
        let books = self.books_of(&entry.user_id);
        if entry.transaction_type == "grant" && is_half(&entry.status, entry.metadata.as_deref()) {
            books.half_top_ups.push(id.clone());
        }
        let is_odd = |field: &str| entry.unreadable.iter().any(|(odd, _)| *odd == field);
        let left_out = match (entry.transaction_type.as_ref(), credits, remaining) {
            // An unconfirmed top-up is not a grant yet.
            ("grant", ..) if is_unconfirmed(&entry.status, entry.metadata.as_deref()) => None,
            ("grant", Some(credits), Some(remaining)) => {
                // As charges treat it.
                if is_odd("expiresAt") {
                    times.expires_at_ms = Some(EXPIRY_UNREADABLE_MS);
                }
                let withdrawn = is_withdrawn(Some(&entry.status), times.deleted_at_ms.is_some());
                let state = State::of(Some(&entry.status), withdrawn, entry.metadata.as_deref());
                let confirmed_ms = top_up_ended(entry.metadata.as_deref());
                books.grants.push(GrantEntry {
                    id,
                    credits,
                    remaining,
                    active,
                    state,
                    times,
                    confirmed_ms,
                });
                None
            }
            ("consume", Some(credits), _) => {
                books.charges.push(
                    ChargeEntry::new(id, credits.saturating_neg(), active, times)
                        .with_detail(entry.consumed_detail.as_deref(), entry.metadata.as_deref()),
                );
                None
            }
            ("grant", ..) => Some(LeftOut::Grant),
            ("consume", ..) if active => Some(LeftOut::ActiveCharge),
            ("consume", ..) => Some(LeftOut::RefundedCharge),
            // Rows of the app's own types move no credits.
            _ => None,
        };
        if let Some(row) = odd_row {
            books.enter_unreadable(row, entry.unreadable, left_out);
        }
    }

    /// Adds a task.
    pub fn enter_task(&mut self, user_id: &str, task: TaskEntry, unreadable: Vec<Odd>) {
        let books = self.books_of(user_id);
        if !unreadable.is_empty() {
            let row = (TableName::Tasks(task.kind), task.id.clone());
            books.enter_unreadable(row, unreadable, None);
        }
        books.tasks.push(task);
    }

    fn books_of(&mut self, user_id: &str) -> &mut Books {
        let at = self.place_of(user_id).unwrap_or_else(|at| {
            self.books.insert(at, Books::of(user_id));
            at
        });
        // It exists: it was found or inserted above.
        &mut self.books[at]
    }

    fn place_of(&self, user_id: &str) -> Result<usize, usize> {
        self.books.binary_search_by(|books| books.user_id.as_str().cmp(user_id))
    }
}
