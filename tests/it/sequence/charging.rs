//! Charges of the random sequence, and what they share with other requests: keys, choices of grants, limits.

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::charge::ChargeRequest;
use media_credits::domain::paying::{DrawOrder, Paying};
use media_credits::domain::spending::{Limit, Limits};
use media_credits::domain::table::TaskKind::{self, Ai, Media};
use media_credits::domain::task::NewTask;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::Charging;
use media_credits::error::Result;
use proptest::sample::Index;

use super::rows::{Ledger, id};
use crate::common::{fields, text};

/// A task's name, whether it exists or not.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) kind: TaskKind,
    pub(super) number: usize,
}

impl Task {
    pub(super) fn id(&self) -> String {
        format!("task-{}", self.number)
    }
}

/// The idempotency key of a call.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) number: Option<usize>,
    pub(super) replay: bool,
}

impl Key {
    pub(super) fn replay(&self) -> Fields {
        fields(&[("replay", Value::Bool(self.replay && self.number.is_some()))])
    }
}

/// Which credits pay, if not all do, or in which order. A charge's scene tells the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Gifts,
    NoGifts,
    GiftsFirst,
    OldestFirst,
}

impl Choice {
    pub(super) const ALL: [Self; 4] =
        [Self::Gifts, Self::NoGifts, Self::GiftsFirst, Self::OldestFirst];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gifts => "gifts",
            Self::NoGifts => "no gifts",
            Self::GiftsFirst => "gifts first",
            Self::OldestFirst => "oldest first",
        }
    }

    /// The options of a call.
    fn options(self) -> Fields {
        let gifts = || Value::Json(r#"["gift"]"#.to_owned());
        match self {
            Self::Gifts => fields(&[("scenes", gifts())]),
            Self::NoGifts => fields(&[("exceptScenes", gifts())]),
            Self::GiftsFirst | Self::OldestFirst => Fields::default(),
        }
    }

    /// The option of the connection.
    pub(super) fn order(self) -> DrawOrder {
        let order = match self {
            Self::Gifts | Self::NoGifts => r#"["expiry"]"#,
            Self::GiftsFirst => r#"[{"scenes":["gift"]}]"#,
            Self::OldestFirst => r#"["age"]"#,
        };
        DrawOrder::parse(Some(&Value::Json(order.to_owned()))).expect("an order")
    }

    pub(super) fn paying(self) -> Paying {
        with(Fields::default(), Some(self), &[]).paying().expect("options")
    }
}

/// A spending limit: credits in a period, for all charges or for those of a choice.
#[derive(Debug, Clone)]
pub(super) struct Spend {
    pub(super) credits: i64,
    pub(super) per: Value,
    pub(super) scene: Option<Choice>,
}

/// The limits of a call.
fn limits(spend: &[Spend]) -> Limits {
    let limit = |(at, spend): (usize, &Spend)| {
        let fields = fields(&[
            ("credits", Value::Integer(spend.credits)),
            ("per", spend.per.clone()),
            ("scene", Value::text_or_null(spend.scene.map(Choice::name))),
        ]);
        Limit::parse(at, &fields).expect("a limit")
    };
    spend.iter().enumerate().map(limit).collect()
}

/// Options, and those of a choice.
pub(super) fn with(mut passed: Fields, choice: Option<Choice>, spend: &[Spend]) -> CallOptions {
    for (name, value) in choice.map(Choice::options).unwrap_or_default().iter() {
        passed.insert(name, value.clone());
    }
    let draw_order = choice.map(Choice::order).unwrap_or_default();
    CallOptions { passed, limits: limits(spend), draw_order }
}

/// A transaction number of the app's own.
pub(super) fn order(number: Option<usize>) -> Value {
    number.map_or(Value::Null, |number| text(&format!("order-{number}")))
}

/// A charge.
#[derive(Debug, Clone)]
pub(super) enum New {
    Consume {
        user: &'static str,
        credits: i64,
        /// How long it is a hold, if it is one.
        held_ms: Option<i64>,
        key: Key,
        choice: Option<Choice>,
        spend: Vec<Spend>,
    },
    Task {
        task: Task,
        user: &'static str,
        /// Nothing, if an earlier charge pays.
        cost: i64,
        pays: Option<Index>,
        status: &'static str,
        replay: bool,
        max_active: Option<i64>,
        /// A media task uses a free trial, with this limit.
        trials: Option<i64>,
    },
}

impl New {
    pub(super) fn charging(&self, ledger: &Ledger, now_ms: i64) -> Result<Charging> {
        match self {
            Self::Consume { user, credits, held_ms, key, choice, spend } => {
                let parameters = fields(&[
                    ("userId", text(user)),
                    ("credits", Value::Integer(*credits)),
                    ("holdUntil", Value::time_or_null(held_ms.map(|ms| now_ms + ms))),
                    ("transactionNo", order(key.number)),
                    ("scene", Value::text_or_null(choice.map(Choice::name))),
                ]);
                let options = with(key.replay(), *choice, spend);
                ChargeRequest::parse(&parameters, &options).map(Charging::Consume)
            }
            Self::Task { task, user, cost, pays, status, replay, max_active, trials } => {
                let charge = pays.as_ref().map(|index| charge_id(ledger, index));
                let cost = Value::Integer(if charge.is_some() { 0 } else { *cost });
                let mut row = fields(&[
                    ("id", text(&task.id())),
                    ("userId", text(user)),
                    ("status", text(status)),
                    ("creditId", Value::text_or_null(charge.as_deref())),
                ]);
                let limit = |limit: Option<i64>| limit.map_or(Value::Null, Value::Integer);
                let mut options =
                    fields(&[("replay", Value::Bool(*replay)), ("maxActive", limit(*max_active))]);
                match task.kind {
                    Media => {
                        row.set("platform", text("youtube"));
                        row.set("videoUrl", text("https://youtu.be/x"));
                        row.set("isFreeTrial", Value::Bool(trials.is_some()));
                        options.set("freeTrialLimit", limit(*trials));
                    }
                    Ai => {
                        for column in ["mediaType", "provider", "model", "prompt"] {
                            row.set(column, text("x"));
                        }
                        row.set("costCredits", cost.clone());
                    }
                }
                NewTask::parse(task.kind, row, Some(&cost), &options.into()).map(Charging::Task)
            }
        }
    }
}

/// The id of the same charge on each store; an unknown id if there is no charge.
pub(super) fn charge_id(ledger: &Ledger, index: &Index) -> String {
    ledger.charge(index).map_or("nothing", id).to_owned()
}
