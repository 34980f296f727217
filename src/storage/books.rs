//! Whole accounts: which to read, and how the rows of all tables are put together.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Row;
use crate::domain::books::{Books, ChargeEntry, GrantEntry, LeftOut, TaskEntry, Times};
use crate::domain::grant::{EXPIRY_UNREADABLE_MS, is_withdrawn};
use crate::domain::metadata::top_up_ended;
use crate::domain::revocation::State;
use crate::domain::table::TableName;
use crate::domain::top_up::{is_half, is_unconfirmed};

/// Which books to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRange {
    /// One user's.
    User(String),
    /// Those of the next users.
    Next {
        /// After this one; from the first, if there is none.
        after: Option<String>,
        /// So many of each table.
        users: u32,
    },
}

/// Some users' books, all from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct BooksPage {
    /// Each user's, in the order of their ids.
    pub books: Vec<Books>,
    /// How many rows of `credit` were read.
    pub credit_rows: i64,
    /// The last user of this page, if there are more.
    pub next: Option<String>,
}

/// A row of `credit`, whatever it holds.
pub struct CreditEntry<'r> {
    /// Its `id`.
    pub id: Cow<'r, str>,
    /// Its family.
    pub user_id: Cow<'r, str>,
    /// Its `transaction_type`.
    pub transaction_type: Cow<'r, str>,
    /// What was granted; of a charge, what it took, as a negative number. `None`: that can't be read.
    pub credits: Option<i64>,
    /// What is left of a grant. `None`: that can't be read.
    pub remaining: Option<i64>,
    /// Its `status`.
    pub status: Cow<'r, str>,
    /// Its `consumed_detail`, as found.
    pub consumed_detail: Option<Cow<'r, [u8]>>,
    /// Its `metadata`.
    pub metadata: Option<Cow<'r, str>>,
    /// Its times.
    pub times: Times,
    /// Columns that hold something else than they say, and what.
    pub unreadable: Vec<Odd>,
}

/// A column, by its name in JavaScript, that holds something else than it says, and what in words.
pub type Odd = (&'static str, String);

/// Whose these rows are, each user once.
pub fn owners_of(rows: &[Row]) -> Vec<Cow<'_, str>> {
    let ids: BTreeSet<Cow<'_, str>> = rows.iter().filter_map(|row| row.id("userId")).collect();
    ids.into_iter().collect()
}

impl BooksPage {
    /// This user's books, if there are any.
    pub fn of(&self, user_id: &str) -> Option<&Books> {
        self.place_of(user_id).ok().and_then(|at| self.books.get(at))
    }

    /// Enters a row of `credit`.
    pub fn enter_credit(&mut self, entry: CreditEntry<'_>) {
        self.credit_rows += 1;
        let CreditEntry { credits, remaining, mut times, .. } = entry;
        let active = entry.status == "active";
        let id = entry.id.into_owned();
        let books = self.books_of(&entry.user_id);
        if entry.transaction_type == "grant" && is_half(&entry.status, entry.metadata.as_deref()) {
            books.half_top_ups.push(id.clone());
        }
        let is_odd = |field: &str| entry.unreadable.iter().any(|(odd, _)| *odd == field);
        let left_out = match (entry.transaction_type.as_ref(), credits, remaining) {
            // What is only claimed is not granted yet.
            ("grant", ..) if is_unconfirmed(&entry.status, entry.metadata.as_deref()) => None,
            ("grant", Some(credits), Some(remaining)) => {
                // As charges see it.
                if is_odd("expiresAt") {
                    times.expires_at_ms = Some(EXPIRY_UNREADABLE_MS);
                }
                let withdrawn = is_withdrawn(Some(&entry.status), times.deleted_at_ms.is_some());
                let state = State::of(Some(&entry.status), withdrawn, entry.metadata.as_deref());
                let id = id.clone();
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
                    ChargeEntry::new(id.clone(), credits.saturating_neg(), active, times)
                        .with_detail(entry.consumed_detail.as_deref(), entry.metadata.as_deref()),
                );
                None
            }
            ("grant", ..) => Some(LeftOut::Grant),
            ("consume", ..) if active => Some(LeftOut::ActiveCharge),
            ("consume", ..) => Some(LeftOut::RefundedCharge),
            // The app's own kinds of row move no credits.
            _ => None,
        };
        books.enter_unreadable((TableName::Credit, id), entry.unreadable, left_out);
    }

    /// Enters a task.
    pub fn enter_task(&mut self, user_id: &str, task: TaskEntry, unreadable: Vec<Odd>) {
        let books = self.books_of(user_id);
        books.enter_unreadable((TableName::Tasks(task.kind), task.id.clone()), unreadable, None);
        books.tasks.push(task);
    }

    fn books_of(&mut self, user_id: &str) -> &mut Books {
        let at = self.place_of(user_id).unwrap_or_else(|at| {
            self.books.insert(at, Books::of(user_id));
            at
        });
        // It is there: it was found, or has been inserted.
        &mut self.books[at]
    }

    fn place_of(&self, user_id: &str) -> Result<usize, usize> {
        self.books.binary_search_by(|books| books.user_id.as_str().cmp(user_id))
    }
}
