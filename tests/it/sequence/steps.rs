//! The requests of an app, and other events. Charges and grants are picked from the existing ones.

use media_credits::domain::grant::NewGrant;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::paying::DrawOrder;
use media_credits::domain::renewal::{Extension, Renewal};
use media_credits::domain::revocation::{Restoration, Revocation};
use media_credits::domain::settle::Settlement;
use media_credits::domain::table::TaskKind::{self, Media};
use media_credits::domain::task::{self, TaskPatch};
use media_credits::domain::top_up::{State, TopUp};
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::{Operation, Read, Write};
use media_credits::error::Result;
use proptest::sample::Index;

use super::charging::{Choice, Key, New, Spend, charge_id, order, with};
use super::rows::{Ledger, id, pick};
use crate::common::{fields, text};

/// The last one has no row in `user`.
pub(super) const USERS: [&str; 3] = ["ada", "bob", "nobody"];

/// A step of the sequence.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Ask(Request),
    /// Concurrent requests that share a transaction: each is accepted or refused separately.
    ChargeEach(Vec<New>),
    Wait {
        ms: i64,
    },
    /// The app's own code marks a grant as expired, or withdraws it.
    End {
        grant: Index,
        status: &'static str,
    },
    /// The app's own code fails a task without a refund. A repair refunds it.
    FailAndRepair {
        task: Index,
    },
}

/// A request of an app.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Grant {
        user: &'static str,
        credits: i64,
        lives_ms: Option<i64>,
        /// The scene, and the number of the order.
        sold: (&'static str, Option<usize>),
        key: Key,
    },
    Charge(New),
    /// All of them or none.
    AtomicBatch(Vec<New>),
    Update {
        task: Changed,
        status: Option<&'static str>,
        names: Names,
        guard: Guard,
        policy: RefundPolicy,
        allow_refunded: bool,
    },
    StepCharge {
        task: Changed,
        credits: i64,
        status: Option<&'static str>,
        number: Option<usize>,
        guard: Guard,
        choice: Option<Choice>,
        spend: Vec<Spend>,
    },
    Settle {
        /// The task whose charge is settled, or a charge.
        of: Settled,
        credits: i64,
        over: &'static str,
        policy: RefundPolicy,
    },
    Refund {
        charge: Index,
        credits: Option<i64>,
        policy: RefundPolicy,
    },
    /// The payment of some grants is withdrawn: this total of it, or all.
    Revoke {
        of: Paid,
        total: Option<i64>,
        number: usize,
        recovers: bool,
    },
    /// And restored.
    Restore {
        number: usize,
        of: Option<Paid>,
    },
    ClaimTopUp {
        user: &'static str,
        credits: i64,
        number: usize,
        cooldown_ms: Option<i64>,
        /// This many credits may be claimed a week.
        at_most: Option<i64>,
    },
    EndTopUp {
        number: usize,
        end: State,
    },
    Keep {
        charge: Index,
    },
    /// The hold that ended first; if there is none, a charge.
    Release {
        charge: Index,
        policy: RefundPolicy,
    },
    /// A subscription is renewed.
    Renew {
        user: &'static str,
        credits: i64,
        /// The time until the period ends.
        ends_ms: i64,
        number: usize,
        /// Which one, and whether it replaces the other.
        of: (usize, bool),
        at_most: Option<i64>,
    },
    Extend {
        grant: Index,
        lives_ms: Option<i64>,
    },
    Read(Read),
    Repair,
}

const SUBSCRIPTIONS: [&str; 2] = ["subscription", "another"];

/// The task that is changed: an existing one, or none.
pub(super) type Changed = Option<Index>;

/// What is settled.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    Task(Changed),
    Charge(Index),
}

/// What a revocation names.
#[derive(Debug, Clone)]
pub(super) enum Paid {
    Order(usize),
    Subscription(usize),
    Grant(Index),
}

impl Paid {
    fn target(&self, ledger: &Ledger) -> Fields {
        fields(&[match self {
            Self::Order(number) => ("orderNo", order(Some(*number))),
            Self::Subscription(number) => ("subscriptionNo", text(SUBSCRIPTIONS[*number])),
            Self::Grant(grant) => ("creditId", text(&grant_id(ledger, grant))),
        }])
    }
}

/// The `creditId` of a patch.
#[derive(Debug, Clone)]
pub(super) enum Names {
    Nothing,
    Null,
    Charge(Index),
}

/// The guards of a change of a task.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) status: Option<&'static str>,
    pub(super) updated_before_ms: Option<i64>,
}

impl Guard {
    fn options(&self, now_ms: i64) -> Fields {
        let before = self.updated_before_ms.map(|ago_ms| now_ms - ago_ms);
        fields(&[
            ("ifStatus", Value::text_or_null(self.status)),
            ("ifUpdatedBefore", Value::time_or_null(before)),
        ])
    }
}

/// The kind and id of the same task on each store; an unknown id if there is no task.
fn changed(ledger: &Ledger, task: &Changed) -> (TaskKind, String) {
    let task = task.as_ref().and_then(|index| ledger.task(index));
    let (kind, id) = task.unwrap_or((Media, "nothing"));
    (kind, id.to_owned())
}

/// The id of the same grant on each store; an unknown id if there is no grant.
fn grant_id(ledger: &Ledger, index: &Index) -> String {
    pick(ledger.grants(), index).map_or("nothing", id).to_owned()
}

impl Request {
    /// The request to a store with this ledger, or why no store is called.
    pub(super) fn operation(&self, ledger: &Ledger, now_ms: i64) -> Result<Operation> {
        let none = Fields::default();
        let write = match self {
            Self::Read(question) => return Ok(Operation::Read(question.clone())),
            Self::Repair => Write::Repair(USERS.map(str::to_owned).to_vec()),
            Self::Grant { user, credits, lives_ms, sold: (scene, order_no), key } => {
                let mut row = fields(&[
                    ("userId", text(user)),
                    ("transactionScene", text(scene)),
                    ("orderNo", order(*order_no)),
                    ("credits", Value::Integer(*credits)),
                    ("expiresAt", Value::time_or_null(lives_ms.map(|ms| now_ms + ms))),
                ]);
                if let Some(number) = key.number {
                    row.set("id", text(&format!("grant-{number}")));
                    row.set("transactionNo", order(key.number));
                }
                Write::Grant(NewGrant::parse(row, &key.replay())?)
            }
            Self::Charge(new) => Write::Charge(new.charging(ledger, now_ms)?),
            Self::AtomicBatch(all) => {
                let all: Result<_> = all.iter().map(|new| new.charging(ledger, now_ms)).collect();
                Write::AtomicBatch(all?)
            }
            Self::Update { task, status, names, guard, policy, allow_refunded } => {
                let mut patch: Fields =
                    status.iter().map(|status| ("status", text(status))).collect();
                match names {
                    Names::Nothing => {}
                    Names::Null => patch.set("creditId", Value::Null),
                    Names::Charge(index) => patch.set("creditId", text(&charge_id(ledger, index))),
                }
                let mut options = guard.options(now_ms);
                options.set("allowRefunded", Value::Bool(*allow_refunded));
                let (kind, id) = changed(ledger, task);
                Write::UpdateTask(TaskPatch::parse((kind, id), patch, &options, *policy)?)
            }
            Self::StepCharge { task, credits, status, number, guard, choice, spend } => {
                let charge = fields(&[
                    ("credits", Value::Integer(*credits)),
                    ("transactionNo", order(*number)),
                    ("scene", Value::text_or_null(choice.map(Choice::name))),
                ]);
                let patch = status.iter().map(|status| ("status", text(status))).collect();
                let options = with(guard.options(now_ms), *choice, spend);
                let task = changed(ledger, task);
                Write::StepCharge(task::StepCharge::parse(task, &charge, patch, &options)?)
            }
            Self::Settle { of, credits, over, policy } => {
                let credits = Some(Value::Integer(*credits));
                let options = fields(&[("over", text(over))]).into();
                let credits = credits.as_ref();
                Write::Settle(match of {
                    Settled::Task(task) => {
                        let task = changed(ledger, task);
                        Settlement::of_task(task, credits, &options, *policy)?
                    }
                    Settled::Charge(charge) => {
                        let id = charge_id(ledger, charge);
                        Settlement::of_credits(id, credits, &options, *policy)?
                    }
                })
            }
            Self::ClaimTopUp { user, credits, number, cooldown_ms, at_most } => {
                let at_most =
                    at_most.map(|credits| format!("{{\"credits\":{credits},\"per\":\"week\"}}"));
                let parameters = fields(&[
                    ("atMost", at_most.map_or(Value::Null, Value::Json)),
                    ("orderNo", order(Some(*number % 2))),
                    ("userId", text(user)),
                    ("transactionNo", order(Some(*number))),
                    ("below", Value::Integer(30)),
                    ("credits", Value::Integer(*credits)),
                    ("cooldownMs", cooldown_ms.map_or(Value::Null, Value::Integer)),
                ]);
                Write::ClaimTopUp(TopUp::parse(&parameters)?)
            }
            Self::EndTopUp { number, end } => Write::EndTopUp(format!("order-{number}"), *end),
            Self::Keep { charge } => Write::Settle(Settlement::of_kept(charge_id(ledger, charge))),
            Self::Release { charge, policy } => {
                let ended = ledger.ended_hold(now_ms).map(|row| id(row).to_owned());
                let id = ended.unwrap_or_else(|| charge_id(ledger, charge));
                Write::Settle(Settlement::of_release(id, *policy))
            }
            Self::Refund { charge, credits, policy } => {
                let (id, credits) = (charge_id(ledger, charge), credits.map(Value::Integer));
                Write::Settle(Settlement::of_charge(id, credits.as_ref(), &none, *policy)?)
            }
            Self::Renew { user, credits, ends_ms, number, of: (of, replaces), at_most } => {
                let mut row = fields(&[
                    ("userId", text(user)),
                    ("subscriptionNo", text(SUBSCRIPTIONS[*of])),
                    ("credits", Value::Integer(*credits)),
                    ("periodEnd", Value::TimeMs(now_ms + ends_ms)),
                    ("transactionNo", text(&format!("renewal-{number}"))),
                    ("orderNo", order(Some(number % 2))),
                ]);
                if *replaces {
                    row.set("replaces", text(SUBSCRIPTIONS[1 - *of]));
                }
                if let Some(at_most) = at_most {
                    row.set("rollover", Value::Json(format!("{{\"atMost\":{at_most}}}")));
                }
                Write::Renew(Renewal::parse(row)?)
            }
            Self::Extend { grant, lives_ms } => {
                let end = Value::time_or_null(lives_ms.map(|ms| now_ms + ms));
                Write::Extend(Extension::parse(grant_id(ledger, grant), Some(&end))?)
            }
            Self::Revoke { of, total, number, recovers } => {
                let mut options = fields(&[
                    ("transactionNo", text(&format!("revocation-{number}"))),
                    ("recover", text(if *recovers { "available" } else { "none" })),
                ]);
                if let Some(total) = total {
                    options.set("total", Value::Integer(*total));
                }
                Write::Revoke(Revocation::parse(&of.target(ledger), &options.into())?)
            }
            Self::Restore { number, of } => {
                let target = of.as_ref().map(|of| of.target(ledger)).unwrap_or_default();
                let (number, order) = (format!("revocation-{number}"), DrawOrder::default());
                Write::Restore(Restoration::parse(number, &target, &order)?)
            }
        };
        Ok(Operation::Write(write))
    }
}
