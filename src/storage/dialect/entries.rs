//! Converts rows into the entries of an account.

use super::row::{SelectedRow, get, read_time};
use crate::domain::books::{TaskEntry, Times};
use crate::domain::table::TableName;
use crate::storage::books::{BooksPage, CreditEntry, Odd};
use crate::storage::failure::Answer;

/// Adds a row of this table to an account. The columns of a task: id, user, status, charge, and four times;
/// of a row of `credit`: the fields of [`CreditEntry`] in order, and four times.
pub(super) fn enter(page: &mut BooksPage, table: TableName, row: &impl SelectedRow) -> Answer<()> {
    let TableName::Tasks(kind) = table else {
        page.enter_credit(credit_entry(row)?);
        return Ok(());
    };
    let status = get::<Option<&str>>(row, 2)?;
    let (id, credit_id) = (get(row, 0)?, get(row, 3)?);
    let entry = TaskEntry::new((kind, id), status.unwrap_or_default(), credit_id, times(row, 4)?);
    let mut odd = Vec::new();
    note_null(&mut odd, "status", status.is_none());
    note_times(&mut odd, &entry.times);
    page.enter_task(get(row, 1)?, entry, odd);
    Ok(())
}

fn credit_entry(row: &impl SelectedRow) -> Answer<CreditEntry<'_>> {
    let text = |at: usize| get::<Option<&str>>(row, at);
    let (transaction_type, status) = (text(2)?, text(5)?);
    let (credits, remaining): (Option<i64>, Option<i64>) = (get(row, 3)?, get(row, 4)?);
    let times = times(row, 8)?;
    let mut odd = Vec::new();
    note_null(&mut odd, "transactionType", transaction_type.is_none());
    note_null(&mut odd, "status", status.is_none());
    note_null(&mut odd, "credits", credits.is_none());
    let is_grant = transaction_type == Some("grant");
    note_null(&mut odd, "remainingCredits", is_grant && remaining.is_none());
    note_times(&mut odd, &times);
    Ok(CreditEntry {
        id: get::<&str>(row, 0)?.into(),
        user_id: get::<&str>(row, 1)?.into(),
        transaction_type: transaction_type.unwrap_or_default().into(),
        credits,
        remaining,
        status: status.unwrap_or_default().into(),
        consumed_detail: text(6)?.map(|detail| detail.as_bytes().into()),
        metadata: text(7)?.map(Into::into),
        times,
        unreadable: odd,
    })
}

/// Records a NULL in a column where the ledger needs a value.
fn note_null(odd: &mut Vec<Odd>, field: &'static str, is_null: bool) {
    if is_null {
        odd.push((field, "NULL".to_owned()));
    }
}

fn note_times(odd: &mut Vec<Odd>, times: &Times) {
    note_null(odd, "createdAt", times.created_at_ms.is_none());
    note_null(odd, "updatedAt", times.updated_at_ms.is_none());
}

fn times(row: &impl SelectedRow, first: usize) -> Answer<Times> {
    Ok(Times {
        created_at_ms: read_time(row, first)?,
        updated_at_ms: read_time(row, first + 1)?,
        deleted_at_ms: read_time(row, first + 2)?,
        expires_at_ms: read_time(row, first + 3)?,
    })
}
