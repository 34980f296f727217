//! Changing the expiry of a grant.

use super::no_date;
use super::write_off::{Reason, draw, write_off};
use crate::domain::metadata;
use crate::domain::options;
use crate::domain::plan::{Plan, Stamp, Verb};
use crate::domain::regrant::granted_anew;
use crate::domain::revocation::{Held, State};
use crate::domain::table::TableName::Credit;
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

/// A call of `extendGrant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The grant's `id`.
    pub credit_id: String,
    /// The new expiry; `None` if it never expires.
    pub expires_at_ms: Option<i64>,
}

impl Extension {
    /// Parses the arguments of `extendGrant`.
    pub fn parse(credit_id: String, expires_at: Option<&Value>) -> Result<Self> {
        let expires_at_ms = match expires_at {
            Some(Value::Null) => None,
            Some(value) => Some(options::time_ms("expiresAt", value)?),
            None => return Err(no_date("expiresAt", None)),
        };
        Ok(Self { credit_id, expires_at_ms })
    }
}

/// Decides a new expiry. The plan writes nothing if the grant has that expiry already. `others` are the
/// user's grants created since this one ended: credits that they replace are written off.
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
        // A renewal uses the recorded expiry instead of the column, if there is one.
        let said = held.metadata.as_deref();
        let has_own_end = metadata::own_end(said).is_some() || metadata::period(said).is_some();
        if let Some(end_ms) = call.expires_at_ms.filter(|_| has_own_end) {
            fields.set("metadata", Value::Json(metadata::with_own_end(said, end_ms)));
        }
        fields.set("updatedAt", Value::TimeMs(now_ms));
        let anew = if lives { granted_anew(held, others) } else { 0 };
        if anew > 0 {
            plan.draws = vec![draw(held, anew)];
            plan.aside = true;
            let of = (held.user_id.as_str(), held.subscription_no.as_deref());
            let reason = Reason {
                cause: ("extended", id.to_owned()),
                description: "Granted anew before",
                anew: [(id.to_owned(), anew)].into(),
            };
            let row = write_off(of, reason, plan.draws.clone(), stamp)?;
            plan.push(Credit, Verb::Insert, &stamp.ids.id, row);
        }
        plan.push(Credit, Verb::Update, id, fields);
    }
    Ok(plan)
}
