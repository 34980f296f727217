//! Ids on their way into statements. The ledger knows them as text, whatever the type of their column:
//! a parameter has that type, so that an index on the column serves.

use std::error::Error as StdError;

use postgres_types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::Session;
use super::value::Param;
use crate::domain::column::is_uuid;
use crate::domain::table::TableName;
use crate::storage::failure::Failure;
use crate::storage::schema::{Column, Kind, Schema, Table};

/// What ids of a table are in the database.
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

    /// An id, or NULL, which no row has, if the column can't hold it.
    pub(super) fn one(self, id: &str) -> (Param, Type) {
        match self {
            Self::Text => (Param::Text(id.to_owned()), Type::TEXT),
            Self::Uuid => (Uuid::parse(id).map_or(Param::Null, Param::Uuid), Type::UUID),
            Self::Integer => (number(id).map_or(Param::Null, Param::Integer), Type::INT8),
        }
    }

    /// Ids in their order, each as [`Self::one`] has it.
    pub(super) fn many(self, ids: Vec<String>) -> (Param, Type) {
        match self {
            Self::Text => (Param::Texts(ids), Type::TEXT_ARRAY),
            Self::Uuid => {
                let ids = ids.iter().map(|id| Uuid::parse(id)).collect();
                (Param::Uuids(ids), Type::UUID_ARRAY)
            }
            Self::Integer => {
                let ids = ids.iter().map(|id| number(id)).collect();
                (Param::Numbers(ids), Type::INT8_ARRAY)
            }
        }
    }

    /// No id, in SQL.
    pub(super) fn null(self) -> &'static str {
        match self {
            Self::Text => "NULL::text",
            Self::Uuid => "NULL::uuid",
            Self::Integer => "NULL::bigint",
        }
    }
}

/// Whether the ids of users are numbers.
pub(super) fn has_numbered_users(schema: &Schema) -> bool {
    schema.table(TableName::User).is_ok_and(|table| IdType::of(table) == IdType::Integer)
}

/// The number that an id is, written as the database writes it.
fn number(id: &str) -> Option<i64> {
    id.parse().ok().filter(|number: &i64| number.to_string() == id)
}

/// A UUID as PostgreSQL gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uuid([u8; 16]);

impl Uuid {
    fn parse(id: &str) -> Option<Self> {
        if !is_uuid(id) {
            return None;
        }
        let number = u128::from_str_radix(&id.replace('-', ""), 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl ToSql for Uuid {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(declared: &Type) -> bool {
        *declared == Type::UUID
    }

    to_sql_checked!();
}

impl Session {
    /// The id of a row of this table, for a statement.
    pub(super) fn id(&self, table: TableName, id: &str) -> Result<(Param, Type), Failure> {
        Ok(IdType::of(self.table(table)?).one(id))
    }

    /// Ids of rows of this table, for a statement.
    pub(super) fn ids(&self, table: TableName, ids: Vec<String>) -> Result<(Param, Type), Failure> {
        Ok(IdType::of(self.table(table)?).many(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ids_become() {
        let uuid = "3b241101-e2bb-4255-8caf-4136c566a962";
        let bytes = 0x3b24_1101_e2bb_4255_8caf_4136_c566_a962_u128.to_be_bytes();
        let rows = [
            (IdType::Text, "7", Param::Text("7".to_owned())),
            (IdType::Integer, "7", Param::Integer(7)),
            (IdType::Integer, "-7", Param::Integer(-7)),
            (IdType::Integer, "9223372036854775807", Param::Integer(i64::MAX)),
            (IdType::Integer, "9223372036854775808", Param::Null),
            (IdType::Integer, "07", Param::Null),
            (IdType::Integer, "7.0", Param::Null),
            (IdType::Integer, "a", Param::Null),
            (IdType::Uuid, uuid, Param::Uuid(Uuid(bytes))),
            (IdType::Uuid, "7", Param::Null),
        ];
        for (id_type, id, expected) in rows {
            assert_eq!(id_type.one(id).0, expected, "{id}");
        }
        assert_eq!(IdType::Uuid.one(&uuid.to_uppercase()).0, Param::Null);
        let (many, _) = IdType::Integer.many(vec!["7".into(), "a".into()]);
        assert_eq!(many, Param::Numbers(vec![Some(7), None]));
    }
}
