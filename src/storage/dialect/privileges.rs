//! Which privileges the ledger needs on which columns, and which a role lacks.

use serde_json::{Value as Json, json};

use crate::domain::table::TableName;
use crate::storage::roles::Role;

use Command::{Insert, Select, Update};

/// What is done with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Select,
    Insert,
    Update,
}

impl Command {
    pub(super) const ALL: [Self; 3] = [Select, Insert, Update];

    pub(super) fn sql(self) -> &'static str {
        match self {
            Select => "SELECT",
            Insert => "INSERT",
            Update => "UPDATE",
        }
    }

    /// Whether the ledger needs the privilege for this column.
    fn needs(self, table: TableName, column: &str) -> bool {
        use TableName::{Credit, Tasks, User};
        const CHANGED: [&str; 6] =
            ["credits", "remaining_credits", "status", "updated_at", "consumed_detail", "metadata"];
        match (self, table) {
            // Its other columns are the app's.
            (Select, User) => column == "id",
            (Select, _) => true,
            (Insert, User) => false,
            (Insert, _) => Role::of(table, column).is_some(),
            (Update, User) => column == "free_trial_used",
            (Update, Credit) => CHANGED.contains(&column),
            (Update, Tasks(_)) => ["status", "updated_at"].contains(&column),
        }
    }
}

/// A privilege or a policy that the role lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    pub(super) table: TableName,
    pub(super) command: Command,
    /// What it is, and the statement that mends it.
    pub(super) sentence: String,
}

impl Lack {
    /// As JavaScript reads it.
    pub fn as_json(&self) -> Json {
        let (table, command) = (self.table.sql(), self.command.sql());
        json!({ "table": table, "command": command, "message": self.sentence })
    }
}

/// The columns behind a GRANT's verb, of those without the privilege: none where these are `all`. `None`, if the ledger
/// needs no privilege for any of them.
pub(super) fn columns_of(
    table: TableName,
    command: Command,
    (denied, all): (&[String], bool),
    quote: impl Fn(&str) -> String,
) -> Option<String> {
    let needed = denied.iter().filter(|column| command.needs(table, column));
    let needed: Vec<String> = needed.map(|column| quote(column)).collect();
    let columns = if all { String::new() } else { format!(" ({})", needed.join(", ")) };
    (!needed.is_empty()).then_some(columns)
}
