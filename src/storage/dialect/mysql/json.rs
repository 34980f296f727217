//! Rows as JSON text built by the server: clients may convert values of other types, but return text
//! unchanged.

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::row::{Cell, SelectedRow};

/// A row, as a JSON array.
#[derive(Debug, Deserialize)]
pub struct JsonRow(Vec<Json>);

impl SelectedRow for JsonRow {
    fn cell(&self, at: usize) -> Cell<'_> {
        match self.0.get(at) {
            Some(Json::Bool(value)) => Cell::Bool(*value),
            Some(Json::Number(number)) => match number.as_i64() {
                Some(number) => Cell::Integer(number),
                None => number.as_f64().map_or(Cell::Null, Cell::Real),
            },
            Some(Json::String(text)) => Cell::Text(text),
            // JSON columns are selected as text.
            Some(Json::Null | Json::Array(_) | Json::Object(_)) | None => Cell::Null,
        }
    }

    fn type_id(&self, _: usize) -> Option<u32> {
        None
    }
}

/// Rewrites one of this package's statements so that its rows have one column, a JSON array. With `locks`,
/// the rows are locked, and read as they are now instead of from the transaction's snapshot.
pub fn as_json(statement: &str, locks: bool) -> String {
    // An SQL file may begin with a comment.
    let code = statement.lines().skip_while(|line| line.starts_with("--"));
    let code = code.collect::<Vec<_>>().join("\n");
    let Some(select) = code.strip_prefix("SELECT").map(str::trim_start) else {
        return statement.to_owned();
    };
    let is_alone = select.starts_with("EXISTS (") || select.starts_with("(SELECT ");
    // The list of columns contains no caller's values.
    let from = select.find(" FROM ").or(select.find("\nFROM ")).filter(|_| !is_alone);
    let (list, from) = select.split_at(from.unwrap_or(select.len()));
    let locks = locks && !is_alone && !from.ends_with("FOR UPDATE");
    let locks = if locks { " FOR UPDATE" } else { "" };
    format!("SELECT CAST(JSON_ARRAY({list}) AS CHAR) AS media_credits{from}{locks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_selected_as_one_json_column() {
        let rows = [
            (
                "SELECT id, COALESCE(a, '') FROM `t` WHERE x = 'SELECT FROM'",
                true,
                "SELECT CAST(JSON_ARRAY(id, COALESCE(a, '')) AS CHAR) AS media_credits FROM `t` WHERE x = 'SELECT FROM' FOR UPDATE",
            ),
            (
                "SELECT id FROM t FOR UPDATE",
                true,
                "SELECT CAST(JSON_ARRAY(id) AS CHAR) AS media_credits FROM t FOR UPDATE",
            ),
            (
                "SELECT EXISTS (SELECT 1 FROM t)",
                false,
                "SELECT CAST(JSON_ARRAY(EXISTS (SELECT 1 FROM t)) AS CHAR) AS media_credits",
            ),
            (
                "-- One.\nSELECT\n  a\nFROM t",
                false,
                "SELECT CAST(JSON_ARRAY(a) AS CHAR) AS media_credits\nFROM t",
            ),
            ("UPDATE t SET a = (SELECT 1)", true, "UPDATE t SET a = (SELECT 1)"),
            ("INSERT INTO t (a) VALUES ('SELECT ')", true, "INSERT INTO t (a) VALUES ('SELECT ')"),
        ];
        for (statement, locks, expected) in rows {
            assert_eq!(as_json(statement, locks), expected);
        }
    }

    #[test]
    fn values_come_in_their_order() {
        let row: JsonRow =
            serde_json::from_str(r#"[true,1,9007199254740993,1.5,"a",null]"#).unwrap();
        let cells: Vec<Cell> = (0..7).map(|at| row.cell(at)).collect();
        let expected = [
            Cell::Bool(true),
            Cell::Integer(1),
            Cell::Integer(9_007_199_254_740_993),
            Cell::Real(1.5),
            Cell::Text("a"),
            Cell::Null,
            Cell::Null,
        ];
        assert_eq!(cells, expected);
    }
}
