//! From a call's JSON text to an operation.

use super::arguments::Arguments;
use super::lists::{from_url, read_page};
use super::wire::Passed;
use crate::domain::charge::ChargeRequest;
use crate::domain::credits::Credits;
use crate::domain::grant::NewGrant;
use crate::domain::options::{RefundPolicy, flag, statuses};
use crate::domain::settle::Settlement;
use crate::domain::statement::{Cursor, Query};
use crate::domain::table::TableName;
use crate::domain::table::TaskKind::{self, Ai, Media};
use crate::domain::task::{NewTask, Step, TaskPatch};
use crate::domain::value::{Fields, Value, check_id, describe};
use crate::engine::{Charging, Operation, Read, Write};
use crate::error::{Error, Result};
use crate::storage::StuckFilter;
use crate::storage::books::Shelf;

/// What holds for calls that do not say it themselves.
pub(super) struct Defaults {
    /// Where refunds go.
    pub(super) refund_policy: RefundPolicy,
    /// The states of a media task in which it is active.
    pub(super) active_statuses: Vec<String>,
}

/// A call that is sound by itself.
#[derive(Debug)]
pub(super) struct Call {
    /// What it asks for.
    pub(super) operation: Operation,
    /// If it names a user by a number: what it is refused with where the ids of users are text.
    pub(super) user_by_number: Option<Error>,
}

/// Reads a call: the function's name and its arguments. `defaults` are the connection's.
pub(super) fn operation(name: &str, arguments: &str, defaults: &Defaults) -> Result<Call> {
    let mut arguments = Arguments::read(name, arguments)?;
    let read = reading(name, &mut arguments, defaults)?.map(Operation::Read);
    let operation = match read {
        Some(read) => read,
        None => writing(name, &mut arguments, defaults.refund_policy)?,
    };
    arguments.nothing_left(name)?;
    Ok(Call { operation, user_by_number: arguments.user_by_number() })
}

fn writing(name: &str, arguments: &mut Arguments, policy: RefundPolicy) -> Result<Operation> {
    let of_task = |kind| move |options: &Fields| NewTask::check_options(kind, options);
    let write = match name {
        "createMediaTask" => {
            let (task, cost) = (arguments.fields("task")?, arguments.value("costCredits")?);
            let options = arguments.options(name)?;
            Write::Charge(Charging::Task(NewTask::parse(Media, task, cost.as_ref(), &options)?))
        }
        "createMediaTasks" => arguments.together(name, of_task(Media), |item, options| {
            let mut item = item.into_fields("an item of createMediaTasks")?;
            let (task, cost) = (item.fields("task")?, item.value("costCredits")?);
            item.nothing_left("createMediaTasks")?;
            NewTask::parse(Media, task, cost.as_ref(), options).map(Charging::Task)
        })?,
        "createAITask" => {
            let task = arguments.fields("task")?;
            let options = arguments.options(name)?;
            Write::Charge(Charging::Task(NewTask::parse(Ai, task, None, &options)?))
        }
        "createAITasks" => arguments.together(name, of_task(Ai), |item, options| {
            let task = item.into_object("an item of createAITasks")?;
            NewTask::parse(Ai, task, None, options).map(Charging::Task)
        })?,
        "updateMediaTaskById" => update(Media, name, arguments, policy)?,
        "updateAITaskById" => update(Ai, name, arguments, policy)?,
        "chargeMediaTask" => step(Media, name, arguments)?,
        "chargeAITask" => step(Ai, name, arguments)?,
        "settleMediaTask" => settle(Media, name, arguments, policy)?,
        "settleAITask" => settle(Ai, name, arguments, policy)?,
        "refundCredits" => {
            let (id, credits) = (arguments.id("chargeId")?, arguments.value("credits")?);
            let options = arguments.options(name)?;
            Write::Settle(Settlement::of_charge(id, credits.as_ref(), &options, policy)?)
        }
        "consumeCredits" => {
            let request = arguments.fields("consumeCredits(parameters)")?;
            let options = arguments.options(name)?;
            Write::Charge(Charging::Consume(ChargeRequest::parse(&request, &options)?))
        }
        "consumeCreditsBatch" => {
            arguments.together(name, ChargeRequest::check_options, |item, options| {
                let request = item.into_object("an item of consumeCreditsBatch")?;
                ChargeRequest::parse(&request, options).map(Charging::Consume)
            })?
        }
        "createCredit" => {
            let grant = arguments.fields("newCredit")?;
            Write::Grant(NewGrant::parse(grant, &arguments.options(name)?)?)
        }
        "repairLedger" => {
            let applies = read_repair(&arguments.options(name)?)?;
            let user_ids = match arguments.next() {
                Passed::List(ids) => ids.into_iter().filter_map(read_user_id).collect(),
                _ => Vec::new(),
            };
            if !applies || user_ids.is_empty() {
                return Ok(Operation::Read(Read::Fixes(user_ids)));
            }
            Write::Repair(user_ids)
        }
        "createTables" => {
            let options = arguments.options(name)?;
            return read_tables(&options).map(Operation::CreateTables);
        }
        "getDiagnostics" => return Ok(Operation::Diagnose),
        "stats" => return Ok(Operation::Stats),
        other => return Err(Error::Internal(format!("there is no operation {other}"))),
    };
    Ok(Operation::Write(write))
}

fn update(
    kind: TaskKind,
    name: &str,
    arguments: &mut Arguments,
    policy: RefundPolicy,
) -> Result<Write> {
    let (id, patch) = (arguments.id("id")?, arguments.fields("patch")?);
    let options = arguments.options(name)?;
    TaskPatch::parse(kind, id, patch, &options, policy).map(Write::UpdateTask)
}

fn step(kind: TaskKind, name: &str, arguments: &mut Arguments) -> Result<Write> {
    let (id, charge) = (arguments.id("id")?, arguments.fields("charge")?);
    let patch = arguments.optional_fields("patch")?;
    let options = arguments.options(name)?;
    Step::parse(kind, id, &charge, patch, &options).map(Write::Step)
}

fn settle(
    kind: TaskKind,
    name: &str,
    arguments: &mut Arguments,
    policy: RefundPolicy,
) -> Result<Write> {
    let (id, credits) = (arguments.id("id")?, arguments.value("finalCredits")?);
    let options = arguments.options(name)?;
    Settlement::of_task(kind, id, credits.as_ref(), &options, policy).map(Write::Settle)
}

/// Reads a call that changes nothing. `None`: it is another one.
fn reading(name: &str, arguments: &mut Arguments, defaults: &Defaults) -> Result<Option<Read>> {
    const CREDITS: [(&str, &str); 3] =
        [("userId", "user_id"), ("status", "status"), ("transactionType", "transaction_type")];
    const AI_TASKS: [(&str, &str); 4] = [
        ("userId", "user_id"),
        ("status", "status"),
        ("mediaType", "media_type"),
        ("provider", "provider"),
    ];
    let (media_tasks, ai_task) = (TableName::Tasks(Media), TableName::Tasks(Ai));
    let read = match name {
        "findMediaTaskById" => Read::Find(media_tasks, arguments.id("id")?),
        "findAITaskById" => Read::Find(ai_task, arguments.id("id")?),
        "hasActiveMediaTask" => {
            Read::HasActiveTask(arguments.user_id()?, defaults.active_statuses.clone())
        }
        "getActiveMediaTasks" => {
            Read::ActiveTasks(arguments.user_id()?, defaults.active_statuses.clone())
        }
        "getMediaTaskHistory" => {
            let user_id = arguments.user_id()?;
            let (page, limit) = (arguments.value("page")?, arguments.value("limit")?);
            let page = read_page(page, limit, 20)?;
            Read::TaskHistory(user_id, arguments.part(page)?)
        }
        "getMediaTaskCharges" => Read::TaskCharges(Media, arguments.id("id")?),
        "getAITaskCharges" => Read::TaskCharges(Ai, arguments.id("id")?),
        "findStuckMediaTasks" => Read::StuckTasks(read_stuck(Media, name, arguments)?),
        "findStuckAITasks" => Read::StuckTasks(read_stuck(Ai, name, arguments)?),
        "failStuckMediaTasks" => Read::StuckTasks(read_stuck_to_fail(Media, name, arguments)?),
        "failStuckAITasks" => Read::StuckTasks(read_stuck_to_fail(Ai, name, arguments)?),
        "getRemainingCredits" => Read::Balance(arguments.user_id()?),
        "getBalance" => Read::Purse(arguments.user_id()?),
        "getStatement" => {
            let user_id = arguments.user_id()?;
            Read::Statement(user_id, read_statement(&arguments.optional_fields(name)?)?)
        }
        "auditLedger" => read_audit(arguments)?,
        "quoteCredits" => {
            let (user_id, credits) = (arguments.user_id()?, arguments.value("credits")?);
            Read::Quote(user_id, Credits::parse("credits", credits.as_ref())?)
        }
        "getCredits" => arguments.list(name, TableName::Credit, &CREDITS)?,
        "getCreditsCount" => arguments.count(name, TableName::Credit, &CREDITS)?,
        "getAITasks" => arguments.list(name, ai_task, &AI_TASKS)?,
        "getAITasksCount" => arguments.count(name, ai_task, &AI_TASKS)?,
        _ => return Ok(None),
    };
    Ok(Some(read))
}

impl Arguments {
    /// A list of requests that go together, and their options.
    fn together(
        &mut self,
        function: &str,
        check_options: impl Fn(&Fields) -> Result<()>,
        request: impl Fn(Passed, &Fields) -> Result<Charging>,
    ) -> Result<Write> {
        const MOST: usize = 500;
        let expected = |given| Error::InvalidArgument {
            name: function.to_owned(),
            expected: format!("given a list of at most {MOST} items"),
            given,
        };
        let items = match self.next() {
            Passed::List(items) if items.len() <= MOST => items,
            Passed::List(items) => return Err(expected(format!("{} items", items.len()))),
            other => return Err(expected(other.describe())),
        };
        let mut options = self.options(function)?;
        flag(&options, "atomic")?;
        options.remove("atomic");
        // An empty list has no item that meets them.
        check_options(&options)?;
        let requests = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| request(item, &options).map_err(|error| error.of_item(index)));
        requests.collect::<Result<_>>().map(Write::Together)
    }
}

fn read_count(name: &str, value: Option<Value>, default: u32, most: u32) -> Result<u32> {
    let count = match &value {
        None => return Ok(default),
        Some(Value::Integer(count)) => u32::try_from(*count).ok(),
        Some(_) => None,
    };
    count.filter(|count| (1..=most).contains(count)).ok_or_else(|| Error::InvalidArgument {
        name: name.to_owned(),
        expected: format!("a whole number from 1 to {most}"),
        given: value.as_ref().map_or_else(String::new, Value::describe),
    })
}

/// So many stuck tasks are found, or failed, with one call.
const MOST_STUCK: u32 = 1000;

fn read_stuck(kind: TaskKind, name: &str, arguments: &mut Arguments) -> Result<StuckFilter> {
    const DEFAULT_LIMIT: u32 = 100;
    let query = arguments.fields(&format!("{name}(query)"))?;
    query.only(name, &["olderThanMs", "statuses", "limit"])?;
    let limit = query.get("limit").cloned();
    let limit = read_count("limit", limit, DEFAULT_LIMIT, MOST_STUCK)?;
    stuck_filter(kind, &query, limit, 0)
}

/// `failStuckMediaTasks` finds the next tasks to fail: as many as its second argument says, after as many
/// as its third. What it will do with them is checked here, before it does any of it.
fn read_stuck_to_fail(
    kind: TaskKind,
    name: &str,
    arguments: &mut Arguments,
) -> Result<StuckFilter> {
    let query = arguments.fields(&format!("{name}(query)"))?;
    let message: &[&str] = if kind == Media { &["errorMessage"] } else { &[] };
    query.only(name, &[&["olderThanMs", "statuses", "limit", "refundPolicy"], message].concat())?;
    read_count("limit", query.get("limit").cloned(), MOST_STUCK, MOST_STUCK)?;
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
    let limit = read_count("limit", arguments.value("at most")?, 1, MOST_STUCK)?;
    let skip = match arguments.value("skip")? {
        Some(Value::Integer(skip)) => u32::try_from(skip).unwrap_or(0),
        _ => 0,
    };
    stuck_filter(kind, &query, limit, skip)
}

fn stuck_filter(kind: TaskKind, query: &Fields, limit: u32, skip: u32) -> Result<StuckFilter> {
    // How long a worker may be silent is the app's to know.
    let older_than_ms = query.get("olderThanMs").cloned().unwrap_or(Value::Null);
    let older_than_ms = read_count("olderThanMs", Some(older_than_ms), 0, u32::MAX)?;
    let statuses = match query.get("statuses") {
        None => kind.statuses_at_risk().iter().map(|status| (*status).to_owned()).collect(),
        Some(value) => statuses("statuses", value)?,
    };
    if let Some(over) = statuses.iter().find(|status| kind.is_over(status)) {
        return Err(Error::InvalidArgument {
            name: "statuses".to_owned(),
            expected: "states in which somebody should be working on a task".to_owned(),
            given: format!("'{over}'"),
        });
    }
    Ok(StuckFilter { kind, statuses, older_than_ms: i64::from(older_than_ms), limit, skip })
}

fn read_statement(query: &Fields) -> Result<Query> {
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
        // Longer than the longest id, which is a part of it.
        Some(Value::Text(cursor)) => Some(Cursor::parse(cursor)?),
        other => return Err(Cursor::unknown(describe(other))),
    };
    let limit = query.get("limit").cloned().map(from_url);
    let limit = read_count("limit", limit, DEFAULT_LIMIT, LARGEST_LIMIT)?;
    Ok(Query { from_ms: time("from")?, to_ms: time("to")?, after, limit: limit as usize })
}

/// One page: of the user whom the query names, or of the users after the second argument.
fn read_audit(arguments: &mut Arguments) -> Result<Read> {
    /// A page holds up the reads that come after it, so it is short.
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
    read_count("limit", query.get("limit").cloned(), u32::MAX, u32::MAX)?;
    let after = match arguments.value("after")? {
        Some(Value::Text(after)) => Some(after),
        _ => None,
    };
    let shelf = match query.get("userId") {
        None => Shelf::Next { after, users: USERS },
        // Null is not all: a missing session's user must not see everybody's books.
        user_id => Shelf::User(check_id("userId", user_id)?),
    };
    Ok(Read::Audit(shelf))
}

/// The tables to make: all, or those that are named, with those that they refer to.
fn read_tables(options: &Fields) -> Result<Vec<TableName>> {
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

/// Whether to write the changes.
fn read_repair(options: &Fields) -> Result<bool> {
    options.only("repairLedger", &["userId", "apply"])?;
    if let Some(user_id) = options.get("userId") {
        check_id("userId", Some(user_id))?;
    }
    flag(options, "apply")
}

/// A user in whose books an audit has found something: whatever the id is like, it is somebody's.
fn read_user_id(passed: Passed) -> Option<String> {
    match passed {
        Passed::Value(Value::Text(user_id)) => Some(user_id),
        _ => None,
    }
}
