//! The grants that pay for charges: which are read, in which order, and how many.

use std::collections::BTreeMap;

use super::super::facts::{add_grants, take_short};
use super::Statement;
use super::ids::IdType;
use super::tables::Tables;
use super::wire::{Pipeline, Wire, exactly};
use crate::domain::table::TableName;
use crate::storage::failure::Answer;
use crate::storage::store::{Choices, Extent, Facts, Wanted};

/// For users whose grants don't cover what is wanted: all are looked at.
pub(super) async fn complete<W: Wire>(
    wire: &mut W,
    facts: &mut Facts,
    wanted: &BTreeMap<&str, i64>,
    now_ms: i64,
) -> Answer<()> {
    let few = usize::try_from(FEW).unwrap_or_default();
    // Under the lock all of them have been seen, unless there are more, or younger ones than a snapshot has.
    let are_all = |user_id: &str| {
        W::SEES_NOW && facts.grants.get(user_id).is_none_or(|grants| grants.len() < few)
    };
    let not_all: BTreeMap<&str, i64> = wanted
        .iter()
        .filter(|(user_id, _)| !are_all(user_id))
        .map(|(user_id, credits)| (*user_id, *credits))
        .collect();
    let short = take_short(facts, &not_all, &Choices::new());
    if short.is_empty() {
        return Ok(());
    }
    let tables = wire.tables()?;
    let owners = tables.ids(TableName::Credit, "user_id")?.many(short);
    let all =
        spendable(tables, &format!("user_id IN {owners}"), (now_ms, Which::All(Extent::Plain)))?
            + W::NOW;
    let grants = more(wire, all, "reading the balance").await?;
    add_grants(facts, &grants, now_ms)
}

/// One round trip more, inside the transaction: the rows of a statement.
pub(super) async fn more<W: Wire>(
    wire: &mut W,
    statement: Statement,
    doing: &'static str,
) -> Answer<Vec<W::Row>> {
    let pipeline = Pipeline { begin: None, statements: &[statement], end: None, doing };
    let [rows] = exactly(wire, pipeline).await?;
    Ok(rows)
}

/// So many grants of a user are read at first, though more may be needed.
pub(super) const FEW: i64 = 64;

/// The next grants of users who want credits, of each by itself.
pub(super) fn next_grants<W: Wire>(
    tables: &Tables,
    wanted: &Wanted<'_>,
    now_ms: i64,
) -> Answer<Vec<Statement>> {
    let mut each = Vec::new();
    let needs = wanted
        .credits
        .iter()
        .filter(|(user_id, credits)| **credits > 0 && !wanted.choices.contains_key(*user_id));
    for (user_id, credits) in needs {
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        // Each grant has one credit at least.
        let most = (*credits).min(FEW);
        each.push(next_spendable::<W>(tables, &is_users, (now_ms, most))?);
    }
    Ok(each)
}

/// Which grants are wanted.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// So many.
    First(i64),
    /// All.
    All(Extent),
}

/// What users can spend at a time, in the default order of each.
pub(super) fn spendable(
    tables: &Tables,
    is_users: &str,
    (now_ms, which): (i64, Which),
) -> Answer<Statement> {
    let now = tables.time_for("expiresAt", now_ms)?;
    let order = draw_order(&tables.ids(TableName::Credit, "id")?);
    let user_id = tables.ids(TableName::Credit, "user_id")?.text("user_id");
    let (provenance, limit) = match which {
        Which::First(most) => ("", format!(" LIMIT {most}")),
        Which::All(Extent::Plain) => ("", String::new()),
        Which::All(Extent::WithProvenance) => (", transaction_scene, created_at", String::new()),
    };
    Ok(format!(
        "SELECT {GRANT}, {user_id}{provenance} FROM credit WHERE {is_users} AND status = 'active' \
         AND transaction_type = 'grant' AND remaining_credits > 0 \
         AND (expires_at IS NULL OR expires_at > {now}) ORDER BY {order}{limit}"
    ))
}

/// The next grants that a user can spend, so many at the most. What a snapshot has no more of, or does not have yet, is
/// for [`complete`] to find.
pub(super) fn next_spendable<W: Wire>(
    tables: &Tables,
    is_users: &str,
    (now_ms, most): (i64, i64),
) -> Answer<Statement> {
    let next = spendable(tables, is_users, (now_ms, Which::First(most)))?;
    if W::SEES_NOW {
        return Ok(next);
    }
    let order = draw_order(&tables.ids(TableName::Credit, "id")?);
    Ok(by_id(&next) + &format!(" ORDER BY {order}{}", W::NOW))
}

/// A statement that selects grants, as one that has their ids from it, and the rest from the rows as they are now.
fn by_id(statement: &str) -> Statement {
    // No list of columns holds a value of a caller's.
    let (list, from) = statement.split_once(" FROM credit ").unwrap_or((statement, ""));
    format!(
        "{list} FROM (SELECT id AS found_id FROM credit {from}) AS found \
         STRAIGHT_JOIN credit ON credit.id = found.found_id"
    )
}

/// What [`read_grants`] reads.
const GRANT: &str = "id, transaction_no, COALESCE(credits, 0), COALESCE(remaining_credits, 0), expires_at, \
                     COALESCE(status = 'active', FALSE)";

/// Expiring ones first, then older ones, then by id.
fn draw_order(ids: &IdType) -> String {
    format!("expires_at IS NULL, expires_at, created_at, {}", ids.bytes("id"))
}

/// Whether a row of this table is this user's.
pub(super) fn is_of_user(tables: &Tables, table: TableName, user_id: &str) -> Answer<String> {
    Ok(tables.ids(table, "user_id")?.is("user_id", user_id))
}

/// Grants that meet a condition, as they are.
pub(super) fn grants<W: Wire>(condition: &str) -> Statement {
    let grants =
        format!("SELECT {GRANT} FROM credit WHERE {condition} AND transaction_type = 'grant'");
    // Without an end of its own it would be one query with what is around it, and lock as that does.
    if W::SEES_NOW { grants } else { by_id(&(grants + " LIMIT 1000000")) + W::NOW }
}

/// Grants of the user of the charge that meets a condition, those whose ids its detail holds. A long detail is read
/// first: looking for each grant in it would take longer.
pub(super) fn grants_of<W: Wire>(tables: &Tables, charge: &str) -> Answer<Statement> {
    const LONG: usize = 8192;
    let of_charge = |what: &str| format!("(SELECT {what} FROM credit WHERE {charge})");
    let owner = of_charge("user_id");
    let detail = "CAST(CONVERT(consumed_detail USING utf8mb4) AS BINARY)";
    let detail = of_charge(&format!("IF(LENGTH(consumed_detail) > {LONG}, '', {detail})"));
    let id = tables.ids(TableName::Credit, "id")?.bytes("id");
    Ok(grants::<W>(&format!("user_id = {owner} AND INSTR({detail}, {id}) > 0")))
}
