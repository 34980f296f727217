//! The statements for a request's facts, draws and refunds, and the decoding of their rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;

use super::Statement;
use super::cell::{Cell, SelectedRow};
use super::views::{Rows, in_states};
use crate::domain::charge::Charge;
use crate::domain::detail::Draw;
use crate::domain::grant::{EXPIRY_UNREADABLE_MS, Grant, Provenance};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::TaskFacts;
use crate::error::{Error, Result};
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// Selects a row if this unique value of a column exists.
pub fn exists<'a>(table: TableName, column: &str, value: &'a str) -> Statement<'a> {
    let text = format!(r#"SELECT 1 FROM "{}" WHERE "{column}" = ?1"#, table.sql());
    Statement::new(text, [value.into()])
}

/// Those of these texts that exist in a column, one in each row.
pub fn those_there(table: TableName, column: &str, texts: &[&str]) -> Statement<'static> {
    let text = format!(
        r#"SELECT asked FROM ({EACH}) WHERE EXISTS (SELECT 1 FROM "{}" WHERE "{column}" = asked)"#,
        table.sql()
    );
    Statement::new(text, [as_list(texts)])
}

/// The texts of the list in the first parameter.
const EACH: &str = "SELECT value AS asked FROM json_each(?1)";

fn as_list(texts: &[&str]) -> Cell<'static> {
    serde_json::Value::from(texts).to_string().into()
}

/// Counts the user's unfinished tasks of this kind.
pub fn tasks_at_risk(kind: TaskKind, user_id: &str) -> Statement<'_> {
    let statuses = kind.statuses_at_risk();
    let condition = format!("user_id = ? AND {}", in_states(statuses.len()));
    let statuses = statuses.iter().map(|status| Cell::from(*status));
    let values: Vec<_> = [user_id.into()].into_iter().chain(statuses).collect();
    Rows::new(TableName::Tasks(kind), condition, values).count()
}

/// Selects the number of free trials that a user has used. [`read_free_trials`] reads it.
pub fn free_trials(user_id: &str) -> Statement<'_> {
    const TEXT: &str = r#"SELECT COALESCE(free_trial_used, 0) FROM "user" WHERE id = ?1"#;
    Statement::new(TEXT, [user_id.into()])
}

/// Reads the row of [`free_trials`].
pub fn read_free_trials(row: &impl SelectedRow, user_id: &str) -> Result<i64> {
    Facts { row, table: "user", id: user_id }.whole(0, "freeTrialUsed")
}

/// Selects the facts that decide the change of a task. [`read_task`] reads them.
pub fn task<'a>(schema: &Schema, kind: TaskKind, id: &'a str) -> Result<Statement<'a>> {
    let table = schema.table(TableName::Tasks(kind))?;
    let credit_id = table.column_or("credit_id", "NULL");
    let free_trial = if schema.has_free_trials(kind) { "is_free_trial IS TRUE" } else { "NULL" };
    let text = format!(
        "SELECT user_id, status, {credit_id}, updated_at, {free_trial} FROM {} WHERE id = ?1",
        table.name
    );
    Ok(Statement::new(text, [id.into()]))
}

/// Reads the row of [`task`].
pub fn read_task(
    row: &impl SelectedRow,
    kind: TaskKind,
    id: &str,
    unit: TimestampUnit,
) -> Result<TaskFacts> {
    let facts = Facts { row, table: kind.table(), id };
    Ok(TaskFacts {
        user_id: facts.text(0, "userId")?,
        status: facts.text(1, "status")?,
        credit_id: facts.text_or_null(2, "creditId")?,
        // Only a guard needs it: a task with an unreadable time must be able to fail.
        updated_at_ms: facts.time_ms(3, "updatedAt", unit),
        free_trial: row.cell(4).whole().map(|is_true| is_true != 0),
    })
}

/// How a charge is selected.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// By its id.
    Id(&'a str),
    /// As the charge that a task refers to.
    OfTask(TaskKind, &'a str),
}

impl<'a> Which<'a> {
    /// The SQL of its id. The only parameter is [`Self::value`].
    fn sql(self, schema: &Schema) -> Result<Cow<'static, str>> {
        let Self::OfTask(kind, _) = self else { return Ok("?1".into()) };
        let table = schema.table(TableName::Tasks(kind))?;
        let credit_id = table.column_or("credit_id", "NULL");
        Ok(format!("(SELECT {credit_id} FROM {} WHERE id = ?1)", table.name).into())
    }

    fn value(self) -> Cell<'a> {
        let (Self::Id(id) | Self::OfTask(_, id)) = self;
        id.into()
    }
}

/// Selects the charge with this id. [`read_charge`] reads it.
pub fn charge(id: &str) -> Statement<'_> {
    Statement::new(charge_at("?1"), [id.into()])
}

/// Selects a charge. [`read_charge`] reads it.
pub fn charge_of<'a>(schema: &Schema, which: Which<'a>) -> Result<Statement<'a>> {
    Ok(Statement::new(charge_at(&which.sql(schema)?), [which.value()]))
}

fn charge_at(id: &str) -> String {
    format!(
        "SELECT user_id, status, credits, consumed_detail, metadata FROM credit \
         WHERE id = {id} AND transaction_type = 'consume'"
    )
}

/// Selects the grants that a charge drew on. [`read_grant`] reads them.
pub fn grants_drawn_on<'a>(schema: &Schema, which: Which<'a>) -> Result<Statement<'a>> {
    let text = include_str!("sql/grants_drawn_on.sql").replace("{charge}", &which.sql(schema)?);
    Ok(Statement::new(text, [which.value()]))
}

/// Reads the row of [`charge`].
pub fn read_charge(row: &impl SelectedRow, id: &str) -> Result<Charge> {
    let facts = Facts { row, table: "credit", id };
    Ok(Charge {
        id: id.to_owned(),
        user_id: facts.text(0, "userId")?,
        active: facts.text(1, "status")? == "active",
        credits: facts.whole(2, "credits")?.saturating_neg(),
        consumed_detail: row.cell(3).into_bytes().map(Cow::into_owned),
        metadata: row.cell(4).into_text().map(Cow::into_owned),
    })
}

/// Selects a user's spendable grants, in draw order. [`read_grant`] reads them.
pub fn spendable_grants(user_id: &str, now_ms: i64, unit: TimestampUnit) -> Statement<'_> {
    static TEXT: LazyLock<String> = LazyLock::new(|| spendable("?1", "", ""));
    Statement::new(TEXT.as_str(), [user_id.into(), unit.exactly_from_ms(now_ms).into()])
}

/// Selects the spendable grants of several users, in draw order. [`read_grant`] reads them. The user's id and
/// the other sort columns follow.
pub fn spendable_grants_of(
    user_ids: &[&str],
    now_ms: i64,
    unit: TimestampUnit,
) -> Statement<'static> {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        spendable("asked", &format!("({EACH}) CROSS JOIN "), ", asked, created_at")
    });
    Statement::new(TEXT.as_str(), [as_list(user_ids), unit.exactly_from_ms(now_ms).into()])
}

/// Like [`spendable_grants`], for [`read_whole_grant`].
pub fn whole_grants(user_id: &str, now_ms: i64, unit: TimestampUnit) -> Statement<'_> {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| spendable("?1", "", &with_provenance("user_id")));
    Statement::new(TEXT.as_str(), [user_id.into(), unit.exactly_from_ms(now_ms).into()])
}

/// Like [`spendable_grants_of`], for [`read_whole_grant`].
pub fn whole_grants_of(user_ids: &[&str], now_ms: i64, unit: TimestampUnit) -> Statement<'static> {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        spendable("asked", &format!("({EACH}) CROSS JOIN "), &with_provenance("asked"))
    });
    Statement::new(TEXT.as_str(), [as_list(user_ids), unit.exactly_from_ms(now_ms).into()])
}

/// Additional columns: the grant's user and its provenance.
fn with_provenance(owner: &str) -> String {
    format!(", {owner}, created_at, transaction_scene")
}

/// The statement for one user, or for several; `more` are additional columns.
fn spendable(user: &str, users: &str, more: &str) -> String {
    include_str!("sql/spendable_grants.sql")
        .replace("{user}", user)
        .replace("{users}", users)
        .replace("{more}", more)
}

/// The user of a row of [`spendable_grants_of`].
pub fn owner_of_grant(row: &impl SelectedRow) -> Option<String> {
    row.cell(6).into_text().map(Cow::into_owned)
}

/// Selects a user's grant. [`read_grant`] reads it.
pub fn grant_of_user<'a>(id: &'a str, user_id: &'a str) -> Statement<'a> {
    Statement::new(include_str!("sql/grant_of_user.sql"), [id.into(), user_id.into()])
}

/// Selects a row if the user of a task exists.
pub fn user_of_task(kind: TaskKind, id: &str) -> Statement<'_> {
    let text = format!(r#"SELECT 1 FROM "user" WHERE id = {}"#, owner_of_task(kind));
    Statement::new(text, [id.into()])
}

/// Selects the spendable grants of a task's user, in draw order. [`read_grant`] reads them.
pub fn spendable_grants_of_task(
    kind: TaskKind,
    id: &str,
    now_ms: i64,
    unit: TimestampUnit,
) -> Statement<'_> {
    let text = spendable(&owner_of_task(kind), "", "");
    Statement::new(text, [id.into(), unit.exactly_from_ms(now_ms).into()])
}

/// Like [`spendable_grants_of_task`], for [`read_whole_grant`].
pub fn whole_grants_of_task(
    kind: TaskKind,
    id: &str,
    now_ms: i64,
    unit: TimestampUnit,
) -> Statement<'_> {
    let text = spendable(&owner_of_task(kind), "", &with_provenance("user_id"));
    Statement::new(text, [id.into(), unit.exactly_from_ms(now_ms).into()])
}

fn owner_of_task(kind: TaskKind) -> String {
    format!("(SELECT user_id FROM {} WHERE id = ?1)", kind.table())
}

/// Reads a row of [`spendable_grants`] or [`grant_of_user`]; `None` if its remaining credits are unreadable.
/// A grant with an unreadable expiry counts as expired: only credits that are certain can be spent.
pub fn read_grant(row: &impl SelectedRow, unit: TimestampUnit) -> Option<Grant> {
    let (id, remaining, expires_at) = (row.cell(0), row.cell(3).whole()?, row.cell(4));
    let is_known = expires_at != Cell::Null;
    Some(Grant {
        id: id.as_text()?.to_owned(),
        transaction_no: row.cell(1).into_text().unwrap_or_default().into_owned(),
        // If the granted credits are unreadable, nothing can be returned to the grant.
        credits: row.cell(2).whole().unwrap_or(remaining),
        remaining,
        expires_at_ms: is_known.then(|| expires_at.time_ms(unit).unwrap_or(EXPIRY_UNREADABLE_MS)),
        active: row.cell(5).into_text().as_deref() == Some("active"),
        provenance: None,
    })
}

/// The same for rows with provenance.
pub fn read_whole_grant(row: &impl SelectedRow, unit: TimestampUnit) -> Option<Grant> {
    let provenance = Provenance {
        created_at_ms: row.cell(7).time_ms(unit),
        scene: row.cell(8).as_text().map(str::to_owned),
    };
    Some(Grant { provenance: Some(Arc::new(provenance)), ..read_grant(row, unit)? })
}

const DRAW: &str = include_str!("sql/draw.sql");
const GIVE_BACK: &str = include_str!("sql/give_back.sql");

/// Draws credits from a grant. It must change one row.
pub fn draw(draw: &Draw, updated_at: i64) -> Statement<'_> {
    static TEXT: LazyLock<String> = LazyLock::new(|| of_one(DRAW));
    let Draw { credit_id, credits_consumed, .. } = draw;
    let values = [credit_id.as_str().into(), (*credits_consumed).into(), updated_at.into()];
    Statement::new(TEXT.as_str(), values)
}

/// Returns credits to a grant. It must change one row.
pub fn give_back(grant_id: &str, credits: i64, updated_at: i64) -> Statement<'_> {
    static TEXT: LazyLock<String> = LazyLock::new(|| of_one(GIVE_BACK));
    Statement::new(TEXT.as_str(), [grant_id.into(), credits.into(), updated_at.into()])
}

/// Draws credits from several grants. It must change one row for each.
pub fn draw_from(credits: &BTreeMap<&str, i64>, updated_at: i64) -> Statement<'static> {
    static TEXT: LazyLock<String> = LazyLock::new(|| of_each(DRAW));
    Statement::new(TEXT.as_str(), [as_map(credits), updated_at.into()])
}

/// Returns credits to several grants. It must change one row for each.
pub fn give_back_to(credits: &BTreeMap<&str, i64>, updated_at: i64) -> Statement<'static> {
    static TEXT: LazyLock<String> = LazyLock::new(|| of_each(GIVE_BACK));
    Statement::new(TEXT.as_str(), [as_map(credits), updated_at.into()])
}

/// The SQL of a change of one grant. Parameters: its id, the credits, the time.
fn of_one(change: &str) -> String {
    filled(change, ["", "?1", "?2", "?3"])
}

/// The SQL of the same change of several grants. Parameters: the credits by id, the time.
fn of_each(change: &str) -> String {
    const AMOUNTS: &str = "FROM (SELECT key AS changed, value AS amount FROM json_each(?1))\n";
    filled(change, [AMOUNTS, "changed", "amount", "?2"])
}

fn filled(change: &str, [amounts, id, credits, updated_at]: [&str; 4]) -> String {
    change
        .replace("{amounts}", amounts)
        .replace("{id}", id)
        .replace("{credits}", credits)
        .replace("{updated_at}", updated_at)
}

fn as_map(credits: &BTreeMap<&str, i64>) -> Cell<'static> {
    let credits: serde_json::Map<_, _> =
        credits.iter().map(|(id, credits)| ((*id).to_owned(), (*credits).into())).collect();
    serde_json::Value::from(credits).to_string().into()
}

/// Changes the number of free trials that a user has used.
pub fn count_free_trials<'a>(
    schema: &Schema,
    user_id: &'a str,
    more: i64,
    updated_at: i64,
) -> Result<Statement<'a>> {
    let mut values = vec![user_id.into(), more.into()];
    let mut touch = "";
    if schema.table(TableName::User)?.has("updated_at") {
        touch = ", updated_at = ?3";
        values.push(updated_at.into());
    }
    let text = include_str!("sql/free_trials.sql").replace("{touch}", touch);
    Ok(Statement::new(text, values))
}

/// A row with facts that the ledger depends on: an unreadable value is an error that names its place.
struct Facts<'r, R> {
    row: &'r R,
    table: &'static str,
    /// The row's `id`.
    id: &'r str,
}

impl<R: SelectedRow> Facts<'_, R> {
    fn unreadable(&self, at: usize, field: &'static str, expected: &'static str) -> Error {
        Error::ValueUnreadable {
            table: self.table,
            field,
            id: self.id.to_owned(),
            found: self.row.cell(at).describe(),
            expected,
        }
    }

    fn whole(&self, at: usize, field: &'static str) -> Result<i64> {
        self.row.cell(at).whole().ok_or_else(|| self.unreadable(at, field, "a whole number"))
    }

    fn time_ms(&self, at: usize, field: &'static str, unit: TimestampUnit) -> Result<i64> {
        const TIME: &str = "a time as a number, in the unit of the others";
        self.row.cell(at).time_ms(unit).ok_or_else(|| self.unreadable(at, field, TIME))
    }

    fn text(&self, at: usize, field: &'static str) -> Result<String> {
        self.text_or_null(at, field)?.ok_or_else(|| self.unreadable(at, field, "text"))
    }

    fn text_or_null(&self, at: usize, field: &'static str) -> Result<Option<String>> {
        match self.row.cell(at) {
            Cell::Null => Ok(None),
            cell => match cell.as_text() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.unreadable(at, field, "text")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: TimestampUnit = TimestampUnit::Seconds;

    fn blob(bytes: &'static [u8]) -> Cell<'static> {
        Cell::Blob(Cow::Borrowed(bytes))
    }

    #[test]
    fn uncertain_values_make_a_grant_unspendable() {
        let grant = |remaining, expires_at_ms, credits| Some((remaining, expires_at_ms, credits));
        let never = || Cell::Null;
        let rows = [
            // id, credits, remaining credits, expiry; remaining, expiry and credits as read
            ("g".into(), 9.into(), 5.into(), never(), grant(5, None, 9)),
            ("g".into(), 9.0.into(), 5.0.into(), 7.into(), grant(5, Some(7000), 9)),
            ("g".into(), "9".into(), 5.into(), 7.5.into(), grant(5, Some(7500), 5)),
            (
                "g".into(),
                9.into(),
                5.into(),
                "soon".into(),
                grant(5, Some(EXPIRY_UNREADABLE_MS), 9),
            ),
            ("g".into(), 9.into(), 5.5.into(), never(), None),
            ("g".into(), 9.into(), "5".into(), never(), None),
            (blob(b"g"), 9.into(), 5.into(), never(), None),
            (Cell::Text(Cow::Borrowed(b"\xff")), 9.into(), 5.into(), never(), None),
        ];
        for (id, credits, remaining, expires_at, expected) in rows {
            let row = vec![id, "n".into(), credits, remaining, expires_at, "active".into()];
            let found = read_grant(&row, UNIT);
            let found = found.map(|grant| (grant.remaining, grant.expires_at_ms, grant.credits));
            assert_eq!(found, expected, "{row:?}");
        }
    }

    #[test]
    fn a_charge_that_cannot_be_read_says_where() {
        let row = |user: Cell<'static>, credits| {
            vec![user, "active".into(), credits, "[]".into(), Cell::Text(Cow::Borrowed(b"{\xff"))]
        };
        let charge = read_charge(&row("u".into(), Cell::Real(-3.0)), "c").unwrap();
        assert_eq!((charge.credits, charge.active), (3, true));
        assert_eq!(charge.consumed_detail.as_deref(), Some(&b"[]"[..]));
        assert_eq!(charge.metadata.as_deref(), Some("{\u{fffd}"));
        let unreadable = [
            (row(Cell::Null, 3.into()), "userId", "NULL"),
            (row(blob(b"u"), 3.into()), "userId", "bytes"),
            (row("u".into(), "3".into()), "credits", "the text \"3\""),
        ];
        for (row, expected_field, expected) in unreadable {
            match read_charge(&row, "c") {
                Err(Error::ValueUnreadable { table: "credit", field, id, found, .. }) => {
                    assert_eq!(
                        (field, id.as_str(), found.as_str()),
                        (expected_field, "c", expected)
                    );
                }
                other => panic!("{row:?}: {other:?}"),
            }
        }
    }
}
