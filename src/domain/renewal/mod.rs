//! Renewals: a subscription's new period, with its grant, and the credits that are carried over from earlier
//! periods by extending their grants.

mod extension;
mod line;
mod period;
mod write_off;

use std::collections::BTreeSet;

use serde_json::Value as Json;

pub use self::extension::{Extension, plan_extension};
use self::line::{Lived, New, carried};
pub use self::period::{Period, Rollover};
pub use self::write_off::{Anew, EXPIRY, WriteOff};
use self::write_off::{Reason, draw, write_off};
use super::detail::Draw;
use super::grant::{GrantFacts, NewGrant, plan_grant};
use super::metadata;
use super::options;
use super::plan::{Plan, RowChange, Stamp, Verb};
use super::replay::{CreditFacts, check_grant};
use super::revocation::{Held, State};
use super::table::TableName::Credit;
use super::value::{Fields, Value, describe, iso8601};
use crate::error::{Error, Result};

/// A call of `renewGrants`.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewal {
    /// The new period's grant.
    pub grant: NewGrant,
    /// Its `subscription_no`.
    pub subscription_no: String,
    /// The period's terms.
    pub period: Period,
}

impl Renewal {
    /// Parses the arguments of `renewGrants`.
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

    /// The call's idempotency key.
    fn number(&self) -> &str {
        self.grant.transaction_no.as_deref().unwrap_or_default()
    }
}

fn no_date(field: &str, given: Option<&Value>) -> Error {
    Error::InvalidDate { field: field.to_owned(), given: describe(given) }
}

/// The facts from the database that decide a renewal.
#[derive(Debug, Default)]
pub struct RenewalFacts {
    /// The users that exist.
    pub users: BTreeSet<String>,
    /// The grants of all the user's subscriptions.
    pub grants: Vec<Held>,
    /// The row with the call's idempotency key.
    pub keyed: Option<CreditFacts>,
    /// Whether the caller's own `id` is in use.
    pub is_id_taken: bool,
}

/// The credits of earlier periods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// The remaining credits that were carried over.
    pub carried: i64,
    /// The credits above the limit, which were written off.
    pub written_off: i64,
    /// The change of what the user can spend, the new grant included.
    pub moved: i64,
}

/// Decides a renewal; `None` if it was made before. `off` has the keys of the row that writes off credits.
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
    let mut new = call.grant.clone();
    let new_period = New {
        number: call.number(),
        subscription: &call.subscription_no,
        period: &call.period,
        credits: call.grant.credits.get(),
    };
    let periods = carried(new_period, &facts.grants, now_ms);

    let mut carried = Carried::default();
    let mut draws = Vec::new();
    let mut anew = Anew::new();
    let mut off_new = None;
    let mut changed = Vec::new();
    for lived in &periods {
        carried.moved = carried.moved.saturating_add(lived.moved(now_ms));
        let Some(held) = lived.held else {
            let granted = call.grant.credits.get();
            new.fields.set("expiresAt", Value::TimeMs(lived.until_ms));
            // Lower than what was granted if a later period was recorded first.
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
            if lived.left_behind > 0 {
                anew.insert(held.grant.id.clone(), lived.left_behind);
            }
        }
        changed.extend((Some(lived.until_ms) != held.grant.expires_at_ms).then_some(lived));
    }
    // Recorded because the row's expiry is a later one.
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
        let cause = ("renewal", call.number().to_owned());
        let reason = Reason { cause, description: "Not carried over", anew };
        let row = write_off((&call.grant.user_id, of), reason, items, &off)?;
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

/// The draw that writes off part of the new grant.
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

/// The changes of the row of a grant that is carried over.
fn prolonged(held: &Held, lived: &Lived<'_>, now_ms: i64) -> Fields {
    let mut fields = Fields::default();
    fields.set("expiresAt", Value::TimeMs(lived.until_ms));
    let mut said = held.metadata.clone();
    // For a renewal's grant, the period's end is the recorded expiry.
    if metadata::own_end(said.as_deref()).or(metadata::period(said.as_deref()).map(|it| it.end_ms))
        != Some(lived.end_ms)
    {
        said = Some(metadata::with_own_end(said.as_deref(), lived.end_ms));
    }
    match &held.state {
        // The status that it gets back when the claims end.
        State::Closed(before) if before != "active" => {
            said = Some(metadata::with_status_before(said.as_deref(), &Json::from("active")));
        }
        State::Open if !held.grant.active => {
            fields.set("status", Value::Text("active".to_owned()));
        }
        _ => {}
    }
    if said != held.metadata {
        fields.set("metadata", said.map_or(Value::Null, Value::Json));
    }
    fields.set("updatedAt", Value::TimeMs(now_ms));
    fields
}
