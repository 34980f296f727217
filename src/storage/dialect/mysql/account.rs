//! Reads rows of `credit` to change grants, in one round trip.
//!
//! The rows are locked in addition to their user, because in the app's transaction a plain read returns the
//! transaction's snapshot.

use std::sync::Arc;

use super::super::row::get;
use super::grants::more;
use super::row::read_rows;
use super::tables::Tables;
use super::wire::{Mode, Statements, Wire};
use super::{Statement, literal};
use crate::domain::table::TableName::{Credit, User};
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose};
use crate::storage::failure::Answer;

pub(super) async fn account<W: Wire>(wire: &mut W, wanted: &WantedAccount<'_>) -> Answer<Account> {
    let tables = wire.tables()?;
    let found = Arc::clone(tables.table(Credit)?);
    let mut statements = Statements::default();
    let users = statements.add(lock::<W>(tables, wanted.whose)?);
    let rows = statements.add(rows::<W>(tables, wanted.whose, &wanted.picks)?);
    let keyed = match wanted.transaction_no {
        Some(number) => {
            let is_it = tables.ids(Credit, "transaction_no")?.is("transaction_no", number);
            // Locking a key that does not exist would lock the gap where other rows are inserted.
            let lock = if W::SEES_NOW { " FOR UPDATE" } else { "" };
            Some(statements.add(select(tables, &is_it)? + lock))
        }
        None => None,
    };
    let replies = statements.begin(wire, Mode::Write, "reading an account").await?;
    let users = replies[users].iter().map(|row| get(row, 0)).collect::<Answer<_>>()?;
    let keyed = keyed.and_then(|keyed| read_rows(&found, &replies[keyed]).into_iter().next());
    Ok(Account { users, rows: read_rows(&found, &replies[rows]), keyed })
}

pub(super) async fn rows_of<W: Wire>(
    wire: &mut W,
    user_id: &str,
    picks: &[Pick<'_>],
) -> Answer<Vec<Row>> {
    let tables = wire.tables()?;
    let found = Arc::clone(tables.table(Credit)?);
    let rows = rows::<W>(tables, Whose::User(user_id), picks)?;
    Ok(read_rows(&found, &more(wire, rows, "reading an account").await?))
}

fn lock<W: Wire>(tables: &Tables, whose: Whose<'_>) -> Answer<Statement> {
    let (column, text) = match whose {
        Whose::User(user_id) => return tables.lock_users([user_id]),
        Whose::With(column, text) => (column, text),
    };
    let (users, owners) = (tables.ids(User, "id")?, tables.ids(Credit, "user_id")?);
    let is_it = tables.ids(Credit, column)?.is(column, text);
    let owner = users.from(&owners, "user_id");
    let (id, table) = (users.text("id"), tables.in_order(User));
    Ok(format!(
        "SELECT {id} FROM {table} WHERE id IN (SELECT {owner} FROM credit WHERE {is_it}{}) \
         ORDER BY `user`.id FOR UPDATE",
        W::NOW
    ))
}

fn rows<W: Wire>(tables: &Tables, whose: Whose<'_>, picks: &[Pick<'_>]) -> Answer<Statement> {
    let is_theirs = match whose {
        Whose::User(user_id) => tables.ids(Credit, "user_id")?.is("user_id", user_id),
        Whose::With(column, text) => {
            let is_it = tables.ids(Credit, column)?.is(column, text);
            format!("user_id IN (SELECT user_id FROM credit WHERE {is_it}{})", W::NOW)
        }
    };
    let mut picked = Vec::new();
    for pick in picks {
        picked.push(match pick {
            Pick::With(column, texts) => {
                let ids = tables.ids(Credit, column)?;
                let each = texts.iter().map(|text| format!("({})", ids.is(column, text)));
                format!(
                    "({})",
                    ["FALSE".to_owned()].into_iter().chain(each).collect::<Vec<_>>().join(" OR ")
                )
            }
            Pick::Unspent => {
                "(status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0)"
                    .to_owned()
            }
            Pick::Subscribed => {
                "(transaction_type = 'grant' AND subscription_no IS NOT NULL)".to_owned()
            }
            Pick::GrantsSince(since_ms) => {
                let since = literal::time_from(tables.of_credit("createdAt")?, *since_ms);
                format!("(transaction_type = 'grant' AND created_at >= {since})")
            }
        });
    }
    let picked = format!("{is_theirs} AND ({})", picked.join(" OR "));
    Ok(select(tables, &picked)? + " FOR UPDATE")
}

fn select(tables: &Tables, condition: &str) -> Answer<Statement> {
    let columns = &tables.table(Credit)?.select_list;
    Ok(format!("SELECT {columns} FROM credit WHERE {condition}"))
}
