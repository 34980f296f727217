//! Runs the dialect's statements over PostgreSQL's protocol, in its binary format
//! (<https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES>).

use std::error::Error as StdError;

use deadpool_postgres::Object;
use postgres_types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error, Row as SentRow};

use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::row::{Cell, SelectedRow};
use crate::storage::dialect::postgres::value::{Value, to_micros, to_ms};

type Boxed = Box<dyn StdError + Sync + Send>;

/// Sends a statement at the first poll; the rows arrive later. The statement is unnamed, so that nothing
/// stays in the session.
pub(super) async fn query(client: &Object, statement: &Statement) -> Result<Vec<SentRow>, Error> {
    let values = statement.values.iter();
    let values: Vec<(&(dyn ToSql + Sync), Type)> =
        values.map(|value| (value as &(dyn ToSql + Sync), declared(value))).collect();
    client.query_typed(&statement.text, &values).await
}

/// The type with which a value is sent.
fn declared(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::BOOL,
        Value::Integer(_) => Type::INT8,
        Value::Real(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Time(_) => Type::TIMESTAMP,
        Value::ZonedTime(_) => Type::TIMESTAMPTZ,
        Value::Uuid(_) => Type::UUID,
        Value::Texts(_) => Type::TEXT_ARRAY,
        Value::Integers(_) => Type::INT8_ARRAY,
        Value::Uuids(_) => Type::UUID_ARRAY,
    }
}

impl ToSql for Value {
    fn to_sql(&self, declared: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Self::Bool(value) => value.to_sql(declared, out),
            Self::Integer(value) => value.to_sql(declared, out),
            Self::Real(value) => value.to_sql(declared, out),
            Self::Text(value) => value.to_sql(declared, out),
            Self::Bytes(value) => value.to_sql(declared, out),
            // Both types have the same format. Without a time zone, UTC is meant.
            Self::Time(None) | Self::ZonedTime(None) => Ok(IsNull::Yes),
            Self::Time(Some(time_ms)) | Self::ZonedTime(Some(time_ms)) => {
                to_micros(*time_ms).ok_or("a time out of range")?.to_sql(declared, out)
            }
            Self::Uuid(value) => value.to_sql(declared, out),
            Self::Texts(values) => values.to_sql(declared, out),
            Self::Integers(values) => values.to_sql(declared, out),
            Self::Uuids(values) => values.to_sql(declared, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Cell<'r> {
    fn from_sql(sent: &Type, raw: &'r [u8]) -> Result<Self, Boxed> {
        Ok(match *sent {
            Type::BOOL => Self::Bool(bool::from_sql(sent, raw)?),
            Type::INT2 => Self::Integer(i16::from_sql(sent, raw)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(sent, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(sent, raw)?),
            Type::FLOAT4 => Self::Real(f32::from_sql(sent, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(sent, raw)?),
            Type::TIMESTAMP | Type::TIMESTAMPTZ => {
                Self::TimeMs(to_ms(i64::from_sql(&Type::INT8, raw)?))
            }
            Type::TEXT | Type::VARCHAR | Type::BPCHAR => Self::Text(<&str>::from_sql(sent, raw)?),
            _ => Self::Bytes(raw),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Boxed> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl SelectedRow for SentRow {
    fn cell(&self, at: usize) -> Cell<'_> {
        // Values of any type can be read.
        self.try_get(at).unwrap_or(Cell::Null)
    }

    fn type_id(&self, at: usize) -> Option<u32> {
        self.columns().get(at).map(|column| column.type_().oid())
    }
}
