//! What a request writes. Storage applies all plans the same way, whichever request made them.

use super::detail::Draw;
use super::table::TableName;
use super::value::{Fields, Value};

/// The scene of a charge that withdraws credits with their payment.
pub const CHARGEBACK: &str = "chargeback";
/// The scene of a charge that writes off what is too much to live on.
pub const EXPIRY: &str = "expiry";

/// What a request writes: all of it, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whose credits move.
    pub user_id: String,
    /// What grants give.
    pub draws: Vec<Draw>,
    /// What grants get back: the grant's `id` and a number of credits.
    pub returns: Vec<(String, i64)>,
    /// Whether it draws on others than the user's next grants.
    pub aside: bool,
    /// By how many the user's free trials rise; below zero, how many come back.
    pub free_trials: i64,
    /// Rows to insert and to change, in this order.
    pub rows: Vec<RowChange>,
    /// The row that the caller gets.
    pub reply: (TableName, String),
}

/// A row to insert or to change.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// Its table.
    pub table: TableName,
    /// Its `id`.
    pub id: String,
    /// What happens to it.
    pub verb: Verb,
    /// Its columns, or those to change.
    pub fields: Fields,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is new.
    Insert,
    /// Some columns change.
    Update,
    /// Some columns of a charge change, which must be active: it is refunded once.
    UpdateCharge,
}

/// The names of a new row. The engine makes them: they need a clock and randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIds {
    /// Its `id`, a UUID.
    pub id: String,
    /// Its `transaction_no`, unique digits.
    pub transaction_no: String,
}

/// When a request runs, and how a row that it makes is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time, in epoch milliseconds.
    pub now_ms: i64,
    /// The names of the new row.
    pub ids: NewIds,
}

impl Plan {
    /// A plan that writes nothing yet.
    pub fn new(user_id: &str, table: TableName, id: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            draws: Vec::new(),
            returns: Vec::new(),
            aside: false,
            free_trials: 0,
            rows: Vec::new(),
            reply: (table, id.to_owned()),
        }
    }

    /// Adds a row to write.
    pub fn push(&mut self, table: TableName, verb: Verb, id: &str, fields: Fields) {
        self.rows.push(RowChange { table, id: id.to_owned(), verb, fields });
    }

    /// The rows that are new.
    pub fn inserted(&self) -> impl Iterator<Item = &RowChange> {
        self.rows.iter().filter(|row| row.verb == Verb::Insert)
    }

    /// Whether it changes what the user can spend in another way than by drawing on the next grants.
    pub fn gives(&self) -> bool {
        let is_of_grant = |row: &RowChange| match row.verb {
            Verb::Insert => {
                row.fields.get("transactionType").and_then(Value::as_text) == Some("grant")
            }
            Verb::Update => true,
            Verb::UpdateCharge => false,
        };
        let mut rows = self.rows.iter().filter(|row| row.table == TableName::Credit);
        self.aside || !self.returns.is_empty() || rows.any(is_of_grant)
    }

    /// How many credits its user spends by it, and in which scene, if all that it does to charges is to make one now.
    /// What is written off or withdrawn is not spent.
    pub fn spends(&self) -> Option<(i64, Option<&str>)> {
        let mut rows = self.rows.iter().filter(|row| row.table == TableName::Credit);
        let (Some(RowChange { verb: Verb::Insert, fields, .. }), None) = (rows.next(), rows.next())
        else {
            return None;
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_text);
        let scene = text("transactionScene");
        let is_charge = text("transactionType") == Some("consume") && self.returns.is_empty();
        let is_now = fields.get("createdAt") == fields.get("updatedAt");
        let is_spent = !matches!(scene, Some(CHARGEBACK | EXPIRY));
        match fields.get("credits") {
            Some(Value::Integer(credits)) if is_charge && is_now && is_spent => {
                Some((credits.checked_neg()?, scene))
            }
            _ => None,
        }
    }
}

/// Sets the times of a new row. `updatedAt` is the time of the write, whatever was passed.
pub(super) fn set_times(row: &mut Fields, now_ms: i64) {
    if matches!(row.get("createdAt"), None | Some(Value::Null)) {
        row.set("createdAt", Value::TimeMs(now_ms));
    }
    row.set("updatedAt", Value::TimeMs(now_ms));
}
