//! A subscription's next period: its grant, and the credits of earlier periods that are carried over in place.

mod period;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

pub use self::period::{Period, Rollover};
use super::credits::Credits;
use super::detail::{Draw, write_detail};
use super::grant::{GrantFacts, NewGrant, plan_grant};
use super::metadata;
use super::options;
use super::plan::{Plan, RowChange, Stamp, Verb};
use super::regrant::granted_anew;
use super::replay::{CreditFacts, check_grant};
use super::revocation::{Held, State};
use super::table::TableName::Credit;
use super::value::{Fields, Value, describe, iso8601};
use crate::error::{Error, Result};

/// The scene of a row that writes off what is too much to live on.
pub const EXPIRY: &str = "expiry";

/// A call of `renewGrants`.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewal {
    /// The new period's grant.
    pub grant: NewGrant,
    /// The subscription.
    pub subscription_no: String,
    /// What is said of the period.
    pub period: Period,
}

impl Renewal {
    /// Reads the arguments of `renewGrants`.
    pub fn parse(mut fields: Fields) -> Result<Self> {
        const FILLED_IN: [&str; 5] =
            ["expiresAt", "status", "transactionType", "remainingCredits", "createdAt"];
        const NAME: &str = "renewGrants";
        if let Some(field) = FILLED_IN.into_iter().find(|name| fields.get(name).is_some()) {
            return Err(Error::UnknownField { table: NAME.to_owned(), field: field.to_owned() });
        }
        let subscription_no = fields.id("subscriptionNo")?;
        fields.id("transactionNo")?;
        let replaces = fields.optional_id("replaces")?;
        let end_ms = match fields.get("periodEnd") {
            Some(value) => options::time_ms("periodEnd", value)?,
            None => return Err(no_date("periodEnd", None)),
        };
        let rollover = Rollover::parse(fields.get("rollover"))?;
        ["replaces", "periodEnd", "rollover"].into_iter().for_each(|name| fields.remove(name));
        fields.set("expiresAt", Value::TimeMs(end_ms));
        if fields.get("transactionScene").is_none() {
            fields.set("transactionScene", Value::Text("renewal".to_owned()));
        }
        let grant = NewGrant::parse(fields, &Fields::default())?;
        Ok(Self { grant, subscription_no, period: Period { end_ms, replaces, rollover } })
    }

    /// The subscriptions whose grants it is about.
    pub fn subscriptions(&self) -> Vec<&str> {
        let own = Some(self.subscription_no.as_str());
        own.into_iter().chain(self.period.replaces.as_deref()).collect()
    }
}

fn no_date(field: &str, given: Option<&Value>) -> Error {
    Error::InvalidDate { field: field.to_owned(), given: describe(given) }
}

/// What the database knows that decides on a renewal.
#[derive(Debug, Default)]
pub struct RenewalFacts {
    /// The users who are there.
    pub users: BTreeSet<String>,
    /// The grants of the subscriptions, in draw order.
    pub grants: Vec<Held>,
    /// The row that has the key of the call.
    pub keyed: Option<CreditFacts>,
    /// Whether the caller's own id is taken.
    pub is_id_taken: bool,
}

/// What became of earlier periods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// What is left of them, and lives on.
    pub carried: i64,
    /// What was too much.
    pub written_off: i64,
}

/// Decides on a renewal. `None`: it was made before. `off` are the names of the row that writes off what is too much.
pub fn plan_renewal(
    call: &Renewal,
    facts: &RenewalFacts,
    (stamp, off): (Stamp, Stamp),
) -> Result<Option<(Plan, Carried)>> {
    if let Some(found) = &facts.keyed {
        check_grant(&call.grant, found)?;
        if metadata::period(found.metadata.as_deref()).as_ref() != Some(&call.period) {
            return Err(Error::IdempotencyConflict {
                field: "transactionNo",
                value: call.grant.transaction_no.clone().unwrap_or_default(),
                differs: "it belongs to another period",
            });
        }
        return Ok(None);
    }
    let now_ms = stamp.now_ms;
    let lived = |held| Lived::of(held, &facts.grants);
    let mut periods: Vec<Lived> = facts.grants.iter().filter_map(lived).collect();
    // As it will be: behind those that end at the same time.
    let mut new = call.grant.clone();
    periods.push(Lived::new(&call.period, new.credits));
    periods.sort_by_key(|lived| lived.end_ms);
    carry(&mut periods, &call.period, now_ms);

    let mut carried = Carried::default();
    let mut draws = Vec::new();
    let mut off_new = None;
    let mut changed = Vec::new();
    for lived in &periods {
        let Some(held) = lived.held else {
            let granted = call.grant.credits.get();
            new.fields.set("expiresAt", Value::TimeMs(lived.until_ms));
            // Of a period that came late, behind a later one.
            new.fields.set("remainingCredits", Value::Integer(lived.remaining));
            carried.written_off = carried.written_off.saturating_add(granted - lived.remaining);
            off_new = (lived.remaining < granted).then(|| new_draw(call, lived, &stamp));
            continue;
        };
        if lived.is_carried {
            carried.carried = carried.carried.saturating_add(lived.remaining);
        }
        let off = held.grant.remaining.saturating_sub(lived.remaining);
        if off > 0 {
            carried.written_off = carried.written_off.saturating_add(off);
            draws.push(draw(held, off));
        }
        changed.extend((Some(lived.until_ms) != held.grant.expires_at_ms).then_some(lived));
    }
    // Its own end, of which this is known when it lives longer.
    let said = new.fields.get("metadata").and_then(Value::as_text);
    let said = metadata::with_period(said, &call.period.as_json());
    new.fields.set("metadata", Value::Json(said));
    let grant_facts = GrantFacts {
        user_exists: facts.users.contains(&call.grant.user_id),
        id_taken: facts.is_id_taken,
        transaction_no_taken: false,
    };
    let mut plan = plan_grant(&new, grant_facts, stamp)?;
    if !draws.is_empty() || off_new.is_some() {
        let items = [draws.as_slice(), off_new.as_slice()].concat();
        let of = Some(call.subscription_no.as_str());
        let said = json!({ "renewal": call.grant.transaction_no });
        let row = write_off((&call.grant.user_id, of), (said, "Not carried over"), items, &off)?;
        plan.push(Credit, Verb::Insert, &off.ids.id, row);
        (plan.draws, plan.aside) = (draws, true);
    }
    for lived in changed {
        plan.rows.extend(lived.held.map(|held| RowChange {
            table: Credit,
            id: held.grant.id.clone(),
            verb: Verb::Update,
            fields: prolonged(held, lived, now_ms),
        }));
    }
    Ok(Some((plan, carried)))
}

/// A period's grant on its way through a renewal.
#[derive(Debug)]
struct Lived<'f> {
    /// Its row; the new one has none yet.
    held: Option<&'f Held>,
    /// When its own period ends.
    end_ms: i64,
    /// When it ends now.
    until_ms: i64,
    remaining: i64,
    /// What of that other grants have, which stays behind if it lives on.
    anew: i64,
    /// What is said of its period, if a renewal has made it.
    period: Option<Period>,
    /// Whether a later period lets it live on.
    is_carried: bool,
}

impl<'f> Lived<'f> {
    /// A grant that may live on: not one that never ends, or was withdrawn.
    fn of(held: &'f Held, others: &[Held]) -> Option<Self> {
        let until_ms = held.grant.expires_at_ms.filter(|_| held.state == State::Open)?;
        let metadata = held.metadata.as_deref();
        let period = metadata::period(metadata);
        let own_ms = period.as_ref().map(|period| period.end_ms);
        let end_ms = own_ms.or_else(|| metadata::own_end(metadata)).unwrap_or(until_ms);
        let (remaining, anew) = (held.grant.remaining, granted_anew(held, others));
        let (held, is_carried) = (Some(held), false);
        Some(Self { held, end_ms, until_ms, remaining, anew, period, is_carried })
    }

    fn new(period: &Period, credits: Credits) -> Self {
        let (end_ms, remaining) = (period.end_ms, credits.get());
        let period = Some(period.clone());
        let (held, anew, is_carried) = (None, 0, false);
        Self { held, end_ms, until_ms: end_ms, remaining, anew, period, is_carried }
    }
}

/// Lets earlier periods live on as the new one says, and then as each later one does that is there already: so that the
/// order in which they came does not matter. `periods` are in the order of their ends.
fn carry(periods: &mut [Lived<'_>], new: &Period, now_ms: i64) {
    for at in 0..periods.len() {
        let (before, rest) = periods.split_at_mut(at);
        let Some(lived) = rest.first() else { return };
        let Some(period) = lived.period.as_ref().filter(|period| period.end_ms >= new.end_ms)
        else {
            continue;
        };
        let Some(rollover) = &period.rollover else { continue };
        let since_ms = now_ms.saturating_sub(rollover.grace_ms);
        let mut left: i64 = 0;
        let mut carried: Vec<&mut Lived<'_>> = before
            .iter_mut()
            .filter(|earlier| earlier.end_ms < period.end_ms)
            .filter(|earlier| earlier.held.is_none() || earlier.until_ms >= since_ms)
            .collect();
        for earlier in &mut carried {
            earlier.is_carried = true;
            earlier.remaining -= std::mem::take(&mut earlier.anew);
            earlier.until_ms = earlier.until_ms.max(period.end_ms);
            left = left.saturating_add(earlier.remaining.max(0));
        }
        // What is too much of it, oldest first. The new period's own credits are written off as a later one says.
        let mut excess = left.saturating_sub(rollover.at_most).max(0);
        for earlier in carried {
            let off = excess.min(earlier.remaining.max(0));
            earlier.remaining -= off;
            excess -= off;
        }
    }
}

fn draw(held: &Held, credits: i64) -> Draw {
    Draw {
        credit_id: held.grant.id.clone(),
        transaction_no: held.grant.transaction_no.clone(),
        expires_at: held.grant.expires_at_ms.and_then(iso8601),
        credits_to_consume: credits,
        credits_consumed: credits,
        credits_before: held.grant.remaining,
        credits_after: held.grant.remaining - credits,
        batch_size: 1000,
        batch_no: 1,
    }
}

/// What is written off of the new grant itself, which begins without it.
fn new_draw(call: &Renewal, lived: &Lived<'_>, stamp: &Stamp) -> Draw {
    let granted = call.grant.credits.get();
    Draw {
        credit_id: call.grant.id.clone().unwrap_or_else(|| stamp.ids.id.clone()),
        transaction_no: call.grant.transaction_no.clone().unwrap_or_default(),
        expires_at: iso8601(lived.end_ms),
        credits_to_consume: granted - lived.remaining,
        credits_consumed: granted - lived.remaining,
        credits_before: granted,
        credits_after: lived.remaining,
        batch_size: 1000,
        batch_no: 1,
    }
}

/// The row that writes credits off, of a user and a subscription, for a reason.
fn write_off(
    (user_id, subscription_no): (&str, Option<&str>),
    (said, description): (Json, &str),
    mut items: Vec<Draw>,
    stamp: &Stamp,
) -> Result<Fields> {
    let total: i64 = items.iter().map(|item| item.credits_consumed).sum();
    let mut to_consume = total;
    for (batch_no, item) in (1..).zip(&mut items) {
        (item.batch_no, item.credits_to_consume) = (batch_no, to_consume);
        to_consume -= item.credits_consumed;
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let metadata: Json = json!({ "type": "expiry", "expiry": said });
    let mut row: Fields = [
        ("id", text(&stamp.ids.id)),
        ("userId", text(user_id)),
        ("transactionNo", text(&stamp.ids.transaction_no)),
        ("transactionType", text("consume")),
        ("transactionScene", text(EXPIRY)),
        ("credits", Value::Integer(-total)),
        ("remainingCredits", Value::Integer(0)),
        ("description", text(description)),
        ("status", text("active")),
        ("consumedDetail", Value::Json(write_detail(&items)?)),
        ("metadata", Value::Json(metadata.to_string())),
        ("createdAt", Value::TimeMs(stamp.now_ms)),
        ("updatedAt", Value::TimeMs(stamp.now_ms)),
    ]
    .into_iter()
    .collect();
    if let Some(subscription_no) = subscription_no {
        row.set("subscriptionNo", text(subscription_no));
    }
    Ok(row)
}

/// What the row of a grant says that lives on.
fn prolonged(held: &Held, lived: &Lived<'_>, now_ms: i64) -> Fields {
    let mut fields = Fields::default();
    fields.set("expiresAt", Value::TimeMs(lived.until_ms));
    if !held.grant.active {
        fields.set("status", Value::Text("active".to_owned()));
    }
    // A renewal says its own end.
    if lived.period.is_none() {
        let said = metadata::with_own_end(held.metadata.as_deref(), lived.end_ms);
        fields.set("metadata", Value::Json(said));
    }
    fields.set("updatedAt", Value::TimeMs(now_ms));
    fields
}

/// A call of `extendGrant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The grant's `id`.
    pub credit_id: String,
    /// When it is to expire; never, if `None`.
    pub expires_at_ms: Option<i64>,
}

impl Extension {
    /// Reads the arguments of `extendGrant`.
    pub fn parse(credit_id: String, expires_at: Option<&Value>) -> Result<Self> {
        let expires_at_ms = match expires_at {
            Some(Value::Null) => None,
            Some(value) => Some(options::time_ms("expiresAt", value)?),
            None => return Err(no_date("expiresAt", None)),
        };
        Ok(Self { credit_id, expires_at_ms })
    }
}

/// Decides on a new end of a grant. Its plan writes nothing if it has that end. `others` are the user's grants that were
/// made since it has ended: what they have of it is written off.
pub fn plan_extension(
    call: &Extension,
    held: Option<&Held>,
    others: &[Held],
    stamp: &Stamp,
) -> Result<Plan> {
    let now_ms = stamp.now_ms;
    let id = call.credit_id.as_str();
    let Some(held) = held else {
        return Err(Error::GrantNotFound { field: "creditId", value: id.to_owned() });
    };
    if held.state != State::Open {
        return Err(Error::GrantWithdrawn { credit_id: id.to_owned() });
    }
    let mut plan = Plan::new(&held.user_id, Credit, id);
    let lives = call.expires_at_ms.is_none_or(|expires_at_ms| expires_at_ms > now_ms);
    let revives = lives && !held.grant.active;
    if held.grant.expires_at_ms != call.expires_at_ms || revives {
        let mut fields = Fields::default();
        fields.set("expiresAt", Value::time_or_null(call.expires_at_ms));
        if revives {
            fields.set("status", Value::Text("active".to_owned()));
        }
        fields.set("updatedAt", Value::TimeMs(now_ms));
        let anew = if lives { granted_anew(held, others) } else { 0 };
        if anew > 0 {
            plan.draws = vec![draw(held, anew)];
            plan.aside = true;
            let of = (held.user_id.as_str(), held.subscription_no.as_deref());
            let said = (json!({ "extended": id }), "Granted anew before");
            let row = write_off(of, said, plan.draws.clone(), stamp)?;
            plan.push(Credit, Verb::Insert, &stamp.ids.id, row);
        }
        plan.push(Credit, Verb::Update, id, fields);
    }
    Ok(plan)
}
