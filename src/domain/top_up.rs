//! Top-ups: of many calls that see a low balance, one gets the claim to sell credits. A claim is a grant that
//! is not active yet.

use serde_json::{Map, Value as Json};

use super::calendar::Per;
use super::credits::Credits;
use super::metadata;
use super::options;
use super::plan::{Plan, Stamp, Verb, set_times};
use super::table::TableName::Credit;
use super::value::{Fields, Value};
use crate::error::{Error, Result};

/// The status of a grant that is an open claim.
pub const PENDING: &str = "pending";

const DAY_MS: i64 = 86_400_000;

/// The state of a claim, as its metadata records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Neither confirmed nor abandoned.
    Open,
    /// Paid for: the claim is now an ordinary grant.
    Confirmed,
    /// Abandoned without payment.
    Abandoned,
}

impl State {
    const ALL: [(Self, &str); 3] =
        [(Self::Open, "open"), (Self::Confirmed, "confirmed"), (Self::Abandoned, "abandoned")];

    /// The state as metadata records it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// The state in this metadata; `None` if it is not a claim's.
    pub fn of(metadata: Option<&str>) -> Option<Self> {
        Self::named(&metadata::top_up(metadata)?)
    }

    /// Parses the text of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(state, _)| *state)
    }
}

/// Whether a grant with this status is an unconfirmed claim.
pub fn is_unconfirmed(status: &str, metadata: Option<&str>) -> bool {
    matches!(
        (State::of(metadata), status),
        (Some(State::Open), PENDING) | (Some(State::Abandoned), "deleted")
    )
}

/// Whether a grant's status contradicts its top-up's state: it can be spent without being paid for, or the
/// reverse.
pub fn is_half(status: &str, metadata: Option<&str>) -> bool {
    match State::of(metadata) {
        None => false,
        Some(State::Open) => status != PENDING,
        Some(State::Confirmed) => status == PENDING,
        Some(State::Abandoned) => matches!(status, PENDING | "active"),
    }
}

/// A requested claim.
#[derive(Debug, Clone, PartialEq)]
pub struct TopUp {
    /// The user's id.
    pub user_id: String,
    /// The idempotency key of the call, which is also the grant's `transaction_no`.
    pub transaction_no: String,
    below: i64,
    credits: i64,
    cooldown_ms: i64,
    cap: Option<Cap>,
    /// The grant's other columns.
    pub fields: Fields,
}

/// The maximum number of credits that may be claimed in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cap {
    credits: i64,
    per_ms: i64,
}

/// An existing claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its `id`.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// The number of credits.
    pub credits: i64,
    /// Its state; `None` if the row is not a claim.
    pub state: Option<State>,
    /// When it was made.
    pub made_ms: i64,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Claim {
    /// Whether it is open, neither confirmed nor abandoned.
    fn is_open(&self) -> bool {
        self.state == Some(State::Open)
    }

    /// Whether it is open, and was made at this time or before.
    pub fn is_open_since(&self, time_ms: i64) -> bool {
        self.is_open() && self.made_ms <= time_ms
    }
}

/// The facts from the database that decide a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the user exists.
    pub user_exists: bool,
    /// The user's balance.
    pub balance: i64,
    /// The row with the call's idempotency key.
    pub keyed: Option<Claim>,
    /// The user's claims that are open or were made since [`TopUp::since_ms`].
    pub claims: Vec<Claim>,
}

/// The decision about a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is made.
    Claimed(Plan),
    /// The same call made it before.
    Replayed,
    /// No claim is needed or allowed now.
    Declined(Declined),
}

/// Why a claim was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The reason, as one word.
    pub reason: &'static str,
    /// The user's balance.
    pub balance: i64,
    /// When a claim will be allowed, if that is known.
    pub retry_at_ms: Option<i64>,
}

impl TopUp {
    /// Parses the parameters of `claimTopUp`.
    pub fn parse(fields: &Fields) -> Result<Self> {
        const OWN: [&str; 6] =
            ["userId", "transactionNo", "below", "credits", "cooldownMs", "atMost"];
        const COLUMNS: [&str; 7] = [
            "transactionScene",
            "orderNo",
            "subscriptionNo",
            "expiresAt",
            "description",
            "metadata",
            "userEmail",
        ];
        fields.only("claimTopUp", &[&OWN[..], &COLUMNS].concat())?;
        let cooldown_ms = options::limit(fields, "cooldownMs")?.unwrap_or(0);
        let columns = COLUMNS.iter().filter_map(|name| Some((*name, fields.get(name)?.clone())));
        let mut columns: Fields = columns.collect();
        if columns.get("metadata").is_none() {
            columns.set("metadata", Value::Null);
        }
        columns.update("metadata", metadata::of_caller);
        Ok(Self {
            user_id: fields.id("userId")?,
            transaction_no: fields.id("transactionNo")?,
            below: Credits::parse("below", fields.get("below"))?.get(),
            credits: Credits::parse("credits", fields.get("credits"))?.get(),
            cooldown_ms: cooldown_ms.min(366 * DAY_MS),
            cap: Cap::parse(fields.get("atMost"))?,
            fields: columns,
        })
    }

    /// Only open claims and those made since this time matter.
    pub fn since_ms(&self, now_ms: i64) -> i64 {
        let longest_ms = self.cooldown_ms.max(self.cap.map_or(0, |cap| cap.per_ms));
        now_ms.saturating_sub(longest_ms).max(0)
    }

    /// Decides the claim.
    pub fn decide(&self, facts: &Facts, stamp: Stamp) -> Result<Decision> {
        if !facts.user_exists {
            return Err(Error::UserNotFound { user_id: self.user_id.clone() });
        }
        if let Some(keyed) = &facts.keyed {
            self.replayed(keyed)?;
            if keyed.state == Some(State::Abandoned) {
                // The caller charges money for a claim; an abandoned one must not be paid for.
                return Err(Error::TopUpEnded { transaction_no: self.transaction_no.clone() });
            }
            return Ok(Decision::Replayed);
        }
        let decline = |reason, retry_at_ms| {
            let balance = facts.balance;
            Ok(Decision::Declined(Declined { reason, balance, retry_at_ms }))
        };
        let now_ms = stamp.now_ms;
        if facts.balance >= self.below {
            return decline("balance", None);
        }
        if facts.claims.iter().any(Claim::is_open) {
            return decline("open", None);
        }
        let made = facts.claims.iter().filter(|claim| claim.state.is_some());
        let last_ms = made.map(|claim| claim.made_ms).max();
        let ready_ms = last_ms.map(|last_ms| last_ms.saturating_add(self.cooldown_ms));
        if let Some(ready_ms) =
            ready_ms.filter(|ready_ms| self.cooldown_ms > 0 && *ready_ms > now_ms)
        {
            return decline("cooldown", Some(ready_ms));
        }
        if let Some(cap) = self.cap {
            let since_ms = now_ms - cap.per_ms;
            let counts =
                |claim: &&Claim| claim.state == Some(State::Confirmed) && claim.made_ms > since_ms;
            let claimed = facts.claims.iter().filter(counts);
            let claimed = claimed.fold(0, |sum: i64, claim| sum.saturating_add(claim.credits));
            if claimed.saturating_add(self.credits) > cap.credits {
                return decline("limit", None);
            }
        }
        Ok(Decision::Claimed(self.plan(stamp)))
    }

    /// Rejects an idempotency key that was used by another call.
    fn replayed(&self, keyed: &Claim) -> Result<()> {
        let differs = match keyed {
            Claim { state: None, .. } => "it does not belong to a top-up",
            claim if claim.user_id != self.user_id => "it belongs to another user",
            claim if claim.credits != self.credits => {
                "the top-up is for a different number of credits"
            }
            _ => return Ok(()),
        };
        let value = self.transaction_no.clone();
        Err(Error::IdempotencyConflict { field: "transactionNo", value, differs })
    }

    fn plan(&self, Stamp { ids, now_ms }: Stamp) -> Plan {
        let mut row = self.fields.clone();
        row.update("metadata", |passed| metadata::of_top_up(passed, State::Open.as_str()));
        row.set("id", Value::Text(ids.id.clone()));
        row.set("userId", Value::Text(self.user_id.clone()));
        row.set("transactionNo", Value::Text(self.transaction_no.clone()));
        row.set("transactionType", Value::Text("grant".to_owned()));
        row.set("credits", Value::Integer(self.credits));
        row.set("remainingCredits", Value::Integer(self.credits));
        row.set("status", Value::Text(PENDING.to_owned()));
        set_times(&mut row, now_ms);
        let mut plan = Plan::new(&self.user_id, Credit, &ids.id);
        plan.push(Credit, Verb::Insert, &ids.id, row);
        plan
    }
}

impl Cap {
    /// Parses `{ credits, per }`.
    fn parse(value: Option<&Value>) -> Result<Option<Self>> {
        const NAME: &str = "atMost";
        let value = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let object = options::object(NAME, value, &["credits", "per"])?;
        object.as_ref().and_then(Self::of).map(Some).ok_or_else(|| Error::InvalidArgument {
            name: NAME.to_owned(),
            expected:
                "{ credits, per }: a whole number from 1, and 'hour', 'day', 'week', 'month' or \
                       milliseconds from 1"
                    .to_owned(),
            given: value.describe(),
        })
    }

    fn of(object: &Map<String, Json>) -> Option<Self> {
        let credits = object.get("credits")?.as_i64()?;
        let per = object.get("per")?;
        let per = match per {
            Json::String(per) => Value::Text(per.clone()),
            per => Value::Integer(per.as_i64()?),
        };
        let per_ms = Per::parse(&per)?.length_ms();
        (1..=Credits::MAX).contains(&credits).then_some(Self { credits, per_ms })
    }
}

/// Decides the end of a claim: the writes, or `None` if it ended in the same way before.
pub fn plan_end(
    claim: Option<&Claim>,
    (transaction_no, end): (&str, State),
    (now_ms, has_deleted_at): (i64, bool),
) -> Result<Option<Plan>> {
    let transaction_no = || transaction_no.to_owned();
    let not_found = || Error::TopUpNotFound { transaction_no: transaction_no() };
    let claim = claim.ok_or_else(not_found)?;
    let status = match (claim.state.ok_or_else(not_found)?, end) {
        (state, end) if state == end => return Ok(None),
        (State::Open, State::Confirmed) => "active",
        (State::Open, _) => "deleted",
        (State::Confirmed, _) => {
            return Err(Error::TopUpConfirmed { transaction_no: transaction_no() });
        }
        (State::Abandoned, _) => {
            return Err(Error::TopUpEnded { transaction_no: transaction_no() });
        }
    };
    let mut fields = Fields::default();
    fields.set("status", Value::Text(status.to_owned()));
    fields.set(
        "metadata",
        Value::Json(metadata::with_top_up_ended(claim.metadata.as_deref(), end.as_str(), now_ms)),
    );
    fields.set("updatedAt", Value::TimeMs(now_ms));
    if end == State::Abandoned && has_deleted_at {
        fields.set("deletedAt", Value::TimeMs(now_ms));
    }
    let mut plan = Plan::new(&claim.user_id, Credit, &claim.id);
    plan.push(Credit, Verb::Update, &claim.id, fields);
    Ok(Some(plan))
}

#[cfg(test)]
mod tests;
