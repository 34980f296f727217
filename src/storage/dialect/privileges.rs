//! The privileges that the ledger needs on each column, and the missing ones.

use serde_json::{Value as Json, json};

use crate::domain::table::TableName;
use crate::storage::roles::Role;

use Command::{Insert, Select, Update};

/// An SQL command.
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
            // The other columns belong to the app.
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

/// A missing privilege or policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    pub(super) table: TableName,
    pub(super) command: Command,
    /// The message, with the statement that grants it.
    pub(super) sentence: String,
}

impl Lack {
    /// As JSON, with JavaScript names.
    pub fn as_json(&self) -> Json {
        let (table, command) = (self.table.sql(), self.command.sql());
        json!({ "table": table, "command": command, "message": self.sentence })
    }
}

/// The column list of a GRANT for the columns without the privilege that the ledger needs; empty if these are
/// `all` columns. `None` if it needs no privilege for any of them.
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
