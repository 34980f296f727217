//! Rows of `credit` that a change of a user's account is about, whole: grants to be withdrawn or prolonged, and what was
//! charged for it before.

use std::collections::BTreeSet;

use super::Row;
use crate::domain::value::Value;

/// What a change of accounts is about.
#[derive(Debug)]
pub struct WantedAccount<'w> {
    /// Whose rows.
    pub whose: Whose<'w>,
    /// Which of them: those that any of these picks.
    pub picks: Vec<Pick<'w>>,
    /// The key of the call, which a row of any user may have.
    pub transaction_no: Option<&'w str>,
}

/// Whose rows.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'w> {
    /// The user with this id.
    User(&'w str),
    /// The users of rows of `credit` with this text in a column, by its name in SQL.
    With(&'static str, &'w str),
}

/// Some rows of a user.
#[derive(Debug)]
pub enum Pick<'w> {
    /// Those with one of these texts in a column, by its name in SQL.
    With(&'static str, Vec<&'w str>),
    /// Active grants of which something is left.
    Unspent,
    /// Grants that were made since this time.
    GrantsSince(i64),
}

/// What decides on such a change, all of it locked.
#[derive(Debug, Default)]
pub struct Account {
    /// The users who are there.
    pub users: BTreeSet<String>,
    /// Their rows.
    pub rows: Vec<Row>,
    /// The row that has the key of the call.
    pub keyed: Option<Row>,
}

/// Puts rows in draw order: those that expire first, then older ones, then by id.
pub fn in_draw_order(rows: &mut [Row]) {
    let time = |row: &Row, key: &str| match row.get(key) {
        Some(Value::TimeMs(time_ms)) => Some(*time_ms),
        _ => None,
    };
    rows.sort_by_cached_key(|row| {
        let expires_at_ms = time(row, "expiresAt");
        let id = row.text("id").map(str::to_owned);
        (expires_at_ms.is_none(), expires_at_ms, time(row, "createdAt"), id)
    });
}
