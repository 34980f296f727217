//! Plans: the writes of a request. Storage applies every plan in the same way.

use super::detail::Draw;
use super::table::TableName;
use super::value::{Fields, Value};

/// The scene of a revocation's charge.
pub const CHARGEBACK: &str = "chargeback";
/// The scene of a charge that writes off credits above a renewal's rollover limit.
pub const EXPIRY: &str = "expiry";

/// The writes of a request: all are applied, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The user whose credits change.
    pub user_id: String,
    /// Credits that are drawn from grants.
    pub draws: Vec<Draw>,
    /// Credits that are returned to grants: the grant's `id` and the number of credits.
    pub returns: Vec<(String, i64)>,
    /// Whether it draws on other grants than the next ones in the user's draw order.
    pub aside: bool,
    /// The change in the user's number of used free trials; negative if trials are returned.
    pub free_trials: i64,
    /// Rows to insert or update, in this order.
    pub rows: Vec<RowChange>,
    /// The row that the caller receives.
    pub reply: (TableName, String),
}

/// A row to insert or to change.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// The table.
    pub table: TableName,
    /// The row's `id`.
    pub id: String,
    /// Whether the row is inserted or updated.
    pub verb: Verb,
    /// The columns to write.
    pub fields: Fields,
}

/// The kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A new row.
    Insert,
    /// Some columns change.
    Update,
    /// Some columns of a charge change, on condition that it is still active: a charge is refunded once.
    UpdateCharge,
}

/// The keys of a new row. The engine generates them, because that takes a clock and randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIds {
    /// Its `id`, a UUID.
    pub id: String,
    /// Its `transaction_no`, a unique sequence of digits.
    pub transaction_no: String,
}

/// The time of a request, and the keys for a row that it creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time, in epoch milliseconds.
    pub now_ms: i64,
    /// The keys of the new row.
    pub ids: NewIds,
}

impl Plan {
    /// Creates a plan without writes.
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

    /// Adds a write.
    pub fn push(&mut self, table: TableName, verb: Verb, id: &str, fields: Fields) {
        self.rows.push(RowChange { table, id: id.to_owned(), verb, fields });
    }

    /// The rows to insert.
    pub fn inserted(&self) -> impl Iterator<Item = &RowChange> {
        self.rows.iter().filter(|row| row.verb == Verb::Insert)
    }

    /// Whether it changes the spendable grants in another way than by draws on the next ones.
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

    /// The credits that its user spends, and the scene, if the plan creates one charge now and changes no
    /// other. Write-offs and withdrawals are not spending.
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

/// Sets the times of a new row. `updatedAt` is always the time of the write.
pub(super) fn set_times(row: &mut Fields, now_ms: i64) {
    if matches!(row.get("createdAt"), None | Some(Value::Null)) {
        row.set("createdAt", Value::TimeMs(now_ms));
    }
    row.set("updatedAt", Value::TimeMs(now_ms));
}
