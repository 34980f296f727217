//! A subscription's next period: its grant, and the credits of earlier periods that are carried over in place.

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

    /// The key of the call.
    fn number(&self) -> &str {
        self.grant.transaction_no.as_deref().unwrap_or_default()
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
    /// The grants of all subscriptions of the user.
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
            if lived.left_behind > 0 {
                anew.insert(held.grant.id.clone(), lived.left_behind);
            }
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

/// What the row of a grant says that lives on.
fn prolonged(held: &Held, lived: &Lived<'_>, now_ms: i64) -> Fields {
    let mut fields = Fields::default();
    fields.set("expiresAt", Value::TimeMs(lived.until_ms));
    let mut said = held.metadata.clone();
    // A renewal says its own end.
    if metadata::own_end(said.as_deref()).or(metadata::period(said.as_deref()).map(|it| it.end_ms))
        != Some(lived.end_ms)
    {
        said = Some(metadata::with_own_end(said.as_deref(), lived.end_ms));
    }
    match &held.state {
        // As it will be, should claims let it go.
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
