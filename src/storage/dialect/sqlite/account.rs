//! Reads rows of `credit` to change grants.

use super::Statement;
use super::cell::Cell;
use super::views::Rows;
use crate::domain::table::TableName;
use crate::storage::account::{Pick, Whose};
use crate::storage::times::TimestampUnit;

/// Selects the ids of users that exist.
pub fn users<'a>(whose: Whose<'a>) -> Statement<'a> {
    let (condition, value) = match whose {
        Whose::User(user_id) => ("id = ?".to_owned(), user_id),
        Whose::With(column, text) => (format!("id IN ({})", owners(column)), text),
    };
    Statement::new(format!(r#"SELECT id FROM "user" WHERE {condition}"#), [value.into()])
}

fn owners(column: &str) -> String {
    format!("SELECT user_id FROM credit WHERE {column} = ?")
}

/// Rows of these users, in any order.
pub fn rows<'a>(whose: Whose<'a>, picks: &[Pick<'a>], unit: TimestampUnit) -> Rows<'a> {
    let (is_theirs, value) = match whose {
        Whose::User(user_id) => ("user_id = ?".to_owned(), user_id),
        Whose::With(column, text) => (format!("user_id IN ({})", owners(column)), text),
    };
    let mut values: Vec<Cell<'a>> = vec![value.into()];
    let mut pick = |pick: &Pick<'a>| match pick {
        Pick::With(column, texts) => {
            values.push(serde_json::Value::from(texts.as_slice()).to_string().into());
            format!("{column} IN (SELECT value FROM json_each(?))")
        }
        Pick::Unspent => {
            "(status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0)"
                .to_owned()
        }
        Pick::Subscribed => {
            "(transaction_type = 'grant' AND subscription_no IS NOT NULL)".to_owned()
        }
        Pick::GrantsSince(since_ms) => {
            values.push(unit.from_ms(*since_ms).into());
            "(transaction_type = 'grant' AND created_at >= ?)".to_owned()
        }
    };
    let picked = picks.iter().map(&mut pick).collect::<Vec<_>>().join(" OR ");
    Rows::new(TableName::Credit, format!("{is_theirs} AND ({picked})"), values)
}
