//! Revocations: the payment for some grants was refunded or charged back. Their remaining credits are
//! withdrawn; spent ones are recorded as outstanding.

mod balance;
mod changes;
mod claims;
mod terms;

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::json;

pub use self::balance::{Claims, Standing};
use self::changes::{detail_of, plan_changes, total};
pub use self::claims::{CHARGEBACK, Claim, ClaimRow, Held, State};
pub use self::terms::Terms;
use super::call_options::CallOptions;
use super::credits::Credits;
use super::paying::DrawOrder;
use super::plan::{Plan, Stamp, Verb};
use super::refund::Refund;
use super::table::TableName::Credit;
use super::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// The grants that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The column that selects them, by its JavaScript name.
    pub key: &'static str,
    /// The same column's SQL name.
    pub column: &'static str,
    /// The value to select.
    pub text: String,
}

impl Target {
    /// Parses `{ creditId }`, `{ orderNo }` or `{ subscriptionNo }`.
    pub fn parse(function: &'static str, fields: &Fields) -> Result<Self> {
        const KEYS: [(&str, &str); 3] =
            [("creditId", "id"), ("orderNo", "order_no"), ("subscriptionNo", "subscription_no")];
        fields.only(function, &KEYS.map(|(key, _)| key))?;
        let mut named = KEYS.into_iter().filter(|(key, _)| fields.get(key).is_some());
        match (named.next(), named.next()) {
            (Some((key, column)), None) => Ok(Self { key, column, text: fields.id(key)? }),
            _ => Err(Error::InvalidArgument {
                name: function.to_owned(),
                expected: "given one of creditId, orderNo and subscriptionNo".to_owned(),
                given: format!(
                    "{} of them",
                    KEYS.iter().filter(|(key, _)| fields.get(key).is_some()).count()
                ),
            }),
        }
    }

    /// Whether it selects this grant.
    pub fn is(&self, held: &Held) -> bool {
        let text = match self.column {
            "order_no" => held.order_no.as_deref(),
            "subscription_no" => held.subscription_no.as_deref(),
            _ => Some(held.grant.id.as_str()),
        };
        text == Some(self.text.as_str())
    }
}

/// A call of `revokeGrants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The grants.
    pub target: Target,
    /// How many of their credits are to be withdrawn in total; all if `None`.
    total: Option<i64>,
    reason: Option<String>,
    /// The call's idempotency key.
    pub transaction_no: String,
    /// Whether spent credits are drawn from the user's other grants.
    pub recovers: bool,
    /// The order in which those are drawn on.
    pub order: DrawOrder,
}

impl Revocation {
    /// Parses the arguments of `revokeGrants`.
    pub fn parse(target: &Fields, options: &CallOptions) -> Result<Self> {
        options.only("revokeGrants", &["total", "reason", "transactionNo", "recover"])?;
        let total = match options.get("total") {
            None => None,
            given => Some(Credits::parse_or_zero("total", given)?.map_or(0, Credits::get)),
        };
        let text = |name: &str, expected: &str| match options.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) if !text.contains('\0') => Ok(Some(text.clone())),
            given => Err(invalid(name, expected, given)),
        };
        let recovers = match text("recover", "'available' or 'none'")?.as_deref() {
            None | Some("none") => false,
            Some("available") => true,
            Some(_) => {
                return Err(invalid("recover", "'available' or 'none'", options.get("recover")));
            }
        };
        Ok(Self {
            target: Target::parse("revokeGrants", target)?,
            total,
            reason: text("reason", "text without NUL characters")?,
            transaction_no: options.id("transactionNo")?,
            recovers,
            order: options.draw_order.clone(),
        })
    }
}

fn invalid(name: &str, expected: &str, given: Option<&Value>) -> Error {
    let (name, expected) = (name.to_owned(), expected.to_owned());
    Error::InvalidArgument { name, expected, given: describe(given) }
}

/// A call of `restoreGrants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The idempotency key of the call of `revokeGrants`.
    pub transaction_no: String,
    /// The grants, in case that call has not arrived yet.
    pub target: Option<Target>,
    /// The order in which other claims draw on the returned credits.
    pub order: DrawOrder,
}

impl Restoration {
    /// Parses the arguments of `restoreGrants`.
    pub fn parse(transaction_no: String, target: &Fields, order: &DrawOrder) -> Result<Self> {
        let is_given = target.iter().next().is_some();
        let target = is_given.then(|| Target::parse("restoreGrants", target)).transpose()?;
        Ok(Self { transaction_no, target, order: order.clone() })
    }
}

/// The facts from the database that decide on claims.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClaimFacts {
    /// The users that exist.
    pub users: BTreeSet<String>,
    /// Grants in draw order: those that claims or the call name or have drawn on, and, if claims may draw on
    /// other grants, all spendable ones.
    pub grants: Vec<Held>,
    /// All claims on the user's grants.
    pub claims: Vec<Claim>,
    /// Whether a row has the call's idempotency key.
    pub is_key_taken: bool,
}

/// The result of a call: the state of the order, and the writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The writes; `None` if the call was made before.
    pub plan: Option<Plan>,
    /// The state of the order.
    pub standing: Standing,
    /// The change of the user's spendable credits; negative if there are fewer.
    pub moved: i64,
}

impl Decided {
    /// The result of a call that was made before.
    fn before(standing: Standing) -> Self {
        Self { plan: None, standing, moved: 0 }
    }

    /// The result of a call that writes now.
    fn now(plan: Plan, (was, now): (&Claims, &Claims), grants: &[String], now_ms: i64) -> Self {
        let moved = now.spendable(now_ms) - was.spendable(now_ms);
        Self { plan: Some(plan), standing: now.standing(grants, now_ms), moved }
    }
}

/// Decides a revocation.
pub fn plan_revocation(call: &Revocation, mut facts: ClaimFacts, stamp: &Stamp) -> Result<Decided> {
    call.order.sort(&mut facts.grants, |held| &held.grant);
    let (user_id, named) = named(&call.target, &facts)?;
    let number = call.transaction_no.as_str();
    if facts.is_key_taken {
        let conflict = |differs| {
            let (field, value) = ("transactionNo", number.to_owned());
            Err(Error::IdempotencyConflict { field, value, differs })
        };
        let found = facts.claims.iter().position(|claim| claim.transaction_no == number);
        let Some(at) = found else {
            return conflict("it belongs to no revocation of these grants");
        };
        let terms = facts.claims[at].terms.clone();
        if !terms.grants.iter().all(|id| named.contains(id)) {
            return conflict("it revokes other grants");
        }
        let is_remembered = !facts.claims[at].stands && terms.total == 0;
        let claims = related(facts, &terms.grants);
        // The grants may count fewer credits now than at the first call: some were granted again in other
        // grants.
        let is_total = call.total.map_or_else(
            || terms.total >= claims.granted_to(&terms.grants),
            |total| total == terms.total,
        );
        let is_same = is_total && call.recovers == terms.recovers;
        if !(is_same || is_remembered) {
            return conflict("it revokes a different number of credits");
        }
        return Ok(Decided::before(claims.standing(&named, stamp.now_ms)));
    }

    let order = facts.grants.iter().find(|held| call.target.is(held));
    let mut row = of_order(order);
    let was = related(facts, &named);
    let total_claimed = call.total.unwrap_or_else(|| was.granted_to(&named));
    let terms = Terms { grants: named.clone(), total: total_claimed, recovers: call.recovers };
    let mut now = was.clone();
    now.claims.push(new_claim(&user_id, number, terms, stamp));
    now.balance(call.recovers, stamp.now_ms);

    let mut plan = Plan::new(&user_id, Credit, &stamp.ids.id);
    if let Some(claim) = now.claims.last() {
        describe_claim(&mut row, claim, call.reason.as_deref());
        row.set("consumedDetail", Value::Json(detail_of(claim, &now)?));
        row.set("createdAt", Value::TimeMs(stamp.now_ms));
        row.set("updatedAt", Value::TimeMs(stamp.now_ms));
        plan.push(Credit, Verb::Insert, &claim.id, row);
    }
    plan_changes(&mut plan, &was, &now, stamp.now_ms)?;
    Ok(Decided::now(plan, (&was, &now), &named, stamp.now_ms))
}

/// Decides the end of a claim.
pub fn plan_restoration(
    call: &Restoration,
    mut facts: ClaimFacts,
    stamp: &Stamp,
) -> Result<Decided> {
    call.order.sort(&mut facts.grants, |held| &held.grant);
    let number = call.transaction_no.as_str();
    let unknown = || Err(Error::RevocationNotFound { transaction_no: number.to_owned() });
    let found = facts.claims.iter().position(|claim| claim.transaction_no == number);
    let Some(at) = found else {
        return match &call.target {
            Some(target) if !facts.is_key_taken => remember(target, number, facts, stamp),
            _ => unknown(),
        };
    };
    let claim = facts.claims[at].clone();
    let was = related(facts, &claim.terms.grants);
    let named = &claim.terms.grants;
    let at = was.claims.iter().position(|other| other.id == claim.id);
    let Some(at) = at.filter(|_| claim.stands) else {
        return Ok(Decided::before(was.standing(named, stamp.now_ms)));
    };
    let mut now = was.clone();
    now.end(at);
    now.balance(true, stamp.now_ms);

    let mut plan = Plan::new(&claim.user_id, Credit, &claim.id);
    plan_changes(&mut plan, &was, &now, stamp.now_ms)?;
    Ok(Decided::now(plan, (&was, &now), named, stamp.now_ms))
}

/// Records that a claim has ended before it was made: when it is made, it claims nothing.
fn remember(target: &Target, number: &str, facts: ClaimFacts, stamp: &Stamp) -> Result<Decided> {
    let (user_id, named) = named(target, &facts)?;
    let mut row = of_order(facts.grants.iter().find(|held| target.is(held)));
    let terms = Terms { grants: named.clone(), total: 0, recovers: false };
    let claim = new_claim(&user_id, number, terms, stamp);
    describe_claim(&mut row, &claim, None);
    row.set("status", Value::Text("deleted".to_owned()));
    row.set("consumedDetail", Value::Json("[]".to_owned()));
    row.set("createdAt", Value::TimeMs(stamp.now_ms));
    row.set("updatedAt", Value::TimeMs(stamp.now_ms));
    let mut plan = Plan::new(&user_id, Credit, &claim.id);
    plan.push(Credit, Verb::Insert, &claim.id, row);
    let claims = related(facts, &named);
    Ok(Decided::now(plan, (&claims, &claims), &named, stamp.now_ms))
}

/// Credits that are refunded to closed grants first cover what is outstanding. Adds the resulting changes to
/// the plan of a refund, and the credits that become spendable to the refund.
pub fn claim_returns(
    facts: ClaimFacts,
    (plan, refund): (&mut Plan, &mut Refund),
    now_ms: i64,
) -> Result<()> {
    let closed = facts.grants.iter().filter(|held| matches!(held.state, State::Closed(_)));
    let closed: Vec<String> = closed.map(|held| held.grant.id.clone()).collect();
    let was = related(facts, &closed);
    let mut returns: HashMap<&str, i64> = HashMap::new();
    for (id, credits) in &plan.returns {
        let back = returns.entry(id).or_default();
        *back = back.saturating_add(*credits);
    }
    let mut now = was.clone();
    now.return_to(&returns);
    let before = now.spendable(now_ms);
    now.balance(false, now_ms);
    refund.spendable = refund.spendable.saturating_add(now.spendable(now_ms) - before);
    plan_changes(plan, &was, &now, now_ms)
}

/// The user of the selected grants, and their `id`s.
fn named(target: &Target, facts: &ClaimFacts) -> Result<(String, Vec<String>)> {
    let grants = || facts.grants.iter().filter(|held| target.is(held));
    let Some(first) = grants().next() else {
        return Err(Error::GrantNotFound { field: target.key, value: target.text.clone() });
    };
    let users: HashSet<&str> = grants().map(|held| held.user_id.as_str()).collect();
    if users.len() > 1 {
        return Err(Error::InvalidArgument {
            name: target.key.to_owned(),
            expected: "of one user's grants; name each of them by creditId".to_owned(),
            given: format!("those of {} users", users.len()),
        });
    }
    if !facts.users.contains(&first.user_id) {
        return Err(Error::UserNotFound { user_id: first.user_id.clone() });
    }
    let mut ids: Vec<String> = grants().map(|held| held.grant.id.clone()).collect();
    // Grants that replace these belong to the same payment.
    while let Some(regrant) = facts.grants.iter().find(|held| {
        let is_of_these = held.made_of.iter().any(|source| ids.contains(&source.credit_id));
        is_of_these && !ids.contains(&held.grant.id)
    }) {
        ids.push(regrant.grant.id.clone());
    }
    ids.sort_unstable();
    Ok((first.user_id.clone(), ids))
}

/// All grants, and the claims that name these grants or have drawn on them, as well as claims connected to
/// those through other grants.
fn related(facts: ClaimFacts, grants: &[String]) -> Claims {
    let mut reached: HashSet<String> = grants.iter().cloned().collect();
    let mut rest = facts.claims;
    let mut claims = Vec::new();
    loop {
        let (met, others): (Vec<Claim>, Vec<Claim>) =
            rest.into_iter().partition(|claim| claim.needs().any(|id| reached.contains(id)));
        rest = others;
        if met.is_empty() {
            return Claims { grants: facts.grants, claims };
        }
        reached.extend(met.iter().flat_map(Claim::needs).map(str::to_owned));
        claims.extend(met);
    }
}

fn new_claim(user_id: &str, number: &str, terms: Terms, stamp: &Stamp) -> Claim {
    Claim {
        id: stamp.ids.id.clone(),
        transaction_no: number.to_owned(),
        user_id: user_id.to_owned(),
        terms,
        stands: true,
        draws: Vec::new(),
        detail: None,
        metadata: None,
    }
}

/// The order's columns, which a claim's row copies from its grants.
fn of_order(held: Option<&Held>) -> Fields {
    let mut row = Fields::default();
    let Some(held) = held else { return row };
    for (key, value) in [("orderNo", &held.order_no), ("subscriptionNo", &held.subscription_no)] {
        if let Some(value) = value {
            row.insert(key, Value::Text(value.clone()));
        }
    }
    row
}

fn describe_claim(row: &mut Fields, claim: &Claim, reason: Option<&str>) {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut metadata = json!({ "type": "revocation", "revocation": claim.terms.as_json() });
    if let Some(reason) = reason {
        metadata["reason"] = reason.into();
    }
    row.set("id", text(&claim.id));
    row.set("userId", text(&claim.user_id));
    row.set("transactionNo", text(&claim.transaction_no));
    row.set("transactionType", text("consume"));
    row.set("transactionScene", text(CHARGEBACK));
    row.set("credits", Value::Integer(-total(&claim.draws)));
    row.set("remainingCredits", Value::Integer(0));
    row.set("description", text("Payment refunded or charged back"));
    row.set("status", text("active"));
    row.set("metadata", Value::Json(metadata.to_string()));
}

impl Claims {
    /// The credits that were granted in total.
    fn granted_to(&self, grants: &[String]) -> i64 {
        let named = self.grants.iter().filter(|held| grants.contains(&held.grant.id));
        named.fold(0, |sum: i64, held| sum.saturating_add(held.grant.credits.max(0)))
    }
}

impl Claim {
    /// The `id`s of the grants that must be loaded with a claim: those it names and those it has drawn on.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        let drawn_on = self.draws.iter().map(|draw| draw.credit_id.as_str());
        self.terms.grants.iter().map(String::as_str).chain(drawn_on)
    }
}
