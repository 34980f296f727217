//! Settling: a charge was an estimate, the real cost is known. The difference goes back to the grants
//! that it came from, last drawn first, once.

use serde_json::Value as Json;

use super::charge::Charge;
use super::credits::Credits;
use super::detail::WrittenDraw;
use super::metadata::{self, Settled};
use super::options::RefundPolicy;
use super::plan::{Plan, Verb};
use super::refund::{Refund, give_back};
use super::refundable::Refundable;
use super::table::{TableName, TaskKind};
use super::task::{TaskFacts, check_made_for, own_charge};
use super::value::{Fields, Value};
use crate::error::{Error, Result};

/// A settlement that the caller wants written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What is settled.
    pub target: Target,
    amount: Amount,
    /// Where credits go.
    pub policy: RefundPolicy,
}

/// What is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The last charge of the task with this id.
    Task(TaskKind, String),
    /// The charge with this id.
    Charge(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// What the charge takes in the end.
    Final(i64),
    /// What goes back of it.
    Back(i64),
    /// Whatever is left of it goes back.
    AllBack,
}

impl Amount {
    /// What the charge takes in the end; too much, if it never took so many.
    fn of(self, charged: i64) -> Result<i64, i64> {
        match self {
            Self::Final(credits) | Self::Back(credits) if credits > charged => Err(credits),
            Self::Final(credits) => Ok(credits),
            Self::Back(credits) => Ok(charged - credits),
            Self::AllBack => Ok(0),
        }
    }
}

/// What a settlement changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Settling {
    /// What goes back.
    pub refundable: Refundable,
    /// What the charge's row says afterwards.
    fields: Fields,
}

impl Settlement {
    /// Reads the arguments of `settleMediaTask`.
    pub fn of_task(
        (kind, id): (TaskKind, String),
        credits: Option<&Value>,
        options: &Fields,
        policy: RefundPolicy,
    ) -> Result<Self> {
        let amount = Credits::parse_or_zero("finalCredits", credits)?;
        let amount = Amount::Final(amount.map_or(0, |credits| credits.get()));
        Ok(Self { target: Target::Task(kind, id), amount, policy: read_policy(options, policy)? })
    }

    /// Reads the arguments of `refundCredits`.
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
        Ok(Self { target: Target::Charge(id), amount, policy: read_policy(options, policy)? })
    }

    /// The charge to settle; of a task, its last one.
    pub fn charge_id<'a>(&'a self, task: Option<&'a TaskFacts>) -> Result<&'a str> {
        match &self.target {
            Target::Charge(id) => Ok(id),
            Target::Task(_, task_id) => task
                .and_then(|task| task.credit_id.as_deref())
                .ok_or_else(|| Error::TaskNotCharged { task_id: task_id.clone() }),
        }
    }

    /// Checks the charge that [`Self::charge_id`] asked for (`None`: it is not there), and says what is
    /// to be changed: nothing, if all of this was done already. `claimed`: the other task that the charge was
    /// made for is there.
    pub fn check(
        &self,
        task: Option<&TaskFacts>,
        charge: Option<Charge>,
        claimed: bool,
    ) -> Result<(Charge, Option<Settling>)> {
        let id = self.charge_id(task)?;
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

    /// What is to be changed, if anything is.
    fn check_amount(&self, charge: &Charge) -> Result<Option<Settling>> {
        let (state, charged) = ChargeState::of(charge);
        let credits = self.amount.of(charged).map_err(|requested| Error::SettleExceedsCharge {
            charge_id: charge.id.clone(),
            charged,
            requested,
        })?;
        let conflict = |settled| {
            Err(Error::SettleConflict { charge_id: charge.id.clone(), settled, requested: credits })
        };
        match state {
            ChargeState::Open => settle(charge, charged, credits).map(Some),
            ChargeState::SettledTo(settled) if settled == credits => Ok(None),
            ChargeState::SettledTo(_) if self.amount == Amount::AllBack => {
                settle(charge, charged, credits).map(Some)
            }
            ChargeState::SettledTo(settled) => conflict(settled),
            ChargeState::Refunded { after } if credits == 0 || after == Some(credits) => Ok(None),
            ChargeState::Refunded { .. } => conflict(0),
        }
    }
}

/// How a charge stands.
enum ChargeState {
    /// It took what it took at first.
    Open,
    /// It took so many in the end.
    SettledTo(i64),
    /// It takes nothing any more; it may have been settled before.
    Refunded { after: Option<i64> },
}

impl ChargeState {
    /// The state of a charge, and what it took at first.
    fn of(charge: &Charge) -> (Self, i64) {
        let settled = metadata::settled(charge.metadata.as_deref(), charge.credits, charge.active);
        let charged = settled.map_or(charge.credits, |settled| settled.charged);
        let settled_to = settled.map(|settled| settled.credits);
        let state = match settled_to {
            after if !charge.active => Self::Refunded { after },
            Some(credits) => Self::SettledTo(credits),
            None => Self::Open,
        };
        (state, charged)
    }
}

fn read_policy(options: &Fields, default: RefundPolicy) -> Result<RefundPolicy> {
    options.only("the options of a refund", &["refundPolicy"])?;
    Ok(RefundPolicy::parse(options.get("refundPolicy"))?.unwrap_or(default))
}

/// What changes when a charge takes so many credits in the end. A charge of nothing is a refunded one,
/// which keeps its draws, as the app's own refunds do.
fn settle(charge: &Charge, charged: i64, credits: i64) -> Result<Settling> {
    let corrupt = |reason: String| Error::ChargeCorrupt { charge_id: charge.id.clone(), reason };
    let draws = charge.draws()?;
    let metadata = metadata::with_settled(charge.metadata.as_deref(), Settled { charged, credits });
    let mut fields = Fields::default();
    fields.set("metadata", Value::Json(metadata));
    if credits == 0 {
        fields.set("status", Value::Text("deleted".to_owned()));
        return Ok(Settling { refundable: Refundable::new(charge, draws), fields });
    }
    let drawn: i64 = draws.iter().map(|draw| draw.credits_consumed).sum();
    if drawn != charge.credits {
        return Err(corrupt(format!(
            "its draws add up to {drawn}, and it took {}",
            charge.credits
        )));
    }
    let mut surplus = drawn - credits;
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
    let detail = rewrite_detail(charge, credits, &kept).map_err(corrupt)?;
    fields.set("credits", Value::Integer(-credits));
    fields.set("consumedDetail", Value::Json(detail));
    Ok(Settling { refundable: Refundable::new(charge, back), fields })
}

/// The items of `consumed_detail` with what each drew in the end; those that drew nothing are gone.
fn rewrite_detail(charge: &Charge, credits: i64, kept: &[WrittenDraw]) -> Result<String, String> {
    let detail = charge.consumed_detail.as_deref().unwrap_or_default();
    let mut items: Vec<serde_json::Map<String, Json>> =
        serde_json::from_slice(detail).map_err(|error| error.to_string())?;
    let mut to_consume = credits;
    for (item, draw) in items.iter_mut().zip(kept) {
        item.insert("creditsToConsume".to_owned(), to_consume.into());
        item.insert("creditsConsumed".to_owned(), draw.credits_consumed.into());
        if let Some(before) = item.get("creditsBefore").and_then(Json::as_i64) {
            item.insert(
                "creditsAfter".to_owned(),
                before.saturating_sub(draw.credits_consumed).into(),
            );
        }
        to_consume -= draw.credits_consumed;
    }
    let mut drew = kept.iter().map(|draw| draw.credits_consumed > 0);
    items.retain(|_| drew.next().unwrap_or(true));
    serde_json::to_string(&items).map_err(|error| error.to_string())
}

/// Decides on a settlement. `settling` is what [`Settlement::check`] found, with the grants that it is about.
pub fn plan_settlement(
    settlement: &Settlement,
    charge: &Charge,
    settling: Option<Settling>,
    now_ms: i64,
) -> (Plan, Refund) {
    let mut plan = Plan::new(&charge.user_id, TableName::Credit, &charge.id);
    let Some(Settling { refundable, mut fields }) = settling else {
        return (plan, Refund::default());
    };
    fields.set("updatedAt", Value::TimeMs(now_ms));
    let refund = give_back(&mut plan, refundable, settlement.policy, now_ms);
    plan.push(TableName::Credit, Verb::UpdateCharge, &charge.id, fields);
    (plan, refund)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: &str = r#"[{"creditId":"a","creditsToConsume":10,"creditsConsumed":7,"creditsBefore":7,"creditsAfter":0},{"creditId":"b","creditsToConsume":3,"creditsConsumed":3,"creditsBefore":9,"creditsAfter":6}]"#;

    fn charge(active: bool, credits: i64, detail: &str, metadata: Option<&str>) -> Charge {
        Charge {
            id: "c".into(),
            user_id: "u".into(),
            active,
            credits,
            consumed_detail: Some(detail.into()),
            metadata: metadata.map(str::to_owned),
        }
    }

    fn last(credits: i64) -> Result<Settlement> {
        let (kind, id, policy) = (TaskKind::Media, "t".to_owned(), RefundPolicy::Source);
        let credits = Value::Integer(credits);
        Settlement::of_task((kind, id), Some(&credits), &Fields::default(), policy)
    }

    fn back(credits: Option<i64>) -> Result<Settlement> {
        let credits = credits.map(Value::Integer);
        let (id, policy) = ("c".to_owned(), RefundPolicy::Source);
        Settlement::of_charge(id, credits.as_ref(), &Fields::default(), policy)
    }

    #[test]
    fn settlements() -> Result<()> {
        let fresh = || charge(true, 10, DRAWN, None);
        let to = |charged: i64, credits: i64| {
            format!(r#"{{"settled":{{"charged":{charged},"credits":{credits}}}}}"#)
        };
        let six = || charge(true, 6, r#"[{"creditId":"a","creditsConsumed":6}]"#, Some(&to(10, 6)));
        let refunded = || charge(false, 10, DRAWN, None);
        let failed_later = || Charge { active: false, ..six() };
        let overdrawn = || charge(true, 5, DRAWN, None);
        type Row<'a> = (Settlement, Charge, Result<Option<&'a [(&'a str, i64)]>, &'a str>);
        let rows: [Row; 24] = [
            // what is asked, the charge; what goes back, or nothing to do, or the code
            (last(10)?, fresh(), Ok(Some(&[]))),
            (last(8)?, fresh(), Ok(Some(&[("b", 2)]))),
            (last(7)?, fresh(), Ok(Some(&[("b", 3)]))),
            (last(6)?, fresh(), Ok(Some(&[("b", 3), ("a", 1)]))),
            (last(0)?, fresh(), Ok(Some(&[("a", 7), ("b", 3)]))),
            (last(11)?, fresh(), Err("SETTLE_EXCEEDS_CHARGE")),
            (last(6)?, six(), Ok(None)),
            (last(5)?, six(), Err("SETTLE_CONFLICT")),
            (last(0)?, six(), Err("SETTLE_CONFLICT")),
            (last(10)?, six(), Err("SETTLE_CONFLICT")),
            (last(0)?, refunded(), Ok(None)),
            (last(5)?, refunded(), Err("SETTLE_CONFLICT")),
            (last(6)?, failed_later(), Ok(None)),
            (last(0)?, failed_later(), Ok(None)),
            (last(5)?, failed_later(), Err("SETTLE_CONFLICT")),
            (last(2)?, overdrawn(), Err("CHARGE_CORRUPT")),
            (last(0)?, overdrawn(), Ok(Some(&[("a", 7), ("b", 3)]))),
            (last(2)?, charge(true, 10, "junk", None), Err("CHARGE_CORRUPT")),
            (back(None)?, fresh(), Ok(Some(&[("a", 7), ("b", 3)]))),
            (back(None)?, six(), Ok(Some(&[("a", 6)]))),
            (back(None)?, refunded(), Ok(None)),
            (back(Some(4))?, fresh(), Ok(Some(&[("b", 3), ("a", 1)]))),
            (back(Some(4))?, six(), Ok(None)),
            (back(Some(11))?, fresh(), Err("SETTLE_EXCEEDS_CHARGE")),
        ];
        for (settlement, charge, expected) in rows {
            let checked = settlement.check_amount(&charge);
            let found = checked.as_ref().map_err(Error::code).map(|settling| {
                settling.as_ref().map(|settling| {
                    let draws = settling.refundable.draws.iter();
                    draws
                        .map(|draw| (draw.credit_id.as_str(), draw.credits_consumed))
                        .collect::<Vec<_>>()
                })
            });
            let expected = expected.map(|some| some.map(<[_]>::to_vec));
            assert_eq!(found, expected, "{settlement:?} {charge:?}");
        }
        Ok(())
    }

    #[test]
    fn the_charge_is_there_and_the_users() -> Result<()> {
        let task = |user_id: &str, credit_id: Option<&str>| TaskFacts {
            user_id: user_id.into(),
            status: "completed".into(),
            credit_id: credit_id.map(str::to_owned),
            updated_at_ms: Ok(0),
            free_trial: None,
        };
        let there = || Some(charge(true, 10, DRAWN, None));
        let rows = [
            // what is asked, the task, the charge; the code
            (last(5)?, Some(task("u", Some("c"))), there(), None),
            (last(5)?, Some(task("v", Some("c"))), there(), Some("CHARGE_OWNER_MISMATCH")),
            (last(5)?, Some(task("u", Some("c"))), None, Some("CHARGE_NOT_FOUND")),
            (last(5)?, Some(task("u", None)), None, Some("CHARGE_NOT_FOUND")),
            (back(None)?, None, there(), None),
            (back(None)?, None, None, Some("CHARGE_NOT_FOUND")),
        ];
        for (settlement, task, charge, code) in rows {
            let checked = settlement.check(task.as_ref(), charge, true);
            assert_eq!(checked.err().map(|error| error.code()), code, "{settlement:?} {task:?}");
        }
        let of_other = r#"{"type":"ai-task","taskId":"t"}"#;
        let rows = [
            // what is asked, whether the other task is there; the code
            (last(5)?, true, Some("CHARGE_OWNER_MISMATCH")),
            (last(5)?, false, None),
            (back(None)?, true, None),
        ];
        for (settlement, claimed, code) in rows {
            let charge = charge(true, 10, DRAWN, Some(of_other));
            let task = task("u", Some("c"));
            let checked = settlement.check(Some(&task), Some(charge), claimed);
            assert_eq!(checked.err().map(|error| error.code()), code, "{settlement:?} {claimed}");
        }
        Ok(())
    }

    #[test]
    fn numbers_that_overflow_are_no_panic() -> Result<()> {
        let item = |before: i64| {
            format!(r#"[{{"creditId":"a","creditsConsumed":10,"creditsBefore":{before}}}]"#)
        };
        for before in [i64::MIN, i64::MAX] {
            let settling = last(6)?.check_amount(&charge(true, 10, &item(before), None))?;
            assert_eq!(settling.map(|settling| settling.refundable.draws.len()), Some(1));
        }
        Ok(())
    }

    #[test]
    fn what_the_charge_says_afterwards() -> Result<()> {
        let rows = [
            // final credits; credits, status, consumed_detail
            (10, Some(-10), None, Some(DRAWN.to_owned())),
            (
                8,
                Some(-8),
                None,
                Some(
                    DRAWN
                        .replace(r#""creditsToConsume":10"#, r#""creditsToConsume":8"#)
                        .replace(r#""creditsToConsume":3,"creditsConsumed":3"#, r#""creditsToConsume":1,"creditsConsumed":1"#)
                        .replace(r#""creditsAfter":6"#, r#""creditsAfter":8"#),
                ),
            ),
            (
                6,
                Some(-6),
                None,
                Some(
                    r#"[{"creditId":"a","creditsToConsume":6,"creditsConsumed":6,"creditsBefore":7,"creditsAfter":1}]"#
                        .to_owned(),
                ),
            ),
            (0, None, Some("deleted"), None),
        ];
        for (credits, took, status, detail) in rows {
            let settling = last(credits)?.check_amount(&charge(true, 10, DRAWN, None))?;
            let fields = settling.expect("something to do").fields;
            assert_eq!(fields.get("credits"), took.map(Value::Integer).as_ref());
            assert_eq!(fields.get("status").and_then(Value::as_text), status);
            assert_eq!(fields.get("consumedDetail"), detail.map(Value::Json).as_ref());
            let settled = Settled { charged: 10, credits };
            assert_eq!(
                fields.get("metadata"),
                Some(&Value::Json(metadata::with_settled(None, settled)))
            );
        }
        Ok(())
    }
}
