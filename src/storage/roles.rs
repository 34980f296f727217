//! The roles of the ledger's columns. Each storage decides which of its types fit a role.

use super::column::{Column, Limit};
use crate::domain::table::TableName;
use crate::error::{Error, Result};

/// What the ledger stores in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A user's id, created by the app.
    UserId,
    /// A task's id, created by the app.
    TaskId,
    /// The id of a row of `credit`: a UUID, or the app's own.
    CreditId,
    /// A number, stored as text.
    TransactionNo,
    /// One of at least these words; an app may use more.
    State(&'static [&'static str]),
    /// A caller's text, or one of many words.
    Words,
    /// JSON that this package reads.
    Details,
    /// Whole numbers of credits.
    Credits,
    /// A time.
    Time,
}

impl Role {
    /// The role of a column of this table; `None` if the ledger does not use it.
    pub fn of(table: TableName, column: &str) -> Option<Self> {
        use TableName::{Credit, Tasks, User};
        Some(match (table, column) {
            (User, "id") | (Credit | Tasks(_), "user_id") => Self::UserId,
            (User, _) => return None,
            (Tasks(_), "id") => Self::TaskId,
            (Credit, "id") | (Tasks(_), "credit_id") => Self::CreditId,
            (_, "created_at" | "updated_at") | (Credit, "expires_at") => Self::Time,
            (Tasks(_), "status") => Self::State(&[]),
            (Tasks(_), _) => return None,
            (Credit, "transaction_no") => Self::TransactionNo,
            (Credit, "transaction_type") => Self::State(&["grant", "consume"]),
            (Credit, "status") => Self::State(&["active", "deleted"]),
            (Credit, "transaction_scene" | "description") => Self::Words,
            (Credit, "consumed_detail" | "metadata") => Self::Details,
            (Credit, "credits" | "remaining_credits") => Self::Credits,
            (Credit, _) => return None,
        })
    }

    /// The column with which this one must share its type, because their values are compared.
    pub fn shares_type_with(self, column: &str) -> Option<(TableName, &'static str)> {
        match (self, column) {
            (Self::UserId, "user_id") => Some((TableName::User, "id")),
            (Self::CreditId, "credit_id") => Some((TableName::Credit, "id")),
            _ => None,
        }
    }
}

/// Describes the type that a column needs, if its own is not suitable. The last argument is the column with
/// which it must share its type, if there is one.
pub type NeededType = fn(Role, &Column, Option<&Column>) -> Option<String>;

/// Rejects columns whose type can't hold the ledger's values. `all` has the columns that they may refer to.
pub(super) fn check_types(
    found: &[&(TableName, Vec<Column>)],
    all: &[(TableName, Vec<Column>)],
    needed_type: NeededType,
) -> Result<()> {
    let find = |(table, name): (TableName, &str)| {
        let (_, columns) = all.iter().find(|(found, _)| *found == table)?;
        columns.iter().find(|column| column.name == name)
    };
    let of_column = |table: TableName, column: &Column| {
        let role = Role::of(table, &column.name)?;
        let shared = role.shares_type_with(&column.name).and_then(find);
        let needed = needed_type(role, column, shared)?;
        let name = format!("{}.{}", table.sql(), column.name);
        let (computed, found) = (column.limit == Limit::Computed, column.sql_type.to_lowercase());
        let found = format!("{name} is {found}{}", if computed { ", computed" } else { "" });
        Some((found, format!("{name} must be {needed}")))
    };
    let (found, needed): (Vec<_>, Vec<_>) = found
        .iter()
        .flat_map(|(table, columns)| columns.iter().filter_map(|column| of_column(*table, column)))
        .unzip();
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::SchemaMismatch {
        problem: found.join(", "),
        remedy: format!(
            "{}: change it in the app's Drizzle schema and run `npx drizzle-kit push`",
            needed.join(", ")
        ),
    })
}
