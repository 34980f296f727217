//! Which grants are read for charges, in which order, and how many.

use std::collections::BTreeMap;

use super::super::facts::{add_spendable, take_short};
use super::Statement;
use super::tables::Tables;
use super::value::Value;
use super::wire::{Pipeline, ReplyOf, Statements, Wire, exactly};
use crate::domain::table::TableName;
use crate::storage::failure::Answer;
use crate::storage::store::{Choices, Extent, Facts, Wanted};

/// The statements for the grants of users who are charged: the next ones, or all with provenance for users
/// with a choice of grants.
pub(super) fn next_and_whole_grants(
    statements: &mut Statements,
    tables: &Tables,
    wanted: &Wanted<'_>,
    now_ms: i64,
) -> Answer<(ReplyOf, ReplyOf)> {
    let chooses = |user_id: &&str| wanted.choices.contains_key(*user_id);
    let (choosing, others): (Vec<&str>, Vec<&str>) =
        wanted.credits.keys().partition(|user_id| chooses(user_id));
    let needs: Vec<i64> = others.iter().map(|user_id| wanted.credits[user_id]).collect();
    let user_ids = tables.ids(TableName::User, others)?;
    let grants = match needs[..] {
        [] | [0] => ReplyOf::NOTHING,
        // Each grant has at least one credit.
        [credits @ 1..=FEW] => {
            statements.add(spendable_grants(user_ids, tables, now_ms, Which::First(credits))?)
        }
        _ => {
            let values = [user_ids, needs.into(), tables.time_for("expiresAt", now_ms)?];
            statements.add(Statement::new(next_grants("$1"), values))
        }
    };
    if choosing.is_empty() {
        return Ok((grants, ReplyOf::NOTHING));
    }
    let user_ids = tables.ids(TableName::User, choosing)?;
    let all = Which::All(Extent::WithProvenance);
    let whole_grants = statements.add(spendable_grants(user_ids, tables, now_ms, all)?);
    Ok((grants, whole_grants))
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

pub(super) const LOCK_USERS: &str = include_str!("sql/lock_users.sql");

/// Reads all grants again, under the lock, of users whose grants do not cover what is requested: the app's
/// own models may have changed some while the statement waited for the lock.
pub(super) async fn complete(
    wire: &mut impl Wire,
    facts: &mut Facts,
    (wanted, choices): (&BTreeMap<&str, i64>, &Choices<'_>),
    now_ms: i64,
) -> Answer<()> {
    let short = take_short(facts, wanted, choices);
    if short.is_empty() {
        return Ok(());
    }
    let tables = wire.tables()?;
    let extent = match choices.is_empty() {
        true => Extent::Plain,
        false => Extent::WithProvenance,
    };
    let users = tables.ids(TableName::User, short)?;
    let all = spendable_grants(users, tables, now_ms, Which::All(extent))?;
    let grants = more(wire, all, "reading the balance").await?;
    add_spendable(facts, &grants, (extent, now_ms))
}

/// The maximum number of one user's grants to lock at first, even if fewer suffice: the server plans this in
/// half the time of [`next_grants`].
const FEW: i64 = 64;

/// How many grants to read.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// This many, of one user.
    First(i64),
    /// All.
    All(Extent),
}

/// The users' spendable grants, in default order, locked.
pub(super) fn spendable_grants(
    users: Value,
    tables: &Tables,
    now_ms: i64,
    which: Which,
) -> Answer<Statement> {
    let mut values = vec![users, tables.time_for("expiresAt", now_ms)?];
    if let Which::First(most) = which {
        values.push(most.into());
    }
    Ok(Statement::new(spendable(which), values))
}

pub(super) fn spendable(which: Which) -> String {
    let (limit, provenance) = match which {
        Which::First(_) => ("LIMIT $3", ""),
        Which::All(Extent::Plain) => ("", ""),
        Which::All(Extent::WithProvenance) => ("", ",\n  transaction_scene::text,\n  created_at"),
    };
    include_str!("sql/spendable_grants.sql")
        .replace("{provenance}", provenance)
        .replace("{limit}", limit)
}

/// The grants that a charge drew on; `charge` is the SQL of its id.
pub(super) fn grants_of(charge: &str) -> String {
    include_str!("sql/grants_of_charge.sql").replace("{charge}", charge)
}

/// The next grants of each user in `users`, an SQL array.
pub(super) fn next_grants(users: &str) -> String {
    include_str!("sql/next_grants.sql").replace("{users}", users)
}
