//! Which of MySQL's types can hold the ledger's values.

use super::super::fit::{Family, TypeNames, Types};
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Kind, Limit};

/// Integers smaller than `int` are too small for credits.
fn family(column: &Column) -> Family {
    let name = column.sql_type.split(['(', ' ']).next().unwrap_or_default();
    match (column.kind, &column.limit) {
        (_, Limit::OneOf(_)) => Family::Enum,
        (Kind::Text, Limit::Characters(most)) => Family::Text(Some(*most)),
        (Kind::Text, _) if name == "tinytext" => Family::Text(Some(255)),
        (Kind::Text, _) => Family::Text(None),
        // The credits of charges are negative.
        (Kind::Integer, _) if column.sql_type.contains("unsigned") => Family::Small,
        (Kind::Integer, _) if ["int", "integer", "bigint"].contains(&name) => Family::Integer,
        (Kind::Integer, _) => Family::Small,
        (Kind::Json, _) => Family::Json,
        (Kind::Timestamp, _) => Family::Time,
        _ => Family::Other,
    }
}

/// A description of the type that a column needs, if its own is not suitable.
pub(super) fn needed_type(role: Role, column: &Column, shared: Option<&Column>) -> Option<String> {
    const TYPES: Types = Types {
        family,
        names: TypeNames {
            user_id: "varchar, int or bigint",
            task_id: "varchar",
            credit_id: "varchar(36) or longer",
            transaction_no: "varchar(19) or longer",
            state: "varchar or an enum",
            words: "varchar, text or an enum",
            details: "text, longtext or json",
            credits: "int or bigint",
            time: "timestamp or datetime",
        },
    };
    TYPES.needed(role, column, shared)
}

#[cfg(test)]
mod tests {
    use super::super::schema::column_of_type;
    use super::*;
    use crate::domain::table::TableName::{self, Credit, Tasks, User};
    use crate::domain::table::TaskKind::{Ai, Media};

    #[test]
    fn a_required_column_must_have_a_suitable_type() {
        const WORDS: &str = "enum('active','deleted','grant','consume')";
        let rows: [(TableName, &str, &[&str], &[&str]); 11] = [
            // the column; suitable types, and unsuitable ones
            (
                User,
                "id",
                &["varchar(191)", "char(36)", "text", "uuid", "int", "bigint unsigned", "smallint"],
                &["binary(16)", "varbinary(36)", "decimal(10,0)", "json", "date", WORDS],
            ),
            (Credit, "id", &["varchar(36)", "text", "uuid"], &["varchar(35)", "int", "binary(16)"]),
            (Credit, "transaction_no", &["varchar(19)"], &["varchar(18)", "bigint"]),
            (Credit, "transaction_type", &["varchar(7)", WORDS], &["varchar(6)", "enum('grant')"]),
            (Credit, "status", &["text", WORDS], &["enum('active')", "tinyint(1)"]),
            (Credit, "description", &["varchar(255)", "tinytext"], &["json", "blob"]),
            (
                Credit,
                "credits",
                &["int", "int(11)", "bigint"],
                &["int unsigned", "smallint", "mediumint", "decimal(10,2)", "double", "text"],
            ),
            (
                Credit,
                "expires_at",
                &["timestamp", "timestamp(3)", "datetime", "datetime(6)"],
                &["date", "bigint", "time", "varchar(30)"],
            ),
            (
                Credit,
                "consumed_detail",
                &["text", "mediumtext", "longtext", "json"],
                &["varchar(2000)", "tinytext", "blob"],
            ),
            (Tasks(Media), "status", &["varchar(32)", "enum('pending')"], &["int"]),
            (Tasks(Ai), "id", &["varchar(191)"], &["int", "bigint"]),
        ];
        for (table, name, may_be, may_not_be) in rows {
            for (types, fit) in [(may_be, true), (may_not_be, false)] {
                for sql_type in types {
                    let column = column_of_type(table, name, sql_type);
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
            ("varchar(191)", "varchar(36)", true),
            ("int", "bigint", true),
            ("int", "varchar(191)", false),
            ("varchar(191)", "int", false),
        ];
        for (user, owner, fit) in rows {
            let user = column_of_type(User, "id", user);
            let owner = column_of_type(Credit, "user_id", owner);
            let needed = needed_type(Role::UserId, &owner, Some(&user));
            assert_eq!(needed.is_none(), fit, "{} {}", user.sql_type, owner.sql_type);
        }
    }

    #[test]
    fn written_columns_are_not_computed() {
        for (table, name, fit) in [(User, "id", true), (Credit, "id", false)] {
            let mut column = column_of_type(table, name, "varchar(191)");
            column.limit = Limit::Computed;
            let needed = Role::of(table, name).and_then(|role| needed_type(role, &column, None));
            assert_eq!(needed.is_none(), fit, "{name}");
        }
    }
}
