//! Decodes a call's arguments into a request, for `functions.rs`.

use super::arguments::Arguments;
use super::lists::from_url;
use super::wire::Argument;
use crate::domain::call_options::CallOptions;
use crate::domain::options::{RefundPolicy, count, flag, statuses};
use crate::domain::paying::{DrawOrder, Paying, Scenes};
use crate::domain::settle::Settlement;
use crate::domain::statement::{Cursor, Query};
use crate::domain::table::TableName;
use crate::domain::table::TaskKind::{self, Media};
use crate::domain::task::{StepCharge, TaskPatch};
use crate::domain::top_up::State;
use crate::domain::value::{Fields, Value, check_id, describe};
use crate::engine::{Charging, Operation, Read, Write};
use crate::error::{Error, Result};
use crate::storage::books::UserRange;
use crate::storage::{StuckFilter, Window};

/// The connection's defaults for options of calls.
pub(super) struct Defaults {
    /// Where refunded credits go.
    pub(super) refund_policy: RefundPolicy,
    /// The draw order.
    pub(super) draw_order: DrawOrder,
    /// The statuses of active media tasks.
    pub(super) active_statuses: Vec<String>,
}

pub(super) fn update(
    kind: TaskKind,
    arguments: &mut Arguments,
    defaults: &Defaults,
) -> Result<Write> {
    let (id, patch) = (arguments.id("id")?, arguments.fields("patch")?);
    let options = arguments.options()?;
    TaskPatch::parse((kind, id), patch, &options, defaults.refund_policy).map(Write::UpdateTask)
}

pub(super) fn step(kind: TaskKind, arguments: &mut Arguments) -> Result<Write> {
    let (id, charge) = (arguments.id("id")?, arguments.fields("charge")?);
    let patch = arguments.optional_fields("patch")?;
    let options = arguments.options()?;
    StepCharge::parse((kind, id), &charge, patch, &options).map(Write::StepCharge)
}

pub(super) fn settle(
    kind: TaskKind,
    arguments: &mut Arguments,
    defaults: &Defaults,
) -> Result<Write> {
    let (id, credits) = (arguments.id("id")?, arguments.value("finalCredits")?);
    let (options, policy) = (arguments.options()?, defaults.refund_policy);
    Settlement::of_task((kind, id), credits.as_ref(), &options, policy).map(Write::Settle)
}

impl Arguments {
    /// The options that say which grants may pay.
    pub(super) fn paying(&mut self) -> Result<Paying> {
        let options = self.options()?;
        options.only(self.function, &Scenes::NAMES)?;
        options.paying()
    }

    /// The requests of an atomic batch, and their options.
    pub(super) fn atomic_batch(
        &mut self,
        check_options: impl Fn(&Fields) -> Result<()>,
        request: impl Fn(Argument, &CallOptions) -> Result<Charging>,
    ) -> Result<Write> {
        const MOST: usize = 500;
        let function = self.function;
        let expected = |given| Error::InvalidArgument {
            name: function.to_owned(),
            expected: format!("given a list of at most {MOST} items"),
            given,
        };
        let items = match self.next() {
            Argument::List(items) if items.len() <= MOST => items,
            Argument::List(items) => return Err(expected(format!("{} items", items.len()))),
            other => return Err(expected(other.describe())),
        };
        let mut options = self.options()?;
        flag(&options, "atomic")?;
        options.remove("atomic");
        // An empty list has no item that checks them.
        check_options(&options)?;
        let requests = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| request(item, &options).map_err(|error| error.of_item(index)));
        requests.collect::<Result<_>>().map(Write::AtomicBatch)
    }
}

/// The maximum number of stuck tasks that a call lists or fails.
const MOST_STUCK: u32 = 1000;

pub(super) fn read_stuck(kind: TaskKind, arguments: &mut Arguments) -> Result<StuckFilter> {
    const DEFAULT_LIMIT: u32 = 100;
    let name = arguments.function;
    let query = arguments.fields(&format!("{name}(query)"))?;
    query.only(name, &["olderThanMs", "statuses", "limit"])?;
    let limit = query.get("limit").cloned();
    let limit = count("limit", limit.as_ref(), DEFAULT_LIMIT, MOST_STUCK)?;
    stuck_filter(kind, &query, limit, 0)
}

/// `failStuckMediaTasks` reads the next tasks to fail: the second argument is their number, the third how
/// many to skip. Options for failing them are checked here, before the first one fails.
pub(super) fn read_stuck_to_fail(kind: TaskKind, arguments: &mut Arguments) -> Result<StuckFilter> {
    let name = arguments.function;
    let query = arguments.fields(&format!("{name}(query)"))?;
    let message: &[&str] = if kind == Media { &["errorMessage"] } else { &[] };
    query.only(name, &[&["olderThanMs", "statuses", "limit", "refundPolicy"], message].concat())?;
    count("limit", query.get("limit"), MOST_STUCK, MOST_STUCK)?;
    RefundPolicy::parse(query.get("refundPolicy"))?;
    if let Some(value) = query.get("errorMessage")
        && !matches!(value, Value::Text(_) | Value::Null)
    {
        return Err(Error::InvalidArgument {
            name: "errorMessage".to_owned(),
            expected: "text".to_owned(),
            given: value.describe(),
        });
    }
    let (limit, skip) = read_next(arguments)?;
    stuck_filter(kind, &query, limit, skip)
}

fn stuck_filter(kind: TaskKind, query: &Fields, limit: u32, skip: u32) -> Result<StuckFilter> {
    // The app knows how long its workers may take.
    let older_than_ms = query.get("olderThanMs").cloned().unwrap_or(Value::Null);
    let older_than_ms = count("olderThanMs", Some(&older_than_ms), 0, u32::MAX)?;
    let statuses = match query.get("statuses") {
        None => kind.statuses_at_risk().iter().map(|status| (*status).to_owned()).collect(),
        Some(value) => statuses("statuses", value)?,
    };
    if let Some(over) = statuses.iter().find(|status| kind.is_over(status)) {
        return Err(Error::InvalidArgument {
            name: "statuses".to_owned(),
            expected: "statuses of tasks that are not finished".to_owned(),
            given: format!("'{over}'"),
        });
    }
    Ok(StuckFilter { kind, statuses, older_than_ms: i64::from(older_than_ms), limit, skip })
}

pub(super) fn end_top_up(arguments: &mut Arguments, end: State) -> Result<Write> {
    arguments.id("transactionNo").map(|number| Write::EndTopUp(number, end))
}

pub(super) fn read_top_ups(arguments: &mut Arguments) -> Result<Read> {
    let query = arguments.optional_fields("listTopUps(query)")?;
    query.only("listTopUps", &["olderThanMs", "limit"])?;
    let ago_ms = match query.get("olderThanMs") {
        None => 0,
        value => i64::from(count("olderThanMs", value, 1, u32::MAX)?),
    };
    let limit = count("limit", query.get("limit"), 100, MOST_STUCK)?;
    Ok(Read::OpenTopUps(ago_ms, limit as usize))
}

/// `releaseHolds` reads the next holds that have ended: the second argument is their number, the third how
/// many to skip. With a fourth argument, it refunds the charge with that id.
pub(super) fn read_release(arguments: &mut Arguments, defaults: &Defaults) -> Result<Operation> {
    let query = arguments.optional_fields("releaseHolds(query)")?;
    query.only("releaseHolds", &["limit", "refundPolicy"])?;
    count("limit", query.get("limit"), MOST_STUCK, MOST_STUCK)?;
    let policy = RefundPolicy::parse(query.get("refundPolicy"))?;
    let (limit, skip) = read_next(arguments)?;
    Ok(match arguments.value("chargeId")? {
        Some(Value::Text(id)) => {
            let policy = policy.unwrap_or(defaults.refund_policy);
            Operation::Write(Write::Settle(Settlement::of_release(id, policy)))
        }
        _ => {
            let window = Window { limit: i64::from(limit), offset: i64::from(skip) };
            Operation::Read(Read::EndedHolds(window))
        }
    })
}

/// The number of rows to read, and how many to skip.
fn read_next(arguments: &mut Arguments) -> Result<(u32, u32)> {
    let limit = count("limit", arguments.value("at most")?.as_ref(), 1, MOST_STUCK)?;
    let skip = match arguments.value("skip")? {
        Some(Value::Integer(skip)) => u32::try_from(skip).unwrap_or(0),
        _ => 0,
    };
    Ok((limit, skip))
}

pub(super) fn read_statement(query: &Fields) -> Result<Query> {
    const DEFAULT_LIMIT: u32 = 100;
    const LARGEST_LIMIT: u32 = 1000;
    query.only("getStatement", &["from", "to", "cursor", "limit"])?;
    let time = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(Value::TimeMs(time_ms)) => Ok(Some(*time_ms)),
        other => Err(Error::InvalidDate { field: name.to_owned(), given: describe(other) }),
    };
    let after = match query.get("cursor") {
        None | Some(Value::Null) => None,
        // It may be longer than an id, which it contains.
        Some(Value::Text(cursor)) => Some(Cursor::parse(cursor)?),
        other => return Err(Cursor::unknown(describe(other))),
    };
    let limit = query.get("limit").cloned().map(from_url);
    let limit = count("limit", limit.as_ref(), DEFAULT_LIMIT, LARGEST_LIMIT)?;
    Ok(Query { from_ms: time("from")?, to_ms: time("to")?, after, limit: limit as usize })
}

/// A page: the user in the query, or the users after the second argument.
pub(super) fn read_audit(arguments: &mut Arguments) -> Result<Read> {
    /// A page delays the reads after it, so it is short.
    const USERS: u32 = 100;
    let query = arguments.optional_fields("auditLedger(query)")?;
    query.only("auditLedger", &["userId", "limit", "onProgress"])?;
    if let Some(other) = query.get("onProgress") {
        return Err(Error::InvalidArgument {
            name: "onProgress".to_owned(),
            expected: "a function".to_owned(),
            given: other.describe(),
        });
    }
    count("limit", query.get("limit"), u32::MAX, u32::MAX)?;
    let after = match arguments.value("after")? {
        Some(Value::Text(after)) => Some(after),
        _ => None,
    };
    let range = match query.get("userId") {
        None => UserRange::Next { after, users: USERS },
        // Null does not mean all: without a session, an app must not read all users' accounts.
        user_id => UserRange::User(check_id("userId", user_id)?),
    };
    Ok(Read::Audit(range))
}

/// The tables to create: all, or the named ones with those that they refer to.
pub(super) fn read_tables(options: &Fields) -> Result<Vec<TableName>> {
    options.only("createTables", &["tables"])?;
    let Some(value) = options.get("tables") else { return Ok(TableName::ALL.to_vec()) };
    let names: Option<Vec<String>> = match value {
        Value::Json(json) => serde_json::from_str(json).ok(),
        _ => None,
    };
    let named: Option<Vec<TableName>> = names
        .filter(|names| !names.is_empty())
        .and_then(|names| names.iter().map(|name| TableName::named(name)).collect());
    let named = named.ok_or_else(|| Error::InvalidArgument {
        name: "tables".to_owned(),
        expected: "a list of 'user', 'credit', 'media_tasks' and 'ai_task', at least one"
            .to_owned(),
        given: match value {
            Value::Json(json) => json.chars().take(60).collect(),
            other => other.describe(),
        },
    })?;
    let is_wanted = |table: &TableName| !table.is_optional() || named.contains(table);
    Ok(TableName::ALL.into_iter().filter(is_wanted).collect())
}

/// A preview of the repairs of some users, or the repairs themselves.
pub(super) fn read_repair(arguments: &mut Arguments) -> Result<Operation> {
    let options = arguments.options()?;
    options.only("repairLedger", &["userId", "apply"])?;
    if let Some(user_id) = options.get("userId") {
        check_id("userId", Some(user_id))?;
    }
    let applies = flag(&options, "apply")?;
    let user_ids: Vec<String> = match arguments.next() {
        Argument::List(ids) => ids.into_iter().filter_map(read_user_id).collect(),
        _ => Vec::new(),
    };
    Ok(match applies && !user_ids.is_empty() {
        true => Operation::Write(Write::Repair(user_ids)),
        false => Operation::Read(Read::Fixes(user_ids)),
    })
}

/// A user with findings. Any id is accepted, because an audit has read it.
fn read_user_id(passed: Argument) -> Option<String> {
    match passed {
        Argument::Value(Value::Text(user_id)) => Some(user_id),
        _ => None,
    }
}
