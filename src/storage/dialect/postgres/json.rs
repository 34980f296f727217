//! Rows as JSON text built by the server: clients may convert values of other types, but return text
//! unchanged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

use super::Statement;
use super::inline::inline;
use super::row::{Cell, SelectedRow};

/// A row, as a JSON object.
#[derive(Debug)]
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
            // Values of other types are cast to text: see `needs_cast`.
            Some(Json::Null | Json::Array(_) | Json::Object(_)) | None => Cell::Null,
        }
    }

    fn type_id(&self, _: usize) -> Option<u32> {
        None
    }
}

/// Reads the values in the order of the columns, whose names may repeat.
impl<'de> Deserialize<'de> for JsonRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = JsonRow;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut columns: A) -> Result<JsonRow, A::Error> {
                let mut values = Vec::new();
                while let Some((_, value)) = columns.next_entry::<IgnoredAny, Json>()? {
                    values.push(value);
                }
                Ok(JsonRow(values))
            }
        }

        deserializer.deserialize_map(Columns)
    }
}

/// A query as one text. Its only column is each row as a JSON object.
pub fn rows_of(question: &Statement) -> String {
    format!("SELECT row_to_json(asked)::text AS media_credits FROM ({}) AS asked", inline(question))
}

/// One expression for the rows of several queries: a JSON array with an array of rows for each.
pub fn rows_of_all(questions: &[Statement]) -> String {
    let rows = |question: &Statement| {
        format!("(SELECT coalesce(json_agg(asked), '[]') FROM ({}) AS asked)", inline(question))
    };
    let each: Vec<String> = questions.iter().map(rows).collect();
    format!("json_build_array({})", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_the_order_of_the_columns() {
        let text =
            r#"[{"exists":true,"exists":false,"n":9007199254740993,"r":1.5,"t":"a","none":null}]"#;
        let rows: Vec<JsonRow> = serde_json::from_str(text).unwrap();
        let cells: Vec<Cell> = (0..7).map(|at| rows[0].cell(at)).collect();
        let expected = [
            Cell::Bool(true),
            Cell::Bool(false),
            Cell::Integer(9_007_199_254_740_993),
            Cell::Real(1.5),
            Cell::Text("a"),
            Cell::Null,
            Cell::Null,
        ];
        assert_eq!(cells, expected);
    }
}
