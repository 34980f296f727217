//! The requests that a caller can make.

use crate::domain::charge::ChargeRequest;
use crate::domain::credits::Credits;
use crate::domain::expiring::ExpiringQuery;
use crate::domain::grant::NewGrant;
use crate::domain::paying::Paying;
use crate::domain::renewal::{Extension, Renewal};
use crate::domain::revocation::{Restoration, Revocation};
use crate::domain::settle::Settlement;
use crate::domain::statement::Query;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::{NewTask, StepCharge, TaskPatch};
use crate::domain::top_up::{State, TopUp};
use crate::storage::books::UserRange;
use crate::storage::{Filter, Page, StuckFilter, Window};

/// A request.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "most requests are writes, and a box for each would cost more"
)]
pub enum Operation {
    /// A change of the ledger.
    Write(Write),
    /// A read.
    Read(Read),
    /// Creates those of these tables that do not exist.
    CreateTables(Vec<TableName>),
    /// Returns what the engine detected when it opened the database.
    Diagnose,
    /// Returns the engine's statistics.
    Stats,
}

/// A change of the ledger, in one transaction.
#[derive(Debug, Clone)]
pub enum Write {
    /// `createMediaTask`, `createAITask`, `consumeCredits`
    Charge(Charging),
    /// `createMediaTasks`, `consumeCreditsBatch`: all requests are accepted, or none.
    AtomicBatch(Vec<Charging>),
    /// `createCredit`
    Grant(NewGrant),
    /// `updateMediaTaskById`, `updateAITaskById`
    UpdateTask(TaskPatch),
    /// `chargeMediaTask`, `chargeAITask`
    StepCharge(StepCharge),
    /// `settleMediaTask`, `settleAITask`, `settleCredits`, `refundCredits`, `keepCharge`, each of `releaseHolds`
    Settle(Settlement),
    /// `revokeGrants`
    Revoke(Revocation),
    /// `restoreGrants`
    Restore(Restoration),
    /// `renewGrants`
    Renew(Renewal),
    /// `extendGrant`
    Extend(Extension),
    /// `claimTopUp`
    ClaimTopUp(TopUp),
    /// `confirmTopUp`, `abandonTopUp`: ends the claim with this idempotency key.
    EndTopUp(String, State),
    /// `repairLedger`: repairs the accounts of these users in one transaction.
    Repair(Vec<String>),
}

/// What of a request depends on rows that are not locked.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// The request without any option.
    Always,
    /// This option.
    Option(&'static str),
}

#[cfg(feature = "postgres")]
impl Operation {
    /// What depends on rows that are not locked, such as a sum, if there is anything.
    pub fn counting(&self) -> Option<Counting> {
        let requests = match self {
            Self::Write(Write::Charge(request)) => std::slice::from_ref(request),
            Self::Write(Write::AtomicBatch(requests)) => requests,
            Self::Write(Write::StepCharge(step)) => {
                return (!step.limits.is_empty()).then_some(Counting::Option("limits"));
            }
            // Other transactions may have changed claims, renewals or withdrawals meanwhile.
            Self::Write(
                Write::ClaimTopUp(_)
                | Write::Renew(_)
                | Write::Extend(_)
                | Write::Revoke(_)
                | Write::Restore(_),
            ) => return Some(Counting::Always),
            _ => return None,
        };
        let counts_tasks = |request: &Charging| match request {
            Charging::Task(task) => task.max_active.is_some(),
            Charging::Consume(_) => false,
        };
        let has_limits =
            |request: &Charging| request.charge().is_some_and(|charge| !charge.limits.is_empty());
        let option = match requests.iter().any(counts_tasks) {
            true => Some("maxActive"),
            false => requests.iter().any(has_limits).then_some("limits"),
        };
        option.map(Counting::Option)
    }
}

/// A request that may charge. Its user is known before the database is read.
#[derive(Debug, Clone)]
pub enum Charging {
    /// A new task.
    Task(NewTask),
    /// A charge without a task.
    Consume(ChargeRequest),
}

impl Charging {
    /// The user's id.
    pub fn user_id(&self) -> &str {
        match self {
            Self::Task(task) => &task.user_id,
            Self::Consume(request) => &request.user_id,
        }
    }

    /// The `transaction_no` that the caller chose.
    pub fn transaction_no(&self) -> Option<&str> {
        self.charge().and_then(|charge| charge.transaction_no.as_deref())
    }

    /// The charge; `None` if it is free.
    pub fn charge(&self) -> Option<&ChargeRequest> {
        match self {
            Self::Task(task) => task.charge.as_ref(),
            Self::Consume(request) => Some(request),
        }
    }
}

/// A read.
#[derive(Debug, Clone)]
pub enum Read {
    /// `findMediaTaskById`, and any other row by its `id`.
    Find(TableName, String),
    /// A read about this user.
    OfUser(String, UserRead),
    /// `getCredits`, `getAITasks`
    List(Filter, Page),
    /// The same, with the rows' users.
    ListWithUsers(Filter, Page),
    /// `getCreditsCount`, `getAITasksCount`
    Count(Filter),
    /// `getMediaTaskCharges`, `getAITaskCharges`
    TaskCharges(TaskKind, String),
    /// `findStuckMediaTasks`, `findStuckAITasks`
    StuckTasks(StuckFilter),
    /// `listTopUps`: the minimum age in milliseconds, and the maximum number.
    OpenTopUps(i64, usize),
    /// Holds that `releaseHolds` must refund.
    EndedHolds(Window),
    /// `listExpiring`
    Expiring(ExpiringQuery),
    /// `auditLedger`
    Audit(UserRange),
    /// `repairLedger` as a preview.
    Fixes(Vec<String>),
}

/// A read about one user.
#[derive(Debug, Clone)]
pub enum UserRead {
    /// `hasActiveMediaTask`, with these statuses.
    HasActiveTask(Vec<String>),
    /// `getActiveMediaTasks`, with these statuses.
    ActiveTasks(Vec<String>),
    /// `getMediaTaskHistory`
    TaskHistory(Page),
    /// `getRemainingCredits`
    BalanceTotal(Paying),
    /// `getBalance`
    Balance(Paying),
    /// `quoteCredits`
    Quote(Credits, Paying),
    /// `getStatement`
    Statement(Query),
}
