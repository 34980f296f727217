//! The allowed and required effects of a request, written a second time in the simplest way, so that a rule that
//! is wrong on all stores is found too.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use media_credits::domain::audit::FindingKind;
use media_credits::domain::paying::Scenes;
use media_credits::domain::settle::Difference;
use media_credits::domain::table::TableName::{Credit, Tasks, User};
use media_credits::domain::table::TaskKind;
use media_credits::domain::task::NewTask;
use media_credits::domain::top_up::State;
use media_credits::engine::{Audited, Charging, Operation, Outcome, Read, UserRead, Write};
use media_credits::error::{Error, Result};
use media_credits::storage::Row;
use media_credits::storage::books::UserRange;
use proptest::prelude::*;

use super::Checked;
use super::charging::Choice;
use super::rows::{Ledger, id};
use crate::common::{draws_of, is_active, number, time};

/// A request, and the ledger around it.
pub(super) struct Effect {
    pub(super) request: Operation,
    pub(super) outcome: Result<Outcome>,
    pub(super) before: Rc<Ledger>,
    pub(super) after: Rc<Ledger>,
    pub(super) now_ms: i64,
}

impl Effect {
    /// The outcome of the request, with names that all stores share.
    pub(super) fn told(&self) -> String {
        self.after.told(&self.outcome)
    }

    /// Whether the same request, made again, returns the row of this one.
    pub(super) fn is_replayable(&self) -> bool {
        let replays = |request: &Charging| match request {
            Charging::Task(task) => task.replay,
            Charging::Consume(request) => request.replay,
        };
        let is_asked_for = match &self.request {
            Operation::Write(Write::Grant(grant)) => grant.replay,
            _ => !self.charging().is_empty() && self.charging().iter().all(replays),
        };
        is_asked_for && self.outcome.is_ok()
    }

    /// Whether the outcome is that of an earlier call.
    pub(super) fn is_replayed(&self) -> bool {
        let is_replayed = |outcome: &Outcome| matches!(outcome, Outcome::Replayed(_));
        match &self.outcome {
            Ok(Outcome::All(outcomes)) => outcomes.iter().all(is_replayed),
            Ok(outcome) => is_replayed(outcome),
            Err(_) => false,
        }
    }

    pub(super) fn check(&self) -> Checked {
        let writes = matches!(self.request, Operation::Write(_)) && self.outcome.is_ok();
        if !writes || self.is_replayed() {
            let (before, after) = (&self.before.lines, &self.after.lines);
            prop_assert_eq!(before, after, "written by {:?}", self.request);
        } else {
            self.check_limits()?;
        }
        if let (Operation::Write(Write::AtomicBatch(all)), Ok(Outcome::All(outcomes))) =
            (&self.request, &self.outcome)
        {
            prop_assert_eq!(all.len(), outcomes.len());
        }
        self.check_draws()?;
        self.check_refund()?;
        self.check_moved()?;
        self.check_refusal()?;
        self.check_reading()
    }

    /// What the request charges, if it does.
    fn charging(&self) -> &[Charging] {
        match &self.request {
            Operation::Write(Write::Charge(request)) => std::slice::from_ref(request),
            Operation::Write(Write::AtomicBatch(all)) => all,
            _ => &[],
        }
    }

    /// New charges draw on grants that can be spent and may pay, in draw order.
    fn check_draws(&self) -> Checked {
        let mut left: HashMap<&str, i64> = self
            .before
            .grants()
            .map(|grant| (id(grant), number(grant, "remainingCredits")))
            .collect();
        let was_there = |charge: &&Row| self.before.charges().any(|other| id(other) == id(charge));
        let is_claim = |charge: &&Row| {
            ["chargeback", "expiry"].map(Some).contains(&charge.text("transactionScene"))
        };
        let new = self.after.charges().filter(|charge| !was_there(charge) && !is_claim(charge));
        for charge in new {
            let mut to_draw = -number(charge, "credits");
            let mut draws = Vec::new();
            let grants = spendable(&self.before, charge.text("userId").unwrap(), self.now_ms);
            for grant in chosen(grants, charge.text("transactionScene")) {
                let left = left.get_mut(id(grant)).unwrap();
                let drawn = to_draw.min(*left);
                if drawn > 0 {
                    draws.push((id(grant).to_owned(), drawn));
                    *left -= drawn;
                    to_draw -= drawn;
                }
            }
            prop_assert_eq!(draws_of(charge), draws);
        }
        Ok(())
    }

    /// The credits that a refund reports as spendable can be spent.
    fn check_refund(&self) -> Checked {
        let (row, refund, collected) = match &self.outcome {
            Ok(Outcome::Updated(row, refund)) => (row, refund.as_ref(), 0),
            Ok(Outcome::Settled(row, settled)) => {
                let Difference { refund, collected, uncollected } = settled;
                let is_over = *collected > 0 || *uncollected > 0;
                prop_assert!(!is_over || refund.credits == 0, "{settled:?}");
                (row, Some(refund), *collected)
            }
            _ => return Ok(()),
        };
        let user = row.text("userId").unwrap();
        let gained = self.balance(&self.after, user) - self.balance(&self.before, user);
        let (credits, spendable) =
            refund.map_or((0, 0), |refund| (refund.credits, refund.spendable));
        prop_assert_eq!(gained, spendable - collected);
        // A refund that covers the outstanding credits frees those that the app's own code returned to the same grant.
        let is_claimed = |row: &Row| row.text("metadata").is_some_and(|it| it.contains("revoked"));
        prop_assert!(spendable <= credits || self.before.grants().any(is_claimed));
        let regranted = refund.into_iter().flat_map(|refund| &refund.regranted);
        regranted.map(|regrant| &regrant.grant_id).try_for_each(|id| self.check_regrant(id))
    }

    /// A change of grants reports the change of the user's balance.
    fn check_moved(&self) -> Checked {
        let (user, credits) = match &self.outcome {
            Ok(Outcome::Renewed(row, carried)) => (row.text("userId").unwrap(), carried.moved),
            Ok(Outcome::Grant(_, moved) | Outcome::Standing { moved, replayed: false, .. }) => {
                (moved.user_id.as_text().unwrap(), moved.credits)
            }
            _ => return Ok(()),
        };
        let gained = self.balance(&self.after, user) - self.balance(&self.before, user);
        prop_assert_eq!(gained, credits);
        Ok(())
    }

    /// A regrant has the fields of its sources, none of which was withdrawn. Each source had credits returned.
    fn check_regrant(&self, grant_id: &str) -> Checked {
        let regrant = self.after.find(Credit, grant_id).unwrap();
        let metadata: serde_json::Value = serde_json::from_str(regrant.text("metadata").unwrap())?;
        let mut total = 0;
        for source in metadata["sources"].as_array().unwrap() {
            let at = source["creditId"].as_str().unwrap();
            let (before, after) = (self.before.find(Credit, at), self.after.find(Credit, at));
            let (before, after) = (before.unwrap(), after.unwrap());
            for key in ["transactionScene", "orderNo", "userId"] {
                prop_assert_eq!(before.text(key), regrant.text(key), "{} of {}", key, at);
            }
            prop_assert!(["active", "expired"].contains(&before.text("status").unwrap()), "{at}");
            let credits = source["credits"].as_i64().unwrap();
            prop_assert!(credits <= left(after) - left(before), "{at}");
            total += credits;
        }
        prop_assert_eq!(total, number(regrant, "credits"));
        Ok(())
    }

    fn check_refusal(&self) -> Checked {
        match (&self.outcome, &self.request) {
            (
                Err(Error::InsufficientCredits { required, available, balance }),
                Operation::Write(Write::Charge(request)),
            ) => {
                let all = self.balance(&self.before, request.user_id());
                prop_assert_eq!(balance.unwrap_or(*available), all);
                prop_assert!(available < required && *available <= all);
            }
            (
                Err(Error::TooManyActiveTasks { active, max_active }),
                Operation::Write(Write::Charge(Charging::Task(task))),
            ) => {
                prop_assert_eq!(*active, at_risk(&self.before, task.kind, &task.user_id));
                prop_assert!(active >= max_active);
            }
            (Err(Error::FreeTrialUsedUp { used, limit }), _) => prop_assert!(used >= limit),
            (Err(error), _) => {
                let code = error.code();
                prop_assert!(!code.starts_with("DATABASE"), "{error:?}");
                prop_assert!(code != "INTERNAL" && code != "CHARGE_CORRUPT", "{error:?}");
            }
            (Ok(_), _) => {}
        }
        Ok(())
    }

    /// No new task has exceeded its own limit. Later tasks of a batch have theirs.
    fn check_limits(&self) -> Checked {
        let tasks: Vec<&NewTask> = self.charging().iter().filter_map(task_of).collect();
        for (at, task) in tasks.iter().enumerate() {
            let so_far = || tasks[..=at].iter().filter(|other| other.user_id == task.user_id);
            if let Some(limit) = task.max_active.filter(|_| task.is_at_risk()) {
                let counts = |other: &&&NewTask| other.kind == task.kind && other.is_at_risk();
                let active = at_risk(&self.before, task.kind, &task.user_id)
                    + i64::try_from(so_far().filter(counts).count())?;
                prop_assert!(active <= limit, "{active} tasks where {limit} may be");
            }
            if let Some(limit) = task.free_trial_limit {
                let used = number(self.before.find(User, &task.user_id).unwrap(), "freeTrialUsed");
                let takers = so_far().filter(|other| other.free_trial_limit.is_some()).count();
                let used = used + i64::try_from(takers)?;
                prop_assert!(used <= limit, "{used} trials where {limit} may be");
            }
        }
        Ok(())
    }

    fn check_reading(&self) -> Checked {
        match (&self.request, &self.outcome) {
            (
                Operation::Read(Read::OfUser(user, UserRead::BalanceTotal(paying))),
                Ok(Outcome::Number(balance)),
            ) => {
                let grants = spendable(&self.before, user, self.now_ms).into_iter();
                let pays = grants.filter(|grant| may_pay(&paying.scenes, grant));
                prop_assert_eq!(*balance, pays.map(left).sum::<i64>());
            }
            (Operation::Read(Read::Audit(range)), Ok(Outcome::Audited(audited))) => {
                self.check_audit(range, audited)?;
            }
            (Operation::Read(Read::OpenTopUps(ago_ms, limit)), Ok(Outcome::Rows(rows))) => {
                let is_old = |row: &&Row| {
                    row.text("status") == Some("pending")
                        && time(row, "createdAt") <= Some(self.now_ms - ago_ms)
                };
                let mut claims: Vec<&Row> = self.before.grants().filter(is_old).collect();
                claims.sort_by_key(|row| (time(row, "createdAt"), id(row)));
                let claims: Vec<&str> = claims.into_iter().take(*limit).map(id).collect();
                prop_assert_eq!(rows.iter().map(id).collect::<Vec<_>>(), claims);
            }
            (
                Operation::Read(Read::Fixes(_)) | Operation::Write(Write::Repair(_)),
                Ok(Outcome::Fixes(fixes)),
            ) => {
                prop_assert_eq!(fixes, &[]);
            }
            _ => {}
        }
        Ok(())
    }

    /// An audit reads all rows of its users. It finds only the open top-ups that the app's own code has ended.
    fn check_audit(&self, range: &UserRange, audited: &Audited) -> Checked {
        let is_of_page = |row: &&Row| {
            let user = row.text("userId").unwrap();
            match range {
                UserRange::User(one) => user == one,
                UserRange::Next { after, .. } => {
                    after.as_deref().is_none_or(|after| user > after)
                        && audited.next.as_deref().is_none_or(|next| user <= next)
                }
            }
        };
        let rows: Vec<&Row> = self.before.of_table(Credit).filter(is_of_page).collect();
        prop_assert_eq!(audited.credit_rows, i64::try_from(rows.len())?);
        let is_ended = |row: &&&Row| {
            row.as_top_up().state == Some(State::Open) && row.text("status") != Some("pending")
        };
        let ended: BTreeSet<&str> = rows.iter().filter(is_ended).map(|row| id(row)).collect();
        let mut found = BTreeSet::new();
        for finding in &audited.findings {
            prop_assert_eq!(finding.kind, FindingKind::TopUpDiffers, "{}", finding.message);
            found.insert(finding.rows[0].1.as_str());
        }
        prop_assert_eq!(found, ended);
        Ok(())
    }

    fn balance(&self, ledger: &Ledger, user: &str) -> i64 {
        let grants = spendable(ledger, user, self.now_ms).into_iter();
        grants.map(|grant| number(grant, "remainingCredits")).sum()
    }
}

fn task_of(request: &Charging) -> Option<&NewTask> {
    match request {
        Charging::Task(task) => Some(task),
        Charging::Consume(_) => None,
    }
}

fn left(grant: &Row) -> i64 {
    number(grant, "remainingCredits")
}

/// The grants that a user can spend, in the order in which they are drawn on.
fn spendable<'a>(ledger: &'a Ledger, user: &str, now_ms: i64) -> Vec<&'a Row> {
    let mut grants: Vec<&Row> = ledger.grants().collect();
    grants.retain(|grant| {
        grant.text("userId") == Some(user)
            && is_active(grant)
            && time(grant, "expiresAt").is_none_or(|expires_at_ms| expires_at_ms > now_ms)
    });
    grants.sort_by_key(|grant| {
        (time(grant, "expiresAt").unwrap_or(i64::MAX), time(grant, "createdAt"), id(grant))
    });
    grants
}

/// The grants that may pay for a charge of this scene, in its order; the scene tells the choice.
fn chosen<'a>(mut grants: Vec<&'a Row>, scene: Option<&str>) -> Vec<&'a Row> {
    let Some(choice) = Choice::ALL.into_iter().find(|choice| Some(choice.name()) == scene) else {
        return grants;
    };
    let is_gift = |grant: &Row| grant.text("transactionScene") == Some("gift");
    match choice {
        Choice::Gifts => grants.retain(|grant| is_gift(grant)),
        Choice::NoGifts => grants.retain(|grant| !is_gift(grant)),
        Choice::GiftsFirst => grants.sort_by_key(|grant| !is_gift(grant)),
        Choice::OldestFirst => grants.sort_by_key(|grant| time(grant, "createdAt")),
    }
    grants
}

fn may_pay(scenes: &Scenes, grant: &Row) -> bool {
    let scene = grant.text("transactionScene").unwrap().to_owned();
    match scenes {
        Scenes::All => true,
        Scenes::Only(scenes) => scenes.contains(&scene),
        Scenes::Except(scenes) => !scenes.contains(&scene),
    }
}

/// The number of unfinished tasks of a kind that a user has.
fn at_risk(ledger: &Ledger, kind: TaskKind, user: &str) -> i64 {
    let tasks = ledger.of_table(Tasks(kind)).filter(|task| task.text("userId") == Some(user));
    let is_at_risk = |task: &&Row| {
        let status = task.text("status").unwrap();
        ["pending", "downloading", "processing", "translating"].contains(&status)
            && !(kind == TaskKind::Ai && status == "translating")
    };
    i64::try_from(tasks.filter(is_at_risk).count()).unwrap()
}
