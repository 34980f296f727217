//! Which grants are read for charges, in which order, and how many.

use std::collections::BTreeMap;

use super::super::facts::{add_grants, take_short};
use super::Statement;
use super::ids::IdType;
use super::tables::Tables;
use super::wire::{Pipeline, Wire, exactly};
use crate::domain::table::TableName;
use crate::storage::failure::Answer;
use crate::storage::store::{Choices, Extent, Facts, Wanted};

/// Reads all grants of users whose first grants do not cover what is requested. `is_whole` says that the first read found
/// fewer rows than it asked for.
pub(super) async fn complete<W: Wire>(
    wire: &mut W,
    facts: &mut Facts,
    wanted: &BTreeMap<&str, i64>,
    (now_ms, is_whole): (i64, bool),
) -> Answer<()> {
    // All grants have been read under the lock, unless there are more, or newer ones than the snapshot has. None at
    // all may be wrong: MariaDB 10.11 can answer a SELECT with a LIMIT that it interrupts with no rows and no error.
    let are_all = |user_id: &str| W::SEES_NOW && is_whole && facts.grants.contains_key(user_id);
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

/// One more round trip inside the transaction: the rows of a statement.
pub(super) async fn more<W: Wire>(
    wire: &mut W,
    statement: Statement,
    doing: &'static str,
) -> Answer<Vec<W::Row>> {
    let pipeline = Pipeline { begin: None, statements: &[statement], end: None, doing };
    let [rows] = exactly(wire, pipeline).await?;
    Ok(rows)
}

/// The number of grants for each user that are read at first.
pub(super) const FEW: i64 = 64;

/// The statements that read the next grants of users who are charged.
pub(super) struct NextGrants {
    pub(super) statements: Vec<Statement>,
    /// The number of rows that they are limited to.
    pub(super) most: i64,
}

/// The next grants of each user who is charged. A server plans each SELECT anew, so there is one for all users: rows
/// in draw order are in draw order for each user too, and a limit omits the last ones.
pub(super) fn next_grants<W: Wire>(
    tables: &Tables,
    wanted: &Wanted<'_>,
    now_ms: i64,
) -> Answer<NextGrants> {
    let needs = wanted
        .credits
        .iter()
        .filter(|(user_id, credits)| **credits > 0 && !wanted.choices.contains_key(*user_id));
    // Each grant has at least one credit.
    let needs: Vec<_> = needs.map(|(user_id, credits)| (*user_id, (*credits).min(FEW))).collect();
    if W::SEES_NOW && needs.len() > 1 {
        let owners = tables.ids(TableName::Credit, "user_id")?;
        let owners = owners.many(needs.iter().map(|(user_id, _)| user_id));
        let most = FEW.saturating_mul(i64::try_from(needs.len()).unwrap_or(i64::MAX));
        let all = spendable(tables, &format!("user_id IN {owners}"), (now_ms, Which::First(most)))?;
        return Ok(NextGrants { statements: vec![all], most });
    }
    let (mut statements, mut most) = (Vec::new(), 0);
    for (user_id, credits) in needs {
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        statements.push(next_spendable::<W>(tables, &is_users, (now_ms, credits))?);
        most = credits;
    }
    Ok(NextGrants { statements, most })
}

/// How many grants to read.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// This many.
    First(i64),
    /// All.
    All(Extent),
}

/// The spendable grants of users at this time, in default order.
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

/// A user's next spendable grants, up to this number. If more are needed, or newer ones than the snapshot
/// has, [`complete`] reads them.
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

/// Rewrites a statement that selects grants so that it reads only their ids from the snapshot, and the rest
/// from the current rows.
fn by_id(statement: &str) -> Statement {
    // The list of columns contains no caller's values.
    let (list, from) = statement.split_once(" FROM credit ").unwrap_or((statement, ""));
    format!(
        "{list} FROM (SELECT id AS found_id FROM credit {from}) AS found \
         STRAIGHT_JOIN credit ON credit.id = found.found_id"
    )
}

/// The columns that [`read_grants`] reads.
const GRANT: &str = "id, transaction_no, COALESCE(credits, 0), COALESCE(remaining_credits, 0), expires_at, \
                     COALESCE(status = 'active', FALSE)";

/// By expiry, then age, then id.
fn draw_order(ids: &IdType) -> String {
    format!("expires_at IS NULL, expires_at, created_at, {}", ids.bytes("id"))
}

/// A condition that a row of this table belongs to this user.
pub(super) fn is_of_user(tables: &Tables, table: TableName, user_id: &str) -> Answer<String> {
    Ok(tables.ids(table, "user_id")?.is("user_id", user_id))
}

/// Grants that meet a condition, as they are now.
pub(super) fn grants<W: Wire>(condition: &str) -> Statement {
    let grants =
        format!("SELECT {GRANT} FROM credit WHERE {condition} AND transaction_type = 'grant'");
    // The LIMIT keeps the optimizer from merging the subquery into the outer query, which would lock its rows
    // too.
    if W::SEES_NOW { grants } else { by_id(&(grants + " LIMIT 1000000")) + W::NOW }
}

/// Grants of a charge's user whose ids occur in the charge's detail. A long detail is read first instead:
/// searching it for each grant would take longer.
pub(super) fn grants_of<W: Wire>(tables: &Tables, charge: &str) -> Answer<Statement> {
    const LONG: usize = 8192;
    let of_charge = |what: &str| format!("(SELECT {what} FROM credit WHERE {charge})");
    let owner = of_charge("user_id");
    let detail = "CAST(CONVERT(consumed_detail USING utf8mb4) AS BINARY)";
    let detail = of_charge(&format!("IF(LENGTH(consumed_detail) > {LONG}, '', {detail})"));
    let id = tables.ids(TableName::Credit, "id")?.bytes("id");
    Ok(grants::<W>(&format!("user_id = {owner} AND INSTR({detail}, {id}) > 0")))
}
