//! Reads rows of `credit` to change grants, in one round trip.

use std::sync::Arc;

use super::Statement;
use super::grants::{LOCK_USERS, more};
use super::row::{get, read_rows};
use super::tables::Tables;
use super::wire::{Mode, Statements, Wire};
use crate::domain::table::TableName::{Credit, User};
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose};
use crate::storage::failure::Answer;

pub(super) async fn account<W: Wire>(wire: &mut W, wanted: &WantedAccount<'_>) -> Answer<Account> {
    let tables = wire.tables()?;
    tables.may_charge(&[], true)?;
    let found = Arc::clone(tables.table(Credit)?);
    let mut lock = Statement::new(String::new(), []);
    let is_it = match wanted.whose {
        Whose::User(user_id) => format!("id = {}", lock.bind(tables.id(User, user_id)?)),
        whose @ Whose::With(..) => format!("id IN ({})", owners(tables, whose, &mut lock)?),
    };
    lock.push(&tables.taking_turns(&LOCK_USERS.replace("id = ANY ($1)", &is_it)));
    let mut statements = Statements::default();
    let users = statements.add(lock);
    let rows = statements.add(rows(tables, wanted.whose, &wanted.picks)?);
    let keyed = wanted.transaction_no.map(|number| {
        let columns = &found.select_list;
        let text = format!("SELECT {columns} FROM credit WHERE transaction_no = $1");
        statements.add(Statement::new(text, [number.into()]))
    });
    let replies = statements.begin(wire, Mode::Write, "reading an account").await?;
    let users = replies[users].iter().map(|row| get(row, 0)).collect::<Answer<_>>()?;
    let keyed = match keyed {
        Some(keyed) => read_rows(&found, &replies[keyed])?.into_iter().next(),
        None => None,
    };
    Ok(Account { users, rows: read_rows(&found, &replies[rows])?, keyed })
}

pub(super) async fn rows_of<W: Wire>(
    wire: &mut W,
    user_id: &str,
    picks: &[Pick<'_>],
) -> Answer<Vec<Row>> {
    let tables = wire.tables()?;
    let found = Arc::clone(tables.table(Credit)?);
    let rows = rows(tables, Whose::User(user_id), picks)?;
    read_rows(&found, &more(wire, rows, "reading an account").await?)
}

/// The users of the rows with a text in a column.
fn owners(tables: &Tables, whose: Whose<'_>, statement: &mut Statement) -> Answer<String> {
    Ok(match whose {
        Whose::User(user_id) => statement.bind(tables.id(User, user_id)?),
        Whose::With("id", id) => {
            let id = statement.bind(tables.id(Credit, id)?);
            format!("SELECT user_id FROM credit WHERE id = {id}")
        }
        Whose::With(column, text) => {
            let text = statement.bind(text);
            format!("SELECT user_id FROM credit WHERE {column} = {text}")
        }
    })
}

/// Selects whole rows, locked as charges lock grants.
fn rows(tables: &Tables, whose: Whose<'_>, picks: &[Pick<'_>]) -> Answer<Statement> {
    let mut statement = Statement::new(String::new(), []);
    let owners = owners(tables, whose, &mut statement)?;
    let mut picked = Vec::new();
    for pick in picks {
        picked.push(match pick {
            Pick::With("id", ids) => {
                format!("id = ANY ({})", statement.bind(tables.ids(Credit, ids)?))
            }
            // The column may be an enum.
            Pick::With(column, texts) => {
                let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
                format!("{column}::text = ANY ({})", statement.bind(texts))
            }
            Pick::Unspent => {
                "(status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0)"
                    .to_owned()
            }
            Pick::Subscribed => {
                "(transaction_type = 'grant' AND subscription_no IS NOT NULL)".to_owned()
            }
            Pick::GrantsSince(since_ms) => {
                let since = statement.bind(tables.time_for("createdAt", *since_ms)?);
                format!("(transaction_type = 'grant' AND created_at >= {since})")
            }
        });
    }
    let (columns, picked) = (&tables.table(Credit)?.select_list, picked.join(" OR "));
    statement.push(&format!(
        "SELECT {columns} FROM credit WHERE user_id IN ({owners}) AND ({picked}) \
         ORDER BY credit.user_id, expires_at NULLS LAST, created_at, credit.id FOR UPDATE"
    ));
    Ok(statement)
}
