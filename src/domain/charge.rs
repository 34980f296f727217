//! Planning a charge: how much is drawn from which grant, and the charge's row.

use std::collections::BTreeMap;

use super::credits::Credits;
use super::detail::{Draw, WrittenDraw, parse_detail, write_detail};
use super::grant::{Grant, total_remaining};
use super::metadata;
use super::options;
use super::own::Own;
use super::paying::{Paying, Scenes};
use super::plan::{Plan, Stamp, Verb};
use super::spending::{self, Limit, Limits, Spending, Spent};
use super::table::{TableName, TaskKind};
use super::value::{Fields, Value, iso8601};
use crate::error::{Error, Result};

/// A charge as it stands in `credit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its `id`.
    pub id: String,
    /// Whose credits it took.
    pub user_id: String,
    /// Whether its `status` is `active`: a refunded one is `deleted`.
    pub active: bool,
    /// What it took; settling may have lowered it.
    pub credits: i64,
    /// Its `consumed_detail`, as found: text, if it is not damaged.
    pub consumed_detail: Option<Vec<u8>>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Charge {
    /// What it drew, item by item.
    pub fn draws(&self) -> Result<Vec<WrittenDraw>> {
        parse_detail(self.consumed_detail.as_deref())
            .map_err(|reason| Error::ChargeCorrupt { charge_id: self.id.clone(), reason })
    }

    /// Whether no caller has charged it: it is what became of revoked grants, or of those that were not carried over.
    pub fn is_bookkeeping(&self) -> bool {
        let metadata = self.metadata.as_deref();
        metadata::claim(metadata).is_some() || metadata::expiry(metadata).is_some()
    }

    /// Whether it is a hold: neither settled, kept nor given back yet.
    pub fn is_held(&self) -> bool {
        metadata::is_held(self.metadata_while_active())
    }

    /// The task that could still ask for its credits, if it says that it was made for another one than this.
    pub fn other_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task(self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// The same, where the id of a task says it alone. It may be another system's: the task must be looked for.
    pub fn claiming_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task_of(kind, self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// What was refunded belongs to no task any more.
    fn metadata_while_active(&self) -> Option<&str> {
        self.metadata.as_deref().filter(|_| self.active)
    }
}

/// What the caller wants charged.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeRequest {
    /// Whose credits.
    pub user_id: String,
    /// How many.
    pub credits: Credits,
    /// The caller's own `transaction_no`, instead of a new one.
    pub transaction_no: Option<String>,
    /// What the app's pages show of it: `transactionScene` (`payment` for a media task),
    /// `description` and `metadata`; of a hold, `expiresAt`.
    pub described: Fields,
    /// Further columns.
    pub own: Own,
    /// Which credits may pay.
    pub paying: Paying,
    /// What may be spent.
    pub limits: Limits,
    /// Whether the same request, made again, gets the charge that is there.
    pub replay: bool,
}

impl ChargeRequest {
    /// Until when it is a hold, if it is one.
    fn hold_until_ms(&self) -> Option<i64> {
        match self.described.get("expiresAt") {
            Some(Value::TimeMs(until_ms)) => Some(*until_ms),
            _ => None,
        }
    }

    /// Whether it would be a hold until a time that is over.
    pub fn is_late(&self, now_ms: i64) -> bool {
        self.hold_until_ms().is_some_and(|until_ms| until_ms <= now_ms)
    }

    /// Refuses options that are wrong whatever is charged.
    pub fn check_options(options: &Fields) -> Result<()> {
        options.only("consumeCredits", &[&["replay", "limits"][..], &Scenes::NAMES].concat())?;
        Scenes::parse(options)?;
        Limit::check_option(options)?;
        options::flag(options, "replay").map(|_| ())
    }

    /// Reads the parameters and options of `consumeCredits`.
    pub fn parse(fields: &Fields, options: &Fields) -> Result<Self> {
        const DESCRIBED: [(&str, &str); 3] = [
            // parameter, column
            ("scene", "transactionScene"),
            ("description", "description"),
            ("metadata", "metadata"),
        ];
        options::without_transaction("consumeCredits", fields)?;
        // `tx` may be there, and undefined or null.
        let known = ["userId", "credits", "transactionNo", "holdUntil", "tx"];
        let known: Vec<&str> =
            DESCRIBED.iter().map(|(parameter, _)| *parameter).chain(known).collect();
        let own = Own::beside(&known, "consumeCredits", fields)?;
        Self::check_options(options)?;
        let described = DESCRIBED.map(|(parameter, column)| {
            (column, fields.get(parameter).cloned().unwrap_or(Value::Null))
        });
        let mut described: Fields = described.into_iter().collect();
        described.update("metadata", metadata::of_caller);
        if let Some(until_ms) = options::time(fields, "holdUntil")? {
            described.update("metadata", metadata::of_hold);
            described.set("expiresAt", Value::TimeMs(until_ms));
        }
        Ok(Self {
            user_id: fields.id("userId")?,
            credits: Credits::parse("credits", fields.get("credits"))?,
            transaction_no: fields.optional_id("transactionNo")?,
            described,
            own,
            paying: Paying::parse(options)?,
            limits: Limits::default(),
            replay: options::replay(options, "transactionNo", fields)?,
        })
    }
}

impl ChargeRequest {
    /// Its `transaction_scene`.
    pub fn scene(&self) -> Option<&str> {
        self.described.get("transactionScene").and_then(Value::as_text)
    }

    /// What has to be known for its limits: the place of each that is about it, and what is added up.
    pub fn spending(&self, now_ms: i64) -> Vec<(usize, Spending)> {
        spending::spending(&self.limits, self.scene(), now_ms)
    }
}

/// What the database knows that decides on a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeFacts {
    /// Whether the user is there.
    pub user_exists: bool,
    /// Whether the caller's `transaction_no` is taken.
    pub transaction_no_taken: bool,
    /// Spendable grants in the default order: all of them, or as many as cover the charge. All of them with their
    /// provenance, if not all credits may pay or another order is wanted.
    pub grants: Vec<Grant>,
    /// What was spent, for each limit that is about the charge: see [`ChargeRequest::spending`].
    pub spent: Vec<(usize, Vec<Spent>)>,
}

/// Decides on a charge: guards in order of precedence, then draws.
pub fn plan_charge(request: &ChargeRequest, facts: &ChargeFacts, stamp: Stamp) -> Result<Plan> {
    if !facts.user_exists {
        return Err(Error::UserNotFound { user_id: request.user_id.clone() });
    }
    if facts.transaction_no_taken {
        return Err(Error::CreditExists {
            field: "transactionNo",
            value: request.transaction_no.clone().unwrap_or_default(),
        });
    }
    if request.is_late(stamp.now_ms) {
        return Err(Error::InvalidArgument {
            name: "holdUntil".to_owned(),
            expected: "a time in the future".to_owned(),
            given: request.hold_until_ms().and_then(iso8601).unwrap_or_default(),
        });
    }
    spending::check(&request.limits, request.credits.get(), &facts.spent, stamp.now_ms)?;
    let draws = draw_paying(&facts.grants, request.credits, &request.paying)?;

    let Stamp { ids, now_ms } = stamp;
    let transaction_no = request.transaction_no.clone().unwrap_or(ids.transaction_no);
    let mut row = request.described.clone();
    request.own.add_to(&mut row);
    row.set("id", Value::Text(ids.id.clone()));
    row.set("userId", Value::Text(request.user_id.clone()));
    row.set("transactionNo", Value::Text(transaction_no));
    row.set("transactionType", Value::Text("consume".to_owned()));
    row.set("credits", Value::Integer(-request.credits.get()));
    row.set("remainingCredits", Value::Integer(0));
    row.set("status", Value::Text("active".to_owned()));
    row.set("createdAt", Value::TimeMs(now_ms));
    row.set("updatedAt", Value::TimeMs(now_ms));
    row.set("consumedDetail", Value::Json(write_detail(&draws)?));

    let mut plan = Plan::new(&request.user_id, TableName::Credit, &ids.id);
    plan.draws = draws;
    plan.push(TableName::Credit, Verb::Insert, &ids.id, row);
    Ok(plan)
}

/// What is left of some grants, after draws in any order: a charge may draw on a hundred thousand.
pub fn draw_down(grants: &mut Vec<Grant>, draws: &[Draw]) {
    let left: BTreeMap<&str, i64> =
        draws.iter().map(|draw| (draw.credit_id.as_str(), draw.credits_after)).collect();
    grants.retain_mut(|grant| {
        grant.remaining = left.get(grant.id.as_str()).copied().unwrap_or(grant.remaining);
        grant.remaining > 0
    });
}

/// Draws credits from those grants that may pay, in draw order.
pub fn draw_paying(grants: &[Grant], credits: Credits, paying: &Paying) -> Result<Vec<Draw>> {
    draw(&paying.choose(grants), credits).map_err(|refusal| match refusal {
        Error::InsufficientCredits { required, available, .. } if !paying.takes_all() => {
            Error::InsufficientCredits {
                required,
                available,
                balance: Some(total_remaining(grants)),
            }
        }
        refusal => refusal,
    })
}

/// Draws credits from grants, in their order.
pub fn draw(grants: &[Grant], credits: Credits) -> Result<Vec<Draw>> {
    let draws = draw_as_far(grants, credits.get());
    let available = draws.iter().map(|draw| draw.credits_consumed).sum();
    if available < credits.get() {
        return Err(Error::InsufficientCredits {
            required: credits.get(),
            available,
            balance: None,
        });
    }
    Ok(draws)
}

/// Draws so many credits from grants, in their order, or as many as these have.
pub fn draw_as_far(grants: &[Grant], credits: i64) -> Vec<Draw> {
    let mut draws = Vec::new();
    let mut to_consume = credits;
    for (batch_no, grant) in (1..).zip(grants) {
        if to_consume == 0 {
            break;
        }
        let consumed = grant.remaining.min(to_consume);
        draws.push(Draw {
            credit_id: grant.id.clone(),
            transaction_no: grant.transaction_no.clone(),
            expires_at: grant.expires_at_ms.and_then(iso8601),
            credits_to_consume: to_consume,
            credits_consumed: consumed,
            credits_before: grant.remaining,
            credits_after: grant.remaining - consumed,
            batch_size: 1000,
            batch_no,
        });
        to_consume -= consumed;
    }
    draws
}

#[cfg(test)]
mod tests;
