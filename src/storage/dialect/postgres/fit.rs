//! Which of PostgreSQL's types can hold what the ledger keeps in a column.

use super::value::needs_cast;
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Limit};

/// What a column's values are, as far as the ledger is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Family {
    /// `text`, or `varchar` with room for so many characters.
    Text(Option<usize>),
    Enum,
    Uuid,
    /// `integer` and `bigint`: a `smallint` is too small for credits.
    Integer,
    Small,
    Json,
    Time,
    Other,
}

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

/// What a column would need to be, in words, if it can't be what it is.
pub(super) fn needed_type(role: Role, column: &Column, shared: Option<&Column>) -> Option<String> {
    use Family::{Enum, Integer, Json, Small, Text, Time, Uuid};
    // The app makes its users, and perhaps the database their ids.
    let is_written = !(role == Role::UserId && column.name == "id");
    if column.limit == Limit::Computed && is_written {
        return Some("a plain column, which this package writes".to_owned());
    }
    let found = family(column);
    let has_room = |characters: usize| match found {
        Text(Some(most)) => most >= characters,
        _ => true,
    };
    let needed = match (role, &found) {
        (Role::UserId, Text(_) | Uuid | Integer | Small) => None,
        (Role::UserId, _) => Some("text, varchar, uuid, integer or bigint"),
        (Role::TaskId, Text(_) | Uuid) => None,
        (Role::TaskId, _) => Some("text, varchar or uuid"),
        // What this package makes is a UUID of 36 characters, and a number of 19.
        (Role::CreditId, Text(_) | Uuid) if has_room(36) => None,
        (Role::CreditId, _) => Some("text, varchar(36) or uuid"),
        (Role::TransactionNo, Text(_)) if has_room(19) => None,
        (Role::TransactionNo, _) => Some("text or varchar(19)"),
        (Role::State(words), Enum | Text(_)) => match words.iter().find(|word| !fits(column, word))
        {
            None => None,
            Some(word) => return Some(format!("one that takes {word:?}")),
        },
        (Role::State(_), _) => Some("text, varchar or an enum"),
        (Role::Words, Enum | Text(_)) => None,
        (Role::Words, _) => Some("text, varchar or an enum"),
        (Role::Details, Json | Text(None)) => None,
        (Role::Details, _) => Some("text, json or jsonb"),
        (Role::Credits, Integer) => None,
        (Role::Credits, _) => Some("integer or bigint"),
        (Role::Time, Time) => None,
        (Role::Time, _) => Some("timestamp or timestamp with time zone"),
    };
    if let Some(needed) = needed {
        return Some(needed.to_owned());
    }
    let shared = shared.filter(|shared| kind_of_id(&family(shared)) != kind_of_id(&found))?;
    Some(format!("of type {}, as what it refers to", shared.sql_type))
}

/// Whether a column of words takes this one.
fn fits(column: &Column, word: &str) -> bool {
    match &column.limit {
        Limit::OneOf(labels) => labels.iter().any(|label| label == word),
        Limit::Characters(most) => word.len() <= *most,
        _ => true,
    }
}

/// Ids of one kind can be compared with each other.
fn kind_of_id(family: &Family) -> u8 {
    match family {
        Family::Uuid => 1,
        Family::Integer | Family::Small => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::table::TableName::{self, Credit, Tasks, User};
    use crate::domain::table::TaskKind::{Ai, Media};
    use crate::storage::dialect::postgres::schema::column_of_type;

    #[test]
    fn what_the_ledger_takes() {
        let enumeration = "active|deleted|grant|consume|payment|gift";
        let rows: [(TableName, &str, &[&str], &[&str]); 16] = [
            // the column; types that it may have, and types that it may not
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
    fn what_refers_to_each_other_is_of_one_type() {
        let rows = [
            // of the user, of the credit's user; whether both together will do
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
    fn what_is_written_is_not_computed() {
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
