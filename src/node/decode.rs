//! From a call's JSON text to an operation.

use super::wire::Passed;
use crate::domain::charge::ChargeRequest;
use crate::domain::grant::NewGrant;
use crate::domain::task::{NewTask, TaskPatch};
use crate::domain::value::{Fields, Value, check_id};
use crate::engine::{Operation, Read, Write};
use crate::error::{Error, Result};
use crate::storage::schema::TableName;
use crate::storage::{CreditFilter, Page};

/// Reads a call: the function's name and its arguments.
pub(super) fn operation(name: &str, arguments: &str) -> Result<Operation> {
    let mut arguments = Arguments::read(name, arguments)?;
    let operation = match name {
        "createMediaTask" => {
            let task = arguments.fields("task")?;
            let cost = arguments.value("costCredits")?;
            Operation::Write(Write::CreateTask(NewTask::parse(task, cost.as_ref())?))
        }
        "updateMediaTaskById" => {
            let id = arguments.id("id")?;
            let patch = arguments.fields("patch")?;
            Operation::Write(Write::UpdateTask(TaskPatch::parse(id, patch)?))
        }
        "consumeCredits" => {
            let request = arguments.fields("consumeCredits(parameters)")?;
            Operation::Write(Write::Consume(ChargeRequest::parse(&request)?))
        }
        "createCredit" => {
            let grant = arguments.fields("newCredit")?;
            Operation::Write(Write::Grant(NewGrant::parse(grant)?))
        }
        "findMediaTaskById" => {
            Operation::Read(Read::Find(TableName::MediaTasks, arguments.id("id")?))
        }
        "hasActiveMediaTask" => Operation::Read(Read::HasActiveTask(arguments.id("userId")?)),
        "getActiveMediaTasks" => Operation::Read(Read::ActiveTasks(arguments.id("userId")?)),
        "getMediaTaskHistory" => {
            let user_id = arguments.id("userId")?;
            let (page, limit) = (arguments.value("page")?, arguments.value("limit")?);
            Operation::Read(Read::TaskHistory(user_id, read_page(page, limit, 20)?))
        }
        "getRemainingCredits" => Operation::Read(Read::Balance(arguments.id("userId")?)),
        "getCredits" => {
            let query = arguments.optional_fields("getCredits(query)")?;
            query.only("getCredits", &[&FILTERS[..], &["page", "limit"]].concat())?;
            let page = read_page(query.get("page").cloned(), query.get("limit").cloned(), 30)?;
            Operation::Read(Read::Credits(read_filter(&query)?, page))
        }
        "getCreditsCount" => {
            let query = arguments.optional_fields("getCreditsCount(query)")?;
            query.only("getCreditsCount", &FILTERS)?;
            Operation::Read(Read::CreditCount(read_filter(&query)?))
        }
        "createTables" => Operation::CreateTables,
        "getDiagnostics" => Operation::Diagnose,
        other => return Err(Error::Internal(format!("there is no operation {other}"))),
    };
    arguments.nothing_left(name)?;
    Ok(operation)
}

/// A call's arguments, taken one by one.
pub(super) struct Arguments(std::vec::IntoIter<Passed>);

impl Arguments {
    /// Reads the JSON text of an array.
    pub(super) fn read(function: &str, arguments: &str) -> Result<Self> {
        let arguments: Vec<Passed> = serde_json::from_str(arguments)
            .map_err(|error| Error::Internal(format!("{function}: {error}")))?;
        Ok(Self(arguments.into_iter()))
    }

    fn next(&mut self) -> Passed {
        self.0.next().unwrap_or(Passed::Nothing)
    }

    fn id(&mut self, name: &str) -> Result<String> {
        check_id(name, self.value(name)?.as_ref())
    }

    /// An argument; `None` if it was not passed.
    fn value(&mut self, name: &str) -> Result<Option<Value>> {
        match self.next() {
            Passed::Nothing => Ok(None),
            passed => read_value(name, passed).map(Some),
        }
    }

    /// An object's fields. A field that is `undefined` is not there.
    pub(super) fn fields(&mut self, name: &str) -> Result<Fields> {
        match self.next() {
            Passed::Fields(fields) => fields
                .into_iter()
                .filter(|(_, passed)| *passed != Passed::Nothing)
                .map(|(name, passed)| read_value(&name, passed).map(|value| (name, value)))
                .collect(),
            other => Err(invalid(name, "an object", &other)),
        }
    }

    /// An object that may be left out.
    fn optional_fields(&mut self, name: &str) -> Result<Fields> {
        match self.0.as_slice().first() {
            None | Some(Passed::Nothing) => Ok(Fields::default()),
            Some(_) => self.fields(name),
        }
    }

    /// Refuses arguments that this version does not know: an option that does nothing would be
    /// believed.
    fn nothing_left(&mut self, function: &str) -> Result<()> {
        match self.0.find(|passed| *passed != Passed::Nothing) {
            None => Ok(()),
            Some(other) => Err(invalid(function, "called without further arguments", &other)),
        }
    }
}

/// An object where a value belongs, as in `createMediaTask(task, { … })`.
fn read_value(name: &str, passed: Passed) -> Result<Value> {
    match passed {
        Passed::Value(value) => Ok(value),
        other => Err(invalid(name, "a value", &other)),
    }
}

fn invalid(name: &str, expected: &str, passed: &Passed) -> Error {
    let given = match passed {
        Passed::Nothing => "undefined".to_owned(),
        Passed::Value(value) => value.describe(),
        Passed::Fields(_) => "an object".to_owned(),
    };
    Error::InvalidArgument { name: name.to_owned(), expected: expected.to_owned(), given }
}

fn read_page(page: Option<Value>, limit: Option<Value>, default_limit: u32) -> Result<Page> {
    const LARGEST_LIMIT: u32 = 1000;
    Ok(Page {
        page: read_count("page", page, 1, u32::MAX)?,
        limit: read_count("limit", limit, default_limit, LARGEST_LIMIT)?,
    })
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

const FILTERS: [&str; 3] = ["userId", "status", "transactionType"];

fn read_filter(query: &Fields) -> Result<CreditFilter> {
    // Left out means all. Null does not: a missing session's user must not see everybody's credits.
    let filter = |name| query.get(name).map(|value| check_id(name, Some(value))).transpose();
    Ok(CreditFilter {
        user_id: filter("userId")?,
        status: filter("status")?,
        transaction_type: filter("transactionType")?,
    })
}
