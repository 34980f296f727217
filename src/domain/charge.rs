//! Planning a charge: how many credits are drawn from which grants, and the charge's row.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call_options::CallOptions;
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

/// A charge, as stored in `credit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its `id`.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// Whether its `status` is `active`: a refunded one is `deleted`.
    pub active: bool,
    /// The credits that it takes; a settlement may have lowered or raised them.
    pub credits: i64,
    /// Its `consumed_detail` as stored: UTF-8, unless it is damaged.
    pub consumed_detail: Option<Vec<u8>>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Charge {
    /// Its draws.
    pub fn draws(&self) -> Result<Vec<WrittenDraw>> {
        parse_detail(self.consumed_detail.as_deref())
            .map_err(|reason| Error::ChargeCorrupt { charge_id: self.id.clone(), reason })
    }

    /// Whether the package made it for itself: a revocation's claim, or a write-off.
    pub fn is_bookkeeping(&self) -> bool {
        let metadata = self.metadata.as_deref();
        metadata::claim(metadata).is_some() || metadata::expiry(metadata).is_some()
    }

    /// Whether it is a hold: not settled, kept or refunded yet.
    pub fn is_held(&self) -> bool {
        metadata::is_held(self.metadata_while_active())
    }

    /// The task that this active charge pays for, if its metadata names another one than this.
    pub fn other_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task(self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// The same, if only the task's id in the metadata tells. The id may come from another system, so the
    /// caller must check whether that task exists.
    pub fn claiming_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task_of(kind, self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// A refunded charge no longer belongs to a task.
    fn metadata_while_active(&self) -> Option<&str> {
        self.metadata.as_deref().filter(|_| self.active)
    }
}

/// A requested charge.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeRequest {
    /// The user's id.
    pub user_id: String,
    /// The number of credits.
    pub credits: Credits,
    /// The caller's own `transaction_no`; a new one if `None`.
    pub transaction_no: Option<String>,
    /// What the app's pages show: `transactionScene` (`payment` for a media task), `description` and
    /// `metadata`; for a hold also `expiresAt`.
    pub described: Fields,
    /// Additional columns.
    pub own: Own,
    /// Which grants may be drawn on, and in which order.
    pub paying: Paying,
    /// Spending limits.
    pub limits: Limits,
    /// Whether a repeated call returns the existing charge.
    pub replay: bool,
}

impl ChargeRequest {
    /// When the hold ends, if it is a hold.
    fn hold_until_ms(&self) -> Option<i64> {
        match self.described.get("expiresAt") {
            Some(Value::TimeMs(until_ms)) => Some(*until_ms),
            _ => None,
        }
    }

    /// Whether it is a hold that has ended already.
    pub fn is_late(&self, now_ms: i64) -> bool {
        self.hold_until_ms().is_some_and(|until_ms| until_ms <= now_ms)
    }

    /// Rejects options that are invalid for any charge.
    pub fn check_options(options: &Fields) -> Result<()> {
        options.only("consumeCredits", &[&["replay", "limits"][..], &Scenes::NAMES].concat())?;
        Scenes::parse(options)?;
        Limit::check_option(options)?;
        options::flag(options, "replay").map(|_| ())
    }

    /// Parses the parameters and options of `consumeCredits`.
    pub fn parse(fields: &Fields, options: &CallOptions) -> Result<Self> {
        const DESCRIBED: [(&str, &str); 3] = [
            // parameter, column
            ("scene", "transactionScene"),
            ("description", "description"),
            ("metadata", "metadata"),
        ];
        options::without_transaction("consumeCredits", fields)?;
        // `tx` may be present with the value undefined or null.
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
            paying: options.paying()?,
            limits: Arc::clone(&options.limits),
            replay: options::replay(options, "transactionNo", fields)?,
        })
    }
}

impl ChargeRequest {
    /// Its `transaction_scene`.
    pub fn scene(&self) -> Option<&str> {
        self.described.get("transactionScene").and_then(Value::as_text)
    }

    /// The sums that its limits need: for each limit that applies, its index and what to add up.
    pub fn spending(&self, now_ms: i64) -> Vec<(usize, Spending)> {
        spending::spending(&self.limits, self.scene(), now_ms)
    }
}

/// The facts from the database that decide a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeFacts {
    /// Whether the user exists.
    pub user_exists: bool,
    /// Whether the caller's `transaction_no` is in use.
    pub transaction_no_taken: bool,
    /// Spendable grants in default order: all, or as many as cover the charge. All, with their provenance, if
    /// only some grants may pay or the order is another one.
    pub grants: Vec<Grant>,
    /// What was spent, for each limit that applies: see [`ChargeRequest::spending`].
    pub spent: Vec<(usize, Vec<Spent>)>,
}

/// Decides a charge: guards in order of precedence, then draws.
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
    let mut row = request.described.with_room(10);
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

/// Subtracts draws, in any order, from grants. It must be fast: a charge may draw on a hundred thousand
/// grants.
pub fn draw_down(grants: &mut Vec<Grant>, draws: &[Draw]) {
    let left: BTreeMap<&str, i64> =
        draws.iter().map(|draw| (draw.credit_id.as_str(), draw.credits_after)).collect();
    grants.retain_mut(|grant| {
        grant.remaining = left.get(grant.id.as_str()).copied().unwrap_or(grant.remaining);
        grant.remaining > 0
    });
}

/// Draws credits from the grants that may pay, in draw order.
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

/// Draws credits from grants, in the given order.
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

/// Draws up to this many credits from grants, in the given order.
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
