//! Settling: a charge was an estimate, and now the final cost is known. The difference is refunded once, to
//! the grants that it was drawn from, last drawn first; or, if the caller asks for it, drawn in addition.

mod detail;
#[cfg(test)]
mod tests;

pub(super) use self::detail::Items;
use super::call_options::CallOptions;
use super::charge::{Charge, draw_as_far};
use super::credits::Credits;
use super::detail::WrittenDraw;
use super::grant::Grant;
use super::metadata::{self, Settled};
use super::options::{self, RefundPolicy};
use super::paying::{Paying, Scenes};
use super::plan::{Plan, Verb};
use super::refund::{Refund, give_back};
use super::refundable::Refundable;
use super::table::{TableName, TaskKind};
use super::task::{TaskFacts, check_made_for, own_charge};
use super::value::{Fields, Value};
use crate::error::{Error, Result};

/// A requested settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The charge to settle.
    pub target: Target,
    amount: Amount,
    /// What happens if the final cost is higher than the charge.
    over: Over,
    /// Which grants may pay the difference.
    pub paying: Paying,
    /// Where refunded credits go.
    pub policy: RefundPolicy,
}

/// The charge to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The latest charge of the task with this `id`.
    Task(TaskKind, String),
    /// The charge with this `id`.
    Charge(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// The charge's final number of credits.
    Final(i64),
    /// The number of credits to refund.
    Back(i64),
    /// Refund everything that remains of the charge.
    AllBack,
    /// Refund everything, if the charge is still a hold.
    Released,
    /// End the hold; the credits stay charged.
    Kept,
}

/// What the caller receives, besides the charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// The refunded and the drawn credits.
    Difference,
    /// The refund.
    Refund,
    /// The refund; nothing if the hold had ended before this call.
    Release,
    /// Nothing else.
    Charge,
}

/// What happens if the final cost is higher than the charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Over {
    /// The settlement is rejected.
    #[default]
    Refuse,
    /// The charge draws the difference, as far as the balance allows.
    Available,
}

/// The changes of a settlement.
#[derive(Debug, Clone, PartialEq)]
pub struct Settling {
    /// The draws to refund.
    pub refundable: Refundable,
    /// The number of credits to draw in addition.
    pub missing: i64,
    /// Spendable grants in default order: as many as cover `missing`, or all if only some grants may pay.
    /// They are loaded if `missing` is above 0.
    pub funds: Vec<Grant>,
    /// The charge's draws so far.
    items: Items,
    /// The changed columns of the charge's row.
    fields: Fields,
}

/// The credits that a settlement moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The refund.
    pub refund: Refund,
    /// The credits that were drawn in addition.
    pub collected: i64,
    /// The credits that could not be drawn, in this call or in an earlier one with the same final cost.
    pub uncollected: i64,
}

impl Settlement {
    /// Parses the arguments of `settleMediaTask`.
    pub fn of_task(
        (kind, id): (TaskKind, String),
        credits: Option<&Value>,
        options: &CallOptions,
        policy: RefundPolicy,
    ) -> Result<Self> {
        let amount = Credits::parse_or_zero("finalCredits", credits)?;
        Self::to_final(Target::Task(kind, id), amount, options, policy)
    }

    /// Parses the arguments of `settleCredits`.
    pub fn of_credits(
        id: String,
        credits: Option<&Value>,
        options: &CallOptions,
        policy: RefundPolicy,
    ) -> Result<Self> {
        let amount = Credits::parse_or_zero("credits", credits)?;
        Self::to_final(Target::Charge(id), amount, options, policy)
    }

    fn to_final(
        target: Target,
        credits: Option<Credits>,
        options: &CallOptions,
        default: RefundPolicy,
    ) -> Result<Self> {
        let known = [&["over", "refundPolicy"][..], &Scenes::NAMES].concat();
        options.only("a settlement", &known)?;
        let paying = options.paying()?;
        let amount = Amount::Final(credits.map_or(0, Credits::get));
        let over = options::choice(options, "over", &["refuse", "available"])?;
        let over = if over == Some(1) { Over::Available } else { Over::Refuse };
        Ok(Self { target, amount, over, paying, policy: read_policy(options, default)? })
    }

    /// Parses the arguments of `refundCredits`.
    pub fn of_charge(
        id: String,
        credits: Option<&Value>,
        options: &Fields,
        policy: RefundPolicy,
    ) -> Result<Self> {
        let amount = match credits {
            None => Amount::AllBack,
            credits => Amount::Back(Credits::parse("credits", credits)?.get()),
        };
        options.only("a refund", &["refundPolicy"])?;
        let (target, over) = (Target::Charge(id), Over::Refuse);
        let (paying, policy) = (Paying::default(), read_policy(options, policy)?);
        Ok(Self { target, amount, over, paying, policy })
    }

    /// Releases a hold at its end, unless it was settled or kept meanwhile.
    pub fn of_release(id: String, policy: RefundPolicy) -> Self {
        Self::of_hold(id, Amount::Released, policy)
    }

    /// Parses the arguments of `keepCharge`.
    pub fn of_kept(id: String) -> Self {
        Self::of_hold(id, Amount::Kept, RefundPolicy::Source)
    }

    fn of_hold(id: String, amount: Amount, policy: RefundPolicy) -> Self {
        let (target, over, paying) = (Target::Charge(id), Over::Refuse, Paying::default());
        Self { target, amount, over, paying, policy }
    }

    /// What the caller receives.
    pub fn tells(&self) -> Tells {
        match self.amount {
            Amount::Final(_) => Tells::Difference,
            Amount::Back(_) | Amount::AllBack => Tells::Refund,
            Amount::Released => Tells::Release,
            Amount::Kept => Tells::Charge,
        }
    }

    /// The `id` of the charge to settle; for a task, its latest one.
    pub fn charge_id<'a>(&'a self, task: Option<&'a TaskFacts>) -> Result<&'a str> {
        match &self.target {
            Target::Charge(id) => Ok(id),
            Target::Task(_, task_id) => task
                .and_then(|task| task.credit_id.as_deref())
                .ok_or_else(|| Error::TaskNotCharged { task_id: task_id.clone() }),
        }
    }

    /// Checks the charge named by [`Self::charge_id`] (`None`: it does not exist) and returns the changes;
    /// `None` if they were made before. `claimed`: the other task that the charge was made for exists.
    pub fn check(
        &self,
        task: Option<&TaskFacts>,
        charge: Option<Charge>,
        claimed: bool,
    ) -> Result<(Charge, Option<Settling>)> {
        let id = self.charge_id(task)?;
        let charge = charge.filter(|charge| !charge.is_bookkeeping());
        let charge = charge.ok_or_else(|| Error::ChargeNotFound { charge_id: id.to_owned() })?;
        if let (Some(task), Target::Task(kind, task_id)) = (task, &self.target) {
            own_charge(id, Some(&charge), &task.user_id)?;
            if claimed {
                check_made_for(&charge, charge.claiming_task(*kind, task_id))?;
            }
        }
        let settling = self.check_amount(&charge)?;
        Ok((charge, settling))
    }

    /// The changes; `None` if there are none.
    fn check_amount(&self, charge: &Charge) -> Result<Option<Settling>> {
        let (state, charged) = ChargeState::of(charge);
        let exceeds = |requested| {
            let charge_id = charge.id.clone();
            Err(Error::SettleExceedsCharge { charge_id, charged, requested })
        };
        let conflict = |settled, requested| {
            let charge_id = charge.id.clone();
            Err(Error::SettleConflict { charge_id, settled, requested })
        };
        let credits = match self.amount {
            Amount::Released if !charge.is_held() => return Ok(None),
            Amount::Kept => return keep(charge),
            Amount::Final(credits) => credits,
            Amount::Back(credits) if credits > charged => return exceeds(credits),
            Amount::Back(credits) => charged - credits,
            Amount::AllBack | Amount::Released => 0,
        };
        match state {
            // A refund may have left the same number of credits on a charge that is still a hold.
            ChargeState::SettledTo(settled) if settled == credits => match self.amount {
                Amount::Final(_) => keep(charge),
                _ => Ok(None),
            },
            ChargeState::Refunded { after: Some(settled) } if settled == credits => Ok(None),
            _ if credits > charged && self.over == Over::Refuse => exceeds(credits),
            ChargeState::Open if credits > charged => raise(charge, credits).map(Some),
            ChargeState::Open => self.settle(charge, (charged, credits)).map(Some),
            ChargeState::SettledTo(_)
                if matches!(self.amount, Amount::AllBack | Amount::Released) =>
            {
                self.settle(charge, (charged, credits)).map(Some)
            }
            ChargeState::SettledTo(settled) => conflict(settled, credits),
            ChargeState::Refunded { .. } if credits == 0 => Ok(None),
            ChargeState::Refunded { .. } => conflict(0, credits),
        }
    }

    /// The credits that an earlier settlement with the same final cost could not draw.
    fn uncollected_of(&self, charge: &Charge) -> i64 {
        let settled = settled_of(charge);
        let same = settled.filter(|settled| self.amount == Amount::Final(settled.requested()));
        same.map_or(0, |settled| settled.uncollected)
    }
}

/// The state of a charge.
enum ChargeState {
    /// It has its original number of credits.
    Open,
    /// It was settled to this number of credits.
    SettledTo(i64),
    /// It was refunded, possibly after a settlement.
    Refunded { after: Option<i64> },
}

impl ChargeState {
    /// The state of a charge, and its original number of credits.
    fn of(charge: &Charge) -> (Self, i64) {
        let settled = settled_of(charge);
        let charged = settled.map_or(charge.credits, |settled| settled.charged);
        let settled_to = settled.map(|settled| settled.requested());
        let state = match settled_to {
            after if !charge.active => Self::Refunded { after },
            Some(credits) => Self::SettledTo(credits),
            None => Self::Open,
        };
        (state, charged)
    }
}

fn settled_of(charge: &Charge) -> Option<Settled> {
    metadata::settled(charge.metadata.as_deref(), charge.credits, charge.active)
}

fn read_policy(options: &Fields, default: RefundPolicy) -> Result<RefundPolicy> {
    Ok(RefundPolicy::parse(options.get("refundPolicy"))?.unwrap_or(default))
}

/// The changes if the final cost is higher than the charge. The draws are decided after the user's grants are
/// loaded.
fn raise(charge: &Charge, credits: i64) -> Result<Settling> {
    check_sum(charge, &charge.draws()?)?;
    let nothing_back = Refundable::new(charge, Vec::new());
    let settling = Settling::new(nothing_back, Fields::default());
    Ok(Settling { missing: credits - charge.credits, items: Items::of(charge)?, ..settling })
}

/// The sum of a charge's draws, which must equal its credits.
fn check_sum(charge: &Charge, draws: &[WrittenDraw]) -> Result<i64> {
    let drawn: i64 = draws.iter().map(|draw| draw.credits_consumed).sum();
    if drawn == charge.credits {
        return Ok(drawn);
    }
    let reason = format!("its draws add up to {drawn}, but it took {}", charge.credits);
    Err(Error::ChargeCorrupt { charge_id: charge.id.clone(), reason })
}

/// The changes that end a hold; `None` if the charge is not one.
fn keep(charge: &Charge) -> Result<Option<Settling>> {
    if !charge.active {
        return Err(Error::ChargeRefunded { charge_id: charge.id.clone() });
    }
    let settling = || {
        let mut fields = Fields::default();
        end_hold(&mut fields, metadata::with_held(charge.metadata.as_deref(), false));
        Settling::new(Refundable::new(charge, Vec::new()), fields)
    };
    Ok(charge.is_held().then(settling))
}

fn end_hold(fields: &mut Fields, metadata: String) {
    fields.set("metadata", Value::Json(metadata));
    fields.set("expiresAt", Value::Null);
}

impl Settlement {
    /// The changes if the final cost is lower. A charge that is settled to 0 counts as refunded and keeps its
    /// draws, as with the app's own refunds.
    fn settle(&self, charge: &Charge, (charged, credits): (i64, i64)) -> Result<Settling> {
        let draws = charge.draws()?;
        let settled = Settled { charged, credits, uncollected: 0 };
        let mut fields = Fields::default();
        self.say(&mut fields, charge, settled);
        if credits == 0 {
            fields.set("status", Value::Text("deleted".to_owned()));
            return Ok(Settling::new(Refundable::new(charge, draws), fields));
        }
        let mut surplus = check_sum(charge, &draws)? - credits;
        let mut kept = draws.clone();
        let mut back = Vec::new();
        for draw in kept.iter_mut().rev() {
            let returned = draw.credits_consumed.min(surplus);
            if returned > 0 {
                draw.credits_consumed -= returned;
                surplus -= returned;
                back.push(WrittenDraw { credits_consumed: returned, ..draw.clone() });
            }
        }
        let detail = Items::of(charge)?.rewritten(&kept, &[]);
        fields.set("credits", Value::Integer(-credits));
        fields.set("consumedDetail", Value::Json(detail));
        Ok(Settling::new(Refundable::new(charge, back), fields))
    }

    /// Records the settlement in the charge's metadata. A settled charge is no longer a hold.
    fn say(&self, fields: &mut Fields, charge: &Charge, settled: Settled) {
        let metadata = metadata::with_settled(charge.metadata.as_deref(), settled);
        match matches!(self.amount, Amount::Final(1..)) && charge.is_held() {
            true => end_hold(fields, metadata::with_held(Some(&metadata), false)),
            false => fields.set("metadata", Value::Json(metadata)),
        }
    }
}

impl Settling {
    /// A settlement without additional draws.
    fn new(refundable: Refundable, fields: Fields) -> Self {
        Self { refundable, missing: 0, funds: Vec::new(), items: Items::default(), fields }
    }
}

/// Decides a settlement. `settling` is the result of [`Settlement::check`], with its grants loaded.
pub fn plan_settlement(
    settlement: &Settlement,
    charge: &Charge,
    settling: Option<Settling>,
    now_ms: i64,
) -> Result<(Plan, Difference)> {
    let mut plan = Plan::new(&charge.user_id, TableName::Credit, &charge.id);
    let mut difference = Difference::default();
    let Some(Settling { refundable, missing, funds, items, mut fields }) = settling else {
        difference.uncollected = settlement.uncollected_of(charge);
        return Ok((plan, difference));
    };
    fields.set("updatedAt", Value::TimeMs(now_ms));
    difference.refund = give_back(&mut plan, refundable, settlement.policy, now_ms);
    if missing > 0 {
        plan.draws = draw_as_far(&settlement.paying.choose(&funds), missing);
        let collected = plan.draws.iter().map(|draw| draw.credits_consumed).sum();
        let (charged, uncollected) = (charge.credits, missing - collected);
        let credits = charged + collected;
        let detail = items.rewritten(&charge.draws()?, &plan.draws);
        settlement.say(&mut fields, charge, Settled { charged, credits, uncollected });
        fields.set("credits", Value::Integer(-credits));
        fields.set("consumedDetail", Value::Json(detail));
        difference = Difference { collected, uncollected, ..difference };
    }
    plan.push(TableName::Credit, Verb::UpdateCharge, &charge.id, fields);
    Ok((plan, difference))
}
