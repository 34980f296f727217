//! All functions of the package: their names, and how their arguments are decoded. `lib/operations.js` is the
//! counterpart in JavaScript.

use super::arguments::Arguments;
use super::decode::{
    Defaults, end_top_up, read_audit, read_release, read_repair, read_statement, read_stuck,
    read_stuck_to_fail, read_tables, read_top_ups, settle, step, update,
};
use super::lists::read_page;
use crate::domain::charge::ChargeRequest;
use crate::domain::credits::Credits;
use crate::domain::expiring::ExpiringQuery;
use crate::domain::grant::NewGrant;
use crate::domain::renewal::{Extension, Renewal};
use crate::domain::revocation::{Restoration, Revocation};
use crate::domain::settle::Settlement;
use crate::domain::table::TableName::{self, Tasks};
use crate::domain::table::TaskKind::{Ai, Media};
use crate::domain::task::NewTask;
use crate::domain::top_up::{State, TopUp};
use crate::engine::{self, Charging, MOST_FUNCTIONS, Operation, Read, UserRead, Write};
use crate::error::{Error, Result};

/// Decodes the arguments of a function, with the connection's defaults.
type Reader<Request> = fn(&mut Arguments, &Defaults) -> Result<Request>;

/// The kind of request that a function makes.
enum Asks {
    /// A change of the ledger.
    Write(Reader<Write>),
    /// A read.
    Read(Reader<Read>),
    /// A read about the user in the first argument.
    ReadOfUser(Reader<UserRead>),
    /// Any other request.
    Other(Reader<Operation>),
}

use Asks::{Other, Read as Reads, ReadOfUser as ReadsUser, Write as Writes};

const FUNCTIONS: &[(&str, Asks)] = &[
    (
        "createMediaTask",
        Writes(|arguments, _| {
            let (task, cost) = (arguments.fields("task")?, arguments.value("costCredits")?);
            let task = NewTask::parse(Media, task, cost.as_ref(), &arguments.options()?)?;
            Ok(Write::Charge(Charging::Task(task)))
        }),
    ),
    (
        "createMediaTasks",
        Writes(|arguments, _| {
            let check_options = |options: &_| NewTask::check_options(Media, options);
            arguments.atomic_batch(check_options, |item, options| {
                let mut item = item.into_fields("an item of createMediaTasks")?;
                let (task, cost) = (item.fields("task")?, item.value("costCredits")?);
                item.nothing_left("createMediaTasks")?;
                NewTask::parse(Media, task, cost.as_ref(), options).map(Charging::Task)
            })
        }),
    ),
    (
        "createAITask",
        Writes(|arguments, _| {
            let task = arguments.fields("task")?;
            let task = NewTask::parse(Ai, task, None, &arguments.options()?)?;
            Ok(Write::Charge(Charging::Task(task)))
        }),
    ),
    (
        "createAITasks",
        Writes(|arguments, _| {
            let check_options = |options: &_| NewTask::check_options(Ai, options);
            arguments.atomic_batch(check_options, |item, options| {
                let task = item.into_object("an item of createAITasks")?;
                NewTask::parse(Ai, task, None, options).map(Charging::Task)
            })
        }),
    ),
    ("updateMediaTaskById", Writes(|arguments, defaults| update(Media, arguments, defaults))),
    ("updateAITaskById", Writes(|arguments, defaults| update(Ai, arguments, defaults))),
    ("chargeMediaTask", Writes(|arguments, _| step(Media, arguments))),
    ("chargeAITask", Writes(|arguments, _| step(Ai, arguments))),
    ("settleMediaTask", Writes(|arguments, defaults| settle(Media, arguments, defaults))),
    ("settleAITask", Writes(|arguments, defaults| settle(Ai, arguments, defaults))),
    (
        "refundCredits",
        Writes(|arguments, defaults| {
            let (id, credits) = (arguments.id("chargeId")?, arguments.value("credits")?);
            let (options, policy) = (arguments.options()?, defaults.refund_policy);
            Settlement::of_charge(id, credits.as_ref(), &options, policy).map(Write::Settle)
        }),
    ),
    (
        "settleCredits",
        Writes(|arguments, defaults| {
            let (id, credits) = (arguments.id("chargeId")?, arguments.value("credits")?);
            let (options, policy) = (arguments.options()?, defaults.refund_policy);
            Settlement::of_credits(id, credits.as_ref(), &options, policy).map(Write::Settle)
        }),
    ),
    (
        "keepCharge",
        Writes(|arguments, _| arguments.id("chargeId").map(Settlement::of_kept).map(Write::Settle)),
    ),
    ("releaseHolds", Other(read_release)),
    (
        "consumeCredits",
        Writes(|arguments, _| {
            let request = arguments.fields("consumeCredits(parameters)")?;
            let request = ChargeRequest::parse(&request, &arguments.options()?)?;
            Ok(Write::Charge(Charging::Consume(request)))
        }),
    ),
    (
        "consumeCreditsBatch",
        Writes(|arguments, _| {
            arguments.atomic_batch(ChargeRequest::check_options, |item, options| {
                let request = item.into_object("an item of consumeCreditsBatch")?;
                ChargeRequest::parse(&request, options).map(Charging::Consume)
            })
        }),
    ),
    (
        "createCredit",
        Writes(|arguments, _| {
            let grant = arguments.fields("newCredit")?;
            let options = arguments.options()?;
            NewGrant::parse(grant, &options).map(Write::Grant)
        }),
    ),
    (
        "renewGrants",
        Writes(|arguments, _| {
            let renewal = arguments.fields("renewGrants(renewal)")?;
            Renewal::parse(renewal).map(Write::Renew)
        }),
    ),
    (
        "extendGrant",
        Writes(|arguments, _| {
            let (id, expires_at) = (arguments.id("creditId")?, arguments.value("expiresAt")?);
            Extension::parse(id, expires_at.as_ref()).map(Write::Extend)
        }),
    ),
    (
        "claimTopUp",
        Writes(|arguments, _| {
            TopUp::parse(&arguments.fields("claimTopUp(parameters)")?).map(Write::ClaimTopUp)
        }),
    ),
    ("confirmTopUp", Writes(|arguments, _| end_top_up(arguments, State::Confirmed))),
    ("abandonTopUp", Writes(|arguments, _| end_top_up(arguments, State::Abandoned))),
    ("listTopUps", Reads(|arguments, _| read_top_ups(arguments))),
    (
        "revokeGrants",
        Writes(|arguments, _| {
            let target = arguments.fields("revokeGrants(target)")?;
            Revocation::parse(&target, &arguments.options()?).map(Write::Revoke)
        }),
    ),
    (
        "restoreGrants",
        Writes(|arguments, _| {
            let transaction_no = arguments.id("transactionNo")?;
            let target = arguments.optional_fields("restoreGrants(target)")?;
            Restoration::parse(transaction_no, &target, &arguments.draw_order).map(Write::Restore)
        }),
    ),
    ("findMediaTaskById", Reads(|arguments, _| find(Tasks(Media), arguments))),
    ("findAITaskById", Reads(|arguments, _| find(Tasks(Ai), arguments))),
    (
        "hasActiveMediaTask",
        ReadsUser(|_, defaults| Ok(UserRead::HasActiveTask(defaults.active_statuses.clone()))),
    ),
    (
        "getActiveMediaTasks",
        ReadsUser(|_, defaults| Ok(UserRead::ActiveTasks(defaults.active_statuses.clone()))),
    ),
    (
        "getMediaTaskHistory",
        ReadsUser(|arguments, _| {
            let (page, limit) = (arguments.value("page")?, arguments.value("limit")?);
            let page = read_page(page, limit, 20)?;
            arguments.part(page).map(UserRead::TaskHistory)
        }),
    ),
    (
        "getMediaTaskCharges",
        Reads(|arguments, _| arguments.id("id").map(|id| Read::TaskCharges(Media, id))),
    ),
    (
        "getAITaskCharges",
        Reads(|arguments, _| arguments.id("id").map(|id| Read::TaskCharges(Ai, id))),
    ),
    (
        "findStuckMediaTasks",
        Reads(|arguments, _| read_stuck(Media, arguments).map(Read::StuckTasks)),
    ),
    ("findStuckAITasks", Reads(|arguments, _| read_stuck(Ai, arguments).map(Read::StuckTasks))),
    (
        "failStuckMediaTasks",
        Reads(|arguments, _| read_stuck_to_fail(Media, arguments).map(Read::StuckTasks)),
    ),
    (
        "failStuckAITasks",
        Reads(|arguments, _| read_stuck_to_fail(Ai, arguments).map(Read::StuckTasks)),
    ),
    (
        "getRemainingCredits",
        ReadsUser(|arguments, _| arguments.paying().map(UserRead::BalanceTotal)),
    ),
    ("getBalance", ReadsUser(|arguments, _| arguments.paying().map(UserRead::Balance))),
    (
        "getStatement",
        ReadsUser(|arguments, _| {
            let query = arguments.optional_fields("getStatement")?;
            read_statement(&query).map(UserRead::Statement)
        }),
    ),
    (
        "quoteCredits",
        ReadsUser(|arguments, _| {
            let credits = arguments.value("credits")?;
            let credits = Credits::parse("credits", credits.as_ref())?;
            arguments.paying().map(|paying| UserRead::Quote(credits, paying))
        }),
    ),
    (
        "listExpiring",
        Reads(|arguments, _| {
            let query = arguments.fields("listExpiring(query)")?;
            ExpiringQuery::parse(&query).map(Read::Expiring)
        }),
    ),
    ("getCredits", Reads(|arguments, _| arguments.list(TableName::Credit, &CREDITS))),
    ("getCreditsCount", Reads(|arguments, _| arguments.count(TableName::Credit, &CREDITS))),
    ("getAITasks", Reads(|arguments, _| arguments.list(Tasks(Ai), &AI_TASKS))),
    ("getAITasksCount", Reads(|arguments, _| arguments.count(Tasks(Ai), &AI_TASKS))),
    ("auditLedger", Reads(|arguments, _| read_audit(arguments))),
    ("repairLedger", Other(|arguments, _| read_repair(arguments))),
    (
        "createTables",
        Other(|arguments, _| {
            let options = arguments.options()?;
            read_tables(&options).map(Operation::CreateTables)
        }),
    ),
    ("getDiagnostics", Other(|_, _| Ok(Operation::Diagnose))),
    ("stats", Other(|_, _| Ok(Operation::Stats))),
];

const _: () = assert!(FUNCTIONS.len() <= MOST_FUNCTIONS, "each needs a place to be counted");

/// The filters of `getCredits`, with their columns.
const CREDITS: [(&str, &str); 3] =
    [("userId", "user_id"), ("status", "status"), ("transactionType", "transaction_type")];

/// The filters of `getAITasks`, with their columns.
const AI_TASKS: [(&str, &str); 4] = [
    ("userId", "user_id"),
    ("status", "status"),
    ("mediaType", "media_type"),
    ("provider", "provider"),
];

fn find(table: TableName, arguments: &mut Arguments) -> Result<Read> {
    arguments.id("id").map(|id| Read::Find(table, id))
}

/// A function of the package.
#[derive(Clone, Copy)]
pub(super) struct Function(usize);

impl Function {
    /// All functions.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        (0..FUNCTIONS.len()).map(Self).collect()
    }

    /// The function with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().position(|(known, _)| *known == name).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        FUNCTIONS[self.0].0
    }

    /// The function, as the engine counts it; `None` for reading the statistics themselves.
    pub(super) fn counted(self) -> Option<engine::CountedFunction> {
        let name = self.name();
        (name != "stats").then_some(engine::CountedFunction { number: self.0, name })
    }

    /// Decodes a call's arguments. `defaults` are the connection's.
    pub(super) fn read(self, arguments: &str, defaults: &Defaults) -> Result<Call> {
        let mut arguments = Arguments::read(self.name(), arguments, &defaults.draw_order)?;
        let operation = match FUNCTIONS[self.0].1 {
            Writes(read) => read(&mut arguments, defaults).map(Operation::Write),
            Reads(read) => read(&mut arguments, defaults).map(Operation::Read),
            ReadsUser(read) => arguments.user_id().and_then(|user_id| {
                let read = read(&mut arguments, defaults)?;
                Ok(Operation::Read(Read::OfUser(user_id, read)))
            }),
            Other(read) => read(&mut arguments, defaults),
        }?;
        arguments.nothing_left()?;
        Ok(Call { operation, user_by_number: arguments.user_by_number() })
    }
}

/// A valid call.
#[derive(Debug)]
pub(super) struct Call {
    /// The request.
    pub(super) operation: Operation,
    /// If the call names a user by a number: the error for databases whose user ids are text.
    pub(super) user_by_number: Option<Error>,
}
