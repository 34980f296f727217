//! A grant: credits that a user bought or was given.

use std::sync::Arc;

use super::credits::Credits;
use super::metadata;
use super::options;
use super::plan::{Plan, Stamp, Verb, set_times};
use super::table::TableName;
use super::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// A grant, to draw credits from or to return them to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its `id`.
    pub id: String,
    /// Its `transaction_no`, which is copied into draws.
    pub transaction_no: String,
    /// The credits that were granted.
    pub credits: i64,
    /// The remaining credits.
    pub remaining: i64,
    /// Its expiry; `None` if it never expires.
    pub expires_at_ms: Option<i64>,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Its origin, loaded only if that decides which grants pay or in which order.
    pub provenance: Option<Arc<Provenance>>,
}

/// The origin of a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Its `transaction_scene`.
    pub scene: Option<String>,
    /// Its creation time, if its row has one.
    pub created_at_ms: Option<i64>,
}

/// Stands for an unreadable expiry. The grant counts as expired: only credits that are certain can be spent.
pub const EXPIRY_UNREADABLE_MS: i64 = i64::MIN;

impl Grant {
    /// Whether its credits can be spent at this time.
    pub fn is_spendable(&self, now_ms: i64) -> bool {
        self.active && self.expires_at_ms.is_none_or(|expires_at_ms| expires_at_ms > now_ms)
    }

    /// Its credits that can be spent at this time.
    pub fn spendable(&self, now_ms: i64) -> i64 {
        if self.is_spendable(now_ms) { self.remaining.max(0) } else { 0 }
    }

    /// Its scene, if loaded.
    pub fn scene(&self) -> Option<&str> {
        self.provenance.as_ref()?.scene.as_deref()
    }

    /// Its creation time, if loaded.
    pub fn created_at_ms(&self) -> Option<i64> {
        self.provenance.as_ref()?.created_at_ms
    }
}

/// The status that some apps give a withdrawn grant, whose remaining credits they set to 0.
pub const REVOKED: &str = "revoked";

/// Whether a grant with this status was withdrawn, such as after a chargeback. An expired grant has another
/// status, or just an expiry in the past.
pub fn is_withdrawn(status: Option<&str>, is_deleted: bool) -> bool {
    is_deleted || !matches!(status, Some("active" | "expired"))
}

/// The sum of the remaining credits. It saturates: an operator may have granted the maximum more than once.
pub fn total_remaining<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> i64 {
    grants.into_iter().fold(0, |left, grant| left.saturating_add(grant.remaining))
}

/// The sum of the credits that can be spent at this time. It saturates too.
pub fn total_spendable<'a>(grants: impl IntoIterator<Item = &'a Grant>, now_ms: i64) -> i64 {
    grants.into_iter().fold(0, |sum, grant| sum.saturating_add(grant.spendable(now_ms)))
}

/// A requested grant.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGrant {
    /// The user's id.
    pub user_id: String,
    /// The number of credits.
    pub credits: Credits,
    /// The caller's own `id`; a new one if `None`.
    pub id: Option<String>,
    /// The caller's own `transaction_no`; a new one if `None`.
    pub transaction_no: Option<String>,
    /// The other columns of the row.
    pub fields: Fields,
    /// Whether a repeated call returns the existing grant.
    pub replay: bool,
}

/// The facts from the database that decide a grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrantFacts {
    /// Whether the user exists.
    pub user_exists: bool,
    /// Whether the caller's `id` is in use.
    pub id_taken: bool,
    /// Whether the caller's `transaction_no` is in use.
    pub transaction_no_taken: bool,
}

impl NewGrant {
    /// Parses the arguments of `createCredit`. `remainingCredits` may be left out, but must equal `credits`.
    pub fn parse(mut fields: Fields, options: &Fields) -> Result<Self> {
        options::without_transaction("createCredit", &fields)?;
        fields.remove("tx");
        options.only("createCredit", &["replay"])?;
        let replay = options::replay(options, "transactionNo", &fields)?;
        let user_id = fields.id("userId")?;
        let id = fields.optional_id("id")?;
        let transaction_no = fields.optional_id("transactionNo")?;
        let credits = Credits::parse("credits", fields.get("credits"))?;
        match fields.get("remainingCredits") {
            None | Some(Value::Null) => {}
            Some(Value::Integer(remaining)) if *remaining == credits.get() => {}
            given => {
                return Err(Error::InvalidValue {
                    table: "credit".to_owned(),
                    field: "remainingCredits".to_owned(),
                    expected: format!("left out or equal to credits ({})", credits.get()),
                    given: describe(given),
                });
            }
        }
        one_of(&mut fields, "transactionType", "grant", &["grant"])?;
        one_of(&mut fields, "status", "active", &["active", "expired", "deleted"])?;
        fields.set("remainingCredits", Value::Integer(credits.get()));
        fields.update("metadata", metadata::of_caller);
        Ok(Self { user_id, credits, id, transaction_no, fields, replay })
    }
}

/// Sets a field's default and rejects values outside the allowed ones.
fn one_of(fields: &mut Fields, name: &'static str, default: &str, allowed: &[&str]) -> Result<()> {
    match fields.get(name) {
        None | Some(Value::Null) => fields.set(name, Value::Text(default.to_owned())),
        Some(Value::Text(text)) if allowed.contains(&text.as_str()) => {}
        given => {
            return Err(Error::InvalidValue {
                table: "credit".to_owned(),
                field: name.to_owned(),
                expected: format!("'{}'", allowed.join("', '")),
                given: describe(given),
            });
        }
    }
    Ok(())
}

/// Decides a grant.
pub fn plan_grant(grant: &NewGrant, facts: GrantFacts, stamp: Stamp) -> Result<Plan> {
    let taken = |field, value: &Option<String>| {
        Err(Error::CreditExists { field, value: value.clone().unwrap_or_default() })
    };

    if !facts.user_exists {
        return Err(Error::UserNotFound { user_id: grant.user_id.clone() });
    }
    // A repeated call has the same id and the same `transaction_no`, which identifies it.
    if facts.id_taken && !(grant.replay && facts.transaction_no_taken) {
        return taken("id", &grant.id);
    }
    if facts.transaction_no_taken {
        return taken("transactionNo", &grant.transaction_no);
    }

    let Stamp { ids, now_ms } = stamp;
    let id = grant.id.clone().unwrap_or(ids.id);
    let transaction_no = grant.transaction_no.clone().unwrap_or(ids.transaction_no);
    let mut row = grant.fields.clone();
    row.set("id", Value::Text(id.clone()));
    row.set("transactionNo", Value::Text(transaction_no));
    set_times(&mut row, now_ms);

    let mut plan = Plan::new(&grant.user_id, TableName::Credit, &id);
    plan.push(TableName::Credit, Verb::Insert, &id, row);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::NewIds;

    fn fields(more: &[(&'static str, Value)]) -> Fields {
        let mut all = Fields::default();
        all.set("userId", Value::Text("u".into()));
        all.set("credits", Value::Integer(50));
        for (name, value) in more {
            all.set(name, value.clone());
        }
        all
    }

    #[test]
    fn a_grant_is_withdrawn_by_status_or_deletion() {
        let rows = [
            // the status, whether it has a deletion time; whether it was withdrawn
            (Some("active"), false, false),
            (Some("expired"), false, false),
            (Some("active"), true, true),
            (Some("expired"), true, true),
            (Some("deleted"), false, true),
            (Some("revoked"), false, true),
            (Some("disputed"), false, true),
            (None, false, true),
        ];
        for (status, is_deleted, expected) in rows {
            assert_eq!(is_withdrawn(status, is_deleted), expected, "{status:?} {is_deleted}");
        }
    }

    #[test]
    fn only_an_active_grant_that_has_not_expired_can_be_spent() {
        const NOW_MS: i64 = 100;
        let grant = |remaining, expires_at_ms, active| Grant {
            id: "g".into(),
            transaction_no: "7".into(),
            credits: 9,
            remaining,
            expires_at_ms,
            active,
            provenance: None,
        };
        let rows = [
            // remaining, expiry, active; what can be spent
            ((5, None, true), 5),
            ((5, Some(101), true), 5),
            ((5, Some(100), true), 0),
            ((5, Some(EXPIRY_UNREADABLE_MS), true), 0),
            ((5, None, false), 0),
            ((-5, None, true), 0),
        ];
        let all = rows.map(|((remaining, end_ms, active), _)| grant(remaining, end_ms, active));
        for (grant, (_, expected)) in all.iter().zip(rows) {
            assert_eq!(grant.spendable(NOW_MS), expected, "{grant:?}");
        }
        assert_eq!(total_spendable(&all, NOW_MS), 10);
        let most = [grant(i64::MAX, None, true), grant(1, None, true)];
        assert_eq!(total_spendable(&most, NOW_MS), i64::MAX);
    }

    #[test]
    fn a_grant_is_read_or_refused() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows = [
            // what differs from a plain grant of 50; the code
            (vec![], None),
            (vec![("remainingCredits", Value::Integer(50))], None),
            (vec![("remainingCredits", Value::Null)], None),
            (vec![("transactionType", text("grant")), ("status", text("expired"))], None),
            (vec![("userId", Value::Null)], Some("INVALID_ID")),
            (vec![("id", Value::Integer(7))], Some("INVALID_ID")),
            (vec![("transactionNo", text(""))], Some("INVALID_ID")),
            (vec![("credits", Value::Integer(0))], Some("INVALID_AMOUNT")),
            (vec![("remainingCredits", Value::Integer(49))], Some("INVALID_VALUE")),
            (vec![("remainingCredits", text("50"))], Some("INVALID_VALUE")),
            (vec![("transactionType", text("consume"))], Some("INVALID_VALUE")),
            (vec![("status", text("gone"))], Some("INVALID_VALUE")),
        ];
        for (more, code) in rows {
            let parsed = NewGrant::parse(fields(&more), &Fields::default());
            assert_eq!(parsed.err().map(|error| error.code()), code, "{more:?}");
        }
    }

    #[test]
    fn a_grant_is_refused_by_the_first_guard() -> Result<()> {
        let given = fields(&[("transactionNo", Value::Text("7".into()))]);
        let grant = NewGrant::parse(given, &Fields::default())?;
        let rows = [
            // user exists, id taken, number taken; the outcome
            (false, true, true, Err("USER_NOT_FOUND")),
            (true, true, true, Err("CREDIT_EXISTS")),
            (true, false, true, Err("CREDIT_EXISTS")),
            (true, false, false, Ok(("new".to_owned(), Some(Value::Text("7".into()))))),
        ];
        for (user_exists, id_taken, transaction_no_taken, expected) in rows {
            let facts = GrantFacts { user_exists, id_taken, transaction_no_taken };
            let ids = NewIds { id: "new".into(), transaction_no: "8".into() };
            let plan = plan_grant(&grant, facts, Stamp { ids, now_ms: 0 })
                .map(|plan| (plan.reply.1, plan.rows[0].fields.get("transactionNo").cloned()))
                .map_err(|error| error.code());
            assert_eq!(plan, expected);
        }
        Ok(())
    }
}
