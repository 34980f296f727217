//! Ids in statements. The ledger compares them byte by byte, whatever the type and the collation of their
//! column: an index finds the rows that the collation treats as equal, and a byte comparison selects among
//! them.

use super::literal;
use crate::domain::table::TableName;
use crate::storage::schema::{Column, Kind, Schema};

/// The type of a column of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdType {
    Integer,
    /// Text with this character set and collation; `None` if the type has neither.
    Text(Option<(String, String)>),
}

impl IdType {
    pub(super) fn of(column: &Column, collation: Option<(String, String)>) -> Self {
        if column.kind == Kind::Integer { Self::Integer } else { Self::Text(collation) }
    }

    /// An id; NULL, which matches no row, if there is none or the column can't hold it.
    pub(super) fn one(&self, id: Option<&str>) -> String {
        let Some(id) = id else { return literal::NULL.to_owned() };
        match self {
            Self::Integer => {
                number(id).map_or_else(|| literal::NULL.to_owned(), |id| id.to_string())
            }
            // Characters missing in the character set are converted to others, which the byte comparison
            // detects.
            Self::Text(Some((charset, collation))) if charset != "utf8mb4" && !id.is_ascii() => {
                format!("CONVERT({} USING {charset}) COLLATE {collation}", literal::text(id))
            }
            Self::Text(_) => literal::text(id),
        }
    }

    /// Ids for IN. The reader of the rows must compare them exactly.
    pub(super) fn many(&self, ids: impl IntoIterator<Item: AsRef<str>>) -> String {
        literal::list(ids.into_iter().map(|id| self.one(Some(id.as_ref()))))
    }

    /// Converts the SQL expression of an id of another type for comparison with this column.
    pub(super) fn from(&self, other: &Self, sql: &str) -> String {
        match self {
            Self::Text(Some((charset, collation))) if self != other => {
                format!("CONVERT({sql} USING {charset}) COLLATE {collation}")
            }
            _ => sql.to_owned(),
        }
    }

    /// A condition that a column has exactly this id.
    pub(super) fn is(&self, column: &str, id: &str) -> String {
        match self {
            Self::Integer => format!("{column} = {}", self.one(Some(id))),
            Self::Text(_) => format!(
                "{column} = {} AND {} = {}",
                self.one(Some(id)),
                self.bytes(column),
                literal::bytes(id.as_bytes())
            ),
        }
    }

    /// An expression that sorts ids of a column by their bytes.
    pub(super) fn bytes(&self, column: &str) -> String {
        match self {
            Self::Integer => column.to_owned(),
            Self::Text(Some((charset, _))) if charset == "utf8mb4" => {
                format!("CAST({column} AS BINARY)")
            }
            Self::Text(_) => format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)"),
        }
    }

    /// A column as text.
    pub(super) fn text(&self, column: &str) -> String {
        match self {
            Self::Integer => format!("CAST({column} AS CHAR)"),
            Self::Text(_) => column.to_owned(),
        }
    }
}

/// Whether the ids of users are numbers.
pub fn has_numbered_users(schema: &Schema) -> bool {
    let id = schema.table(TableName::User).and_then(|table| table.column("id"));
    id.is_ok_and(|id| id.kind == Kind::Integer)
}

/// The number in an id, if it is formatted as the database formats it.
fn number(id: &str) -> Option<i64> {
    id.parse().ok().filter(|number: &i64| number.to_string() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(charset: &str, collation: &str) -> IdType {
        IdType::Text(Some((charset.to_owned(), collation.to_owned())))
    }

    #[test]
    fn ids_take_the_columns_type() {
        let utf8 = text("utf8mb4", "utf8mb4_general_ci");
        let latin1 = text("latin1", "latin1_bin");
        let rows = [
            (&IdType::Integer, "7", "7"),
            (&IdType::Integer, "-7", "-7"),
            (&IdType::Integer, "07", "NULL"),
            (&IdType::Integer, "a", "NULL"),
            (&IdType::Integer, "9223372036854775808", "NULL"),
            (&utf8, "é", "_utf8mb4 X'c3a9'"),
            (&latin1, "a", "'a'"),
            (&latin1, "é", "CONVERT(_utf8mb4 X'c3a9' USING latin1) COLLATE latin1_bin"),
            (&IdType::Text(None), "a", "'a'"),
        ];
        for (id_type, id, expected) in rows {
            assert_eq!(id_type.one(Some(id)), expected);
        }
        assert_eq!(utf8.one(None), "NULL");
        assert_eq!(utf8.many(["a", "b"]), "('a', 'b')");
    }

    #[test]
    fn ids_are_told_apart_by_their_bytes() {
        let utf8 = text("utf8mb4", "utf8mb4_general_ci");
        assert_eq!(utf8.is("id", "a"), "id = 'a' AND CAST(id AS BINARY) = X'61'");
        let latin1 = text("latin1", "latin1_bin");
        let expected = "id = 'a' AND CAST(CONVERT(id USING utf8mb4) AS BINARY) = X'61'";
        assert_eq!(latin1.is("id", "a"), expected);
        assert_eq!(IdType::Integer.is("id", "7"), "id = 7");
        assert_eq!(utf8.from(&utf8, "x"), "x");
        assert_eq!(latin1.from(&utf8, "x"), "CONVERT(x USING latin1) COLLATE latin1_bin");
    }
}
