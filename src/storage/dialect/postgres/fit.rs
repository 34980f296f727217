//! Which of PostgreSQL's types can hold the ledger's values.

use super::super::fit::{Family, TypeNames, Types};
use super::value::needs_cast;
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Limit};

/// A `smallint` is too small for credits.
fn family(column: &Column) -> Family {
    let name = column.sql_type.split('(').next().unwrap_or_default();
    match (name, &column.limit) {
        (_, Limit::OneOf(_)) => Family::Enum,
        ("text", _) => Family::Text(None),
        ("character varying", Limit::Characters(most)) => Family::Text(Some(*most)),
        ("character varying", _) => Family::Text(None),
        ("uuid", _) => Family::Uuid,
        ("integer" | "bigint", _) => Family::Integer,
        ("smallint", _) => Family::Small,
        ("json" | "jsonb", _) => Family::Json,
        (name, _) if name.starts_with("timestamp") && !needs_cast(column) => Family::Time,
        _ => Family::Other,
    }
}

/// A description of the type that a column needs, if its own is not suitable.
pub(super) fn needed_type(role: Role, column: &Column, shared: Option<&Column>) -> Option<String> {
    const TYPES: Types = Types {
        family,
        names: TypeNames {
            user_id: "text, varchar, uuid, integer or bigint",
            task_id: "text, varchar or uuid",
            credit_id: "text, varchar(36) or uuid",
            transaction_no: "text or varchar(19)",
            state: "text, varchar or an enum",
            words: "text, varchar or an enum",
            details: "text, json or jsonb",
            credits: "integer or bigint",
            time: "timestamp or timestamp with time zone",
        },
    };
    TYPES.needed(role, column, shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::table::TableName::{self, Credit, Tasks, User};
    use crate::domain::table::TaskKind::{Ai, Media};
    use crate::storage::dialect::postgres::schema::column_of_type;

    #[test]
    fn a_required_column_must_have_a_suitable_type() {
        let enumeration = "active|deleted|grant|consume|payment|gift";
        let rows: [(TableName, &str, &[&str], &[&str]); 16] = [
            // the column; suitable types, and unsuitable ones
            (
                User,
                "id",
                &["text", "character varying(21)", "uuid", "smallint", "integer", "bigint"],
                &["numeric", "character(36)", "citext", "bytea", "text[]", "jsonb", "date", "a|b"],
            ),
            (User, "email", &["citext", "text[]"], &[]),
            (
                Credit,
                "id",
                &["text", "character varying", "character varying(36)", "uuid"],
                &["character varying(35)", "integer", "bigint", "character(36)", "citext"],
            ),
            (Credit, "user_id", &["text", "character varying(8)"], &["numeric", "citext", "bytea"]),
            (
                Credit,
                "transaction_no",
                &["text", "character varying(19)", "character varying"],
                &["character varying(18)", "bigint", "numeric", "uuid", "character(19)", "citext"],
            ),
            (
                Credit,
                "transaction_type",
                &["text", "character varying(7)", enumeration],
                &["character varying(6)", "grant|charge", "integer", "character(7)", "citext"],
            ),
            (Credit, "status", &["text", enumeration], &["active|expired", "boolean", "smallint"]),
            (Credit, "transaction_scene", &["text", "gift|payment"], &["integer", "citext"]),
            (Credit, "description", &["text", "character varying(255)"], &["jsonb", "bytea"]),
            (
                Credit,
                "credits",
                &["integer", "bigint"],
                &[
                    "smallint",
                    "numeric",
                    "numeric(10,2)",
                    "real",
                    "double precision",
                    "text",
                    "money",
                ],
            ),
            (Credit, "remaining_credits", &["integer", "bigint"], &["numeric(10,0)", "text"]),
            (
                Credit,
                "expires_at",
                &[
                    "timestamp without time zone",
                    "timestamp(0) without time zone",
                    "timestamp(3) with time zone",
                ],
                &[
                    "date",
                    "bigint",
                    "text",
                    "time without time zone",
                    "timestamp without time zone[]",
                ],
            ),
            (
                Credit,
                "consumed_detail",
                &["text", "json", "jsonb", "character varying"],
                &["character varying(255)", "bytea", "text[]", "hstore"],
            ),
            (Tasks(Media), "status", &["text", "pending|failed"], &["integer", "citext"]),
            (Tasks(Ai), "id", &["text", "character varying(21)", "uuid"], &["integer", "bigint"]),
            (Tasks(Ai), "updated_at", &["timestamp with time zone"], &["date", "bigint"]),
        ];
        for (table, name, may_be, may_not_be) in rows {
            for (types, fit) in [(may_be, true), (may_not_be, false)] {
                for sql_type in types {
                    let column = column_of_type(table, name, sql_type, false);
                    let needed =
                        Role::of(table, name).and_then(|role| needed_type(role, &column, None));
                    assert_eq!(needed.is_none(), fit, "{name} {sql_type}: {needed:?}");
                }
            }
        }
    }

    #[test]
    fn referring_columns_have_one_type() {
        let rows = [
            // of the user's id, of the credit's user id; whether they fit together
            ("text", "character varying(36)", true),
            ("integer", "bigint", true),
            ("uuid", "uuid", true),
            ("uuid", "text", false),
            ("text", "uuid", false),
            ("integer", "text", false),
        ];
        for (user, owner, fit) in rows {
            let user = column_of_type(User, "id", user, false);
            let owner = column_of_type(Credit, "user_id", owner, false);
            let needed = needed_type(Role::UserId, &owner, Some(&user));
            assert_eq!(needed.is_none(), fit, "{} {}", user.sql_type, owner.sql_type);
        }
    }

    #[test]
    fn written_columns_are_not_computed() {
        let rows = [
            (User, "id", "integer", true),
            (Credit, "id", "uuid", false),
            (Credit, "user_id", "integer", false),
            (Credit, "remaining_credits", "integer", false),
            (Credit, "updated_at", "timestamp without time zone", false),
            (Tasks(Media), "id", "uuid", false),
        ];
        for (table, name, sql_type, fit) in rows {
            let column = column_of_type(table, name, sql_type, true);
            let needed = Role::of(table, name).and_then(|role| needed_type(role, &column, None));
            assert_eq!(needed.is_none(), fit, "{name}");
        }
    }
}
