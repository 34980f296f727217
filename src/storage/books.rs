//! Whole books: which to read, and putting them together from the rows of all tables.

use std::collections::BTreeMap;

use crate::domain::books::{Books, ChargeEntry, GrantEntry, TaskEntry, Times};
use crate::domain::charge::Charge;

/// Which books to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shelf {
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
    /// Each user's, by their ids.
    pub books: BTreeMap<String, Books>,
    /// How many rows of `credit` were read.
    pub credit_rows: i64,
    /// The last user of this page, if there are more.
    pub next: Option<String>,
}

/// A row of `credit`, whatever it holds.
pub struct CreditEntry {
    /// Its `id`.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// Its `transaction_type`.
    pub transaction_type: String,
    /// What was granted; of a charge, what it took, as a negative number.
    pub credits: i64,
    /// What is left of a grant.
    pub remaining: i64,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Its `consumed_detail`, as found.
    pub consumed_detail: Option<Vec<u8>>,
    /// Its `metadata`.
    pub metadata: Option<String>,
    /// Its times.
    pub times: Times,
}

impl BooksPage {
    /// Enters a row of `credit`.
    pub fn enter_credit(&mut self, entry: CreditEntry) {
        self.credit_rows += 1;
        let CreditEntry { id, user_id, credits, remaining, active, times, .. } = entry;
        let books = self.books_of(&user_id);
        match entry.transaction_type.as_str() {
            "grant" => books.grants.push(GrantEntry { id, credits, remaining, active, times }),
            "consume" => {
                let charge = Charge {
                    id,
                    user_id,
                    active,
                    credits: credits.saturating_neg(),
                    consumed_detail: entry.consumed_detail,
                    metadata: entry.metadata,
                };
                books.charges.push(ChargeEntry::new(charge, times));
            }
            // The app's own kinds of row move no credits.
            _ => {}
        }
    }

    /// Enters a task.
    pub fn enter_task(&mut self, user_id: &str, task: TaskEntry) {
        self.books_of(user_id).tasks.push(task);
    }

    fn books_of(&mut self, user_id: &str) -> &mut Books {
        self.books.entry(user_id.to_owned()).or_insert_with(|| Books::of(user_id))
    }
}
