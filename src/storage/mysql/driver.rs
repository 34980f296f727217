//! Decodes the protocol's rows for the dialect: all values are text, and the columns have the types
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html>).

use std::sync::Arc;

use super::client::{ColumnInfo, ResultSet};
use crate::storage::dialect::row::{Cell, SelectedRow};
use crate::storage::dialect::times::parse_time;
use crate::storage::times::LATEST_MS;

/// A row, with the columns that it shares with others.
#[derive(Debug)]
pub struct SentRow {
    columns: Arc<[ColumnInfo]>,
    values: Vec<Option<Vec<u8>>>,
}

/// The rows of a result.
pub(super) fn rows(answer: ResultSet) -> Vec<SentRow> {
    let columns: Arc<[ColumnInfo]> = answer.columns.into();
    let row = |values| SentRow { columns: Arc::clone(&columns), values };
    answer.rows.into_iter().map(row).collect()
}

impl SelectedRow for SentRow {
    fn cell(&self, at: usize) -> Cell<'_> {
        match (self.values.get(at), self.columns.get(at)) {
            (Some(Some(value)), Some(column)) => cell(value, column),
            _ => Cell::Null,
        }
    }

    fn type_id(&self, at: usize) -> Option<u32> {
        self.columns.get(at).map(|column| column.kind.into())
    }
}

fn cell<'r>(value: &'r [u8], column: &ColumnInfo) -> Cell<'r> {
    /// The character set of values that are not text.
    const BINARY: u16 = 63;
    let Ok(text) = std::str::from_utf8(value) else { return Cell::Bytes(value) };
    match column.kind {
        // Whole numbers and years. Large unsigned ones stay text.
        1 | 2 | 3 | 8 | 9 | 13 => text.parse().map_or(Cell::Text(text), Cell::Integer),
        4 | 5 => text.parse().map_or(Cell::Text(text), Cell::Real),
        // An invalid date counts as long ago.
        7 | 12 => Cell::TimeMs(parse_time(text).unwrap_or(-LATEST_MS)),
        // Bits and geometries.
        16 | 255 => Cell::Bytes(value),
        // Texts and bytes, which differ in the character set.
        15 | 249..=254 if column.charset == BINARY => Cell::Bytes(value),
        _ => Cell::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_columns_type() {
        const TEXT: u16 = 45;
        let rows: [(u8, u16, &[u8], Cell<'_>); 13] = [
            (3, 63, b"-7", Cell::Integer(-7)),
            (8, 63, b"18446744073709551615", Cell::Text("18446744073709551615")),
            (5, 63, b"1.5", Cell::Real(1.5)),
            (0, 63, b"1.50", Cell::Text("1.50")),
            (246, 63, b"1.50", Cell::Text("1.50")),
            (7, 63, b"1970-01-01 00:00:01", Cell::TimeMs(1000)),
            (12, 63, b"1970-01-01 00:00:01.2345", Cell::TimeMs(1234)),
            (12, 63, b"0000-00-00 00:00:00", Cell::TimeMs(-LATEST_MS)),
            (10, 63, b"1970-01-01", Cell::Text("1970-01-01")),
            (253, TEXT, b"a", Cell::Text("a")),
            (253, 63, b"a", Cell::Bytes(b"a")),
            (245, 63, b"[1]", Cell::Text("[1]")),
            (16, 63, b"\x01", Cell::Bytes(b"\x01")),
        ];
        for (kind, charset, value, expected) in rows {
            let column = ColumnInfo { name: "a".to_owned(), kind, charset, flags: 0 };
            assert_eq!(cell(value, &column), expected, "{kind}");
        }
    }
}
