//! Ids in statements. The ledger treats them as text, whatever the type of their column. Parameters are sent
//! with the column's type, so that an index on the column is used.

use uuid::Uuid;

use super::value::Value;
use crate::domain::column::is_uuid;
use crate::domain::table::TableName;
use crate::storage::schema::{Column, Kind, Schema, Table};

/// The type of a table's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdType {
    Text,
    Uuid,
    Integer,
}

impl IdType {
    /// The type of a table's ids.
    pub(super) fn of(table: &Table) -> Self {
        table.column("id").map_or(Self::Text, Self::of_column)
    }

    fn of_column(column: &Column) -> Self {
        match column.kind {
            Kind::Integer => Self::Integer,
            Kind::Text if column.sql_type == "uuid" => Self::Uuid,
            _ => Self::Text,
        }
    }

    /// An id; NULL, which matches no row, if there is none or the column can't hold it.
    pub(super) fn one(self, id: Option<&str>) -> Value {
        match self {
            Self::Text => Value::Text(id.map(str::to_owned)),
            Self::Uuid => Value::Uuid(id.and_then(uuid)),
            Self::Integer => Value::Integer(id.and_then(number)),
        }
    }

    /// Ids in order, each encoded as by [`Self::one`].
    pub(super) fn many(self, ids: impl IntoIterator<Item: AsRef<str>>) -> Value {
        let ids = ids.into_iter();
        match self {
            Self::Text => Value::Texts(ids.map(|id| id.as_ref().to_owned()).collect()),
            Self::Uuid => Value::Uuids(ids.map(|id| uuid(id.as_ref())).collect()),
            Self::Integer => Value::Integers(ids.map(|id| number(id.as_ref())).collect()),
        }
    }

    /// A typed NULL.
    pub(super) fn null(self) -> &'static str {
        match self {
            Self::Text => "NULL::text",
            Self::Uuid => "NULL::uuid",
            Self::Integer => "NULL::bigint",
        }
    }
}

/// Whether the ids of users are numbers.
pub fn has_numbered_users(schema: &Schema) -> bool {
    schema.table(TableName::User).is_ok_and(|table| IdType::of(table) == IdType::Integer)
}

/// The number in an id, if it is formatted as the database formats it.
fn number(id: &str) -> Option<i64> {
    id.parse().ok().filter(|number: &i64| number.to_string() == id)
}

fn uuid(id: &str) -> Option<Uuid> {
    // Only in the database's own format.
    is_uuid(id).then(|| Uuid::parse_str(id).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_the_columns_type() {
        let uuid = "3b241101-e2bb-4255-8caf-4136c566a962";
        let found = Uuid::from_u128(0x3b24_1101_e2bb_4255_8caf_4136_c566_a962);
        let rows = [
            (IdType::Text, "7", "7".into()),
            (IdType::Integer, "7", 7.into()),
            (IdType::Integer, "-7", Value::from(-7)),
            (IdType::Integer, "9223372036854775807", i64::MAX.into()),
            (IdType::Integer, "9223372036854775808", Value::Integer(None)),
            (IdType::Integer, "07", Value::Integer(None)),
            (IdType::Integer, "7.0", Value::Integer(None)),
            (IdType::Integer, "a", Value::Integer(None)),
            (IdType::Uuid, uuid, Value::Uuid(Some(found))),
            (IdType::Uuid, &uuid.to_uppercase(), Value::Uuid(None)),
            (IdType::Uuid, "7", Value::Uuid(None)),
        ];
        for (id_type, id, expected) in rows {
            assert_eq!(id_type.one(Some(id)), expected, "{id}");
        }
        assert_eq!(IdType::Uuid.one(None), Value::Uuid(None));
        let many = IdType::Integer.many(["7", "a"]);
        assert_eq!(many, Value::Integers(vec![Some(7), None]));
    }
}
