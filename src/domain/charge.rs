//! Planning a charge: which grants pay for it, and the row that remembers it.

use std::collections::BTreeMap;

use super::credits::Credits;
use super::detail::{Draw, WrittenDraw, parse_detail, write_detail};
use super::grant::{Grant, total_remaining};
use super::metadata;
use super::options;
use super::own::Own;
use super::paying::{Paying, Scenes};
use super::plan::{Plan, Stamp, Verb};
use super::spending::{self, Limit, Limits, Spending, Spent};
use super::table::{TableName, TaskKind};
use super::value::{Fields, Value, iso8601};
use crate::error::{Error, Result};

/// A charge as it stands in `credit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its `id`.
    pub id: String,
    /// Whose credits it took.
    pub user_id: String,
    /// Whether its `status` is `active`: a refunded one is `deleted`.
    pub active: bool,
    /// What it took; settling may have lowered it.
    pub credits: i64,
    /// Its `consumed_detail`, as found: text, if it is not damaged.
    pub consumed_detail: Option<Vec<u8>>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Charge {
    /// What it drew, item by item.
    pub fn draws(&self) -> Result<Vec<WrittenDraw>> {
        parse_detail(self.consumed_detail.as_deref())
            .map_err(|reason| Error::ChargeCorrupt { charge_id: self.id.clone(), reason })
    }

    /// Whether no caller has charged it: it is what became of revoked grants, or of those that were not carried over.
    pub fn is_bookkeeping(&self) -> bool {
        let metadata = self.metadata.as_deref();
        metadata::claim(metadata).is_some() || metadata::is_expiry(metadata)
    }

    /// Whether it is a hold: neither settled, kept nor given back yet.
    pub fn is_held(&self) -> bool {
        metadata::is_held(self.metadata_while_active())
    }

    /// The task that could still ask for its credits, if it says that it was made for another one than this.
    pub fn other_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task(self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// The same, where the id of a task says it alone. It may be another system's: the task must be looked for.
    pub fn claiming_task(&self, kind: TaskKind, id: &str) -> Option<(TaskKind, String)> {
        let task = metadata::task_of(kind, self.metadata_while_active())?;
        (task.0 != kind || task.1 != id).then_some(task)
    }

    /// What was refunded belongs to no task any more.
    fn metadata_while_active(&self) -> Option<&str> {
        self.metadata.as_deref().filter(|_| self.active)
    }
}

/// What the caller wants charged.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeRequest {
    /// Whose credits.
    pub user_id: String,
    /// How many.
    pub credits: Credits,
    /// The caller's own `transaction_no`, instead of a new one.
    pub transaction_no: Option<String>,
    /// What the app's pages show of it: `transactionScene` (`payment` for a media task),
    /// `description` and `metadata`; of a hold, `expiresAt`.
    pub described: Fields,
    /// Further columns.
    pub own: Own,
    /// Which credits may pay.
    pub paying: Paying,
    /// What may be spent.
    pub limits: Limits,
    /// Whether the same request, made again, gets the charge that is there.
    pub replay: bool,
}

impl ChargeRequest {
    /// Until when it is a hold, if it is one.
    fn hold_until_ms(&self) -> Option<i64> {
        match self.described.get("expiresAt") {
            Some(Value::TimeMs(until_ms)) => Some(*until_ms),
            _ => None,
        }
    }

    /// Whether it would be a hold until a time that is over.
    pub fn is_late(&self, now_ms: i64) -> bool {
        self.hold_until_ms().is_some_and(|until_ms| until_ms <= now_ms)
    }

    /// Refuses options that are wrong whatever is charged.
    pub fn check_options(options: &Fields) -> Result<()> {
        options.only("consumeCredits", &[&["replay", "limits"][..], &Scenes::NAMES].concat())?;
        Scenes::parse(options)?;
        Limit::check_option(options)?;
        options::flag(options, "replay").map(|_| ())
    }

    /// Reads the parameters and options of `consumeCredits`.
    pub fn parse(fields: &Fields, options: &Fields) -> Result<Self> {
        const DESCRIBED: [(&str, &str); 3] = [
            // parameter, column
            ("scene", "transactionScene"),
            ("description", "description"),
            ("metadata", "metadata"),
        ];
        options::without_transaction("consumeCredits", fields)?;
        // `tx` may be there, and undefined or null.
        let known = ["userId", "credits", "transactionNo", "holdUntil", "tx"];
        let known: Vec<&str> =
            DESCRIBED.iter().map(|(parameter, _)| *parameter).chain(known).collect();
        let own = Own::beside(&known, "consumeCredits", fields)?;
        Self::check_options(options)?;
        let described = DESCRIBED.map(|(parameter, column)| {
            (column, fields.get(parameter).cloned().unwrap_or(Value::Null))
        });
        let mut described: Fields = described.into_iter().collect();
        described.update("metadata", metadata::of_caller);
        if let Some(until_ms) = options::time(fields, "holdUntil")? {
            described.update("metadata", metadata::of_hold);
            described.set("expiresAt", Value::TimeMs(until_ms));
        }
        Ok(Self {
            user_id: fields.id("userId")?,
            credits: Credits::parse("credits", fields.get("credits"))?,
            transaction_no: fields.optional_id("transactionNo")?,
            described,
            own,
            paying: Paying::parse(options)?,
            limits: Limits::default(),
            replay: options::replay(options, "transactionNo", fields)?,
        })
    }
}

impl ChargeRequest {
    /// Its `transaction_scene`.
    pub fn scene(&self) -> Option<&str> {
        self.described.get("transactionScene").and_then(Value::as_text)
    }

    /// What has to be known for its limits: the place of each that is about it, and what is added up.
    pub fn spending(&self, now_ms: i64) -> Vec<(usize, Spending)> {
        spending::spending(&self.limits, self.scene(), now_ms)
    }
}

/// What the database knows that decides on a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeFacts {
    /// Whether the user is there.
    pub user_exists: bool,
    /// Whether the caller's `transaction_no` is taken.
    pub transaction_no_taken: bool,
    /// Spendable grants in the default order: all of them, or as many as cover the charge. All of them with their
    /// provenance, if not all credits may pay or another order is wanted.
    pub grants: Vec<Grant>,
    /// What was spent, for each limit that is about the charge: see [`ChargeRequest::spending`].
    pub spent: Vec<(usize, Vec<Spent>)>,
}

/// Decides on a charge: guards in order of precedence, then draws.
pub fn plan_charge(request: &ChargeRequest, facts: &ChargeFacts, stamp: Stamp) -> Result<Plan> {
    if !facts.user_exists {
        return Err(Error::UserNotFound { user_id: request.user_id.clone() });
    }
    if facts.transaction_no_taken {
        return Err(Error::CreditExists {
            field: "transactionNo",
            value: request.transaction_no.clone().unwrap_or_default(),
        });
    }
    if request.is_late(stamp.now_ms) {
        return Err(Error::InvalidArgument {
            name: "holdUntil".to_owned(),
            expected: "a time in the future".to_owned(),
            given: request.hold_until_ms().and_then(iso8601).unwrap_or_default(),
        });
    }
    spending::check(&request.limits, request.credits.get(), &facts.spent, stamp.now_ms)?;
    let draws = draw_paying(&facts.grants, request.credits, &request.paying)?;

    let Stamp { ids, now_ms } = stamp;
    let transaction_no = request.transaction_no.clone().unwrap_or(ids.transaction_no);
    let mut row = request.described.clone();
    request.own.add_to(&mut row);
    row.set("id", Value::Text(ids.id.clone()));
    row.set("userId", Value::Text(request.user_id.clone()));
    row.set("transactionNo", Value::Text(transaction_no));
    row.set("transactionType", Value::Text("consume".to_owned()));
    row.set("credits", Value::Integer(-request.credits.get()));
    row.set("remainingCredits", Value::Integer(0));
    row.set("status", Value::Text("active".to_owned()));
    row.set("createdAt", Value::TimeMs(now_ms));
    row.set("updatedAt", Value::TimeMs(now_ms));
    row.set("consumedDetail", Value::Json(write_detail(&draws)?));

    let mut plan = Plan::new(&request.user_id, TableName::Credit, &ids.id);
    plan.draws = draws;
    plan.push(TableName::Credit, Verb::Insert, &ids.id, row);
    Ok(plan)
}

/// What is left of some grants, after draws in any order: a charge may draw on a hundred thousand.
pub fn draw_down(grants: &mut Vec<Grant>, draws: &[Draw]) {
    let left: BTreeMap<&str, i64> =
        draws.iter().map(|draw| (draw.credit_id.as_str(), draw.credits_after)).collect();
    grants.retain_mut(|grant| {
        grant.remaining = left.get(grant.id.as_str()).copied().unwrap_or(grant.remaining);
        grant.remaining > 0
    });
}

/// Draws credits from those grants that may pay, in draw order.
pub fn draw_paying(grants: &[Grant], credits: Credits, paying: &Paying) -> Result<Vec<Draw>> {
    draw(&paying.choose(grants), credits).map_err(|refusal| match refusal {
        Error::InsufficientCredits { required, available, .. } if !paying.takes_all() => {
            Error::InsufficientCredits {
                required,
                available,
                balance: Some(total_remaining(grants)),
            }
        }
        refusal => refusal,
    })
}

/// Draws credits from grants, in their order.
pub fn draw(grants: &[Grant], credits: Credits) -> Result<Vec<Draw>> {
    let draws = draw_as_far(grants, credits.get());
    let available = draws.iter().map(|draw| draw.credits_consumed).sum();
    if available < credits.get() {
        return Err(Error::InsufficientCredits {
            required: credits.get(),
            available,
            balance: None,
        });
    }
    Ok(draws)
}

/// Draws so many credits from grants, in their order, or as many as these have.
pub fn draw_as_far(grants: &[Grant], credits: i64) -> Vec<Draw> {
    let mut draws = Vec::new();
    let mut to_consume = credits;
    for (batch_no, grant) in (1..).zip(grants) {
        if to_consume == 0 {
            break;
        }
        let consumed = grant.remaining.min(to_consume);
        draws.push(Draw {
            credit_id: grant.id.clone(),
            transaction_no: grant.transaction_no.clone(),
            expires_at: grant.expires_at_ms.and_then(iso8601),
            credits_to_consume: to_consume,
            credits_consumed: consumed,
            credits_before: grant.remaining,
            credits_after: grant.remaining - consumed,
            batch_size: 1000,
            batch_no,
        });
        to_consume -= consumed;
    }
    draws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::NewIds;

    fn grant(id: &str, remaining: i64, expires_at_ms: Option<i64>) -> Grant {
        Grant {
            id: id.to_owned(),
            transaction_no: format!("no-{id}"),
            credits: 100,
            remaining,
            expires_at_ms,
            active: true,
            provenance: None,
        }
    }

    fn request(credits: i64) -> Result<ChargeRequest> {
        let fields = [
            ("userId", Value::Text("u".into())),
            ("credits", Value::Integer(credits)),
            ("scene", Value::Text("payment".into())),
        ];
        ChargeRequest::parse(&fields.into_iter().collect(), &Fields::default())
    }

    fn stamp(now_ms: i64) -> Stamp {
        Stamp { ids: NewIds { id: "charge".into(), transaction_no: "17".into() }, now_ms }
    }

    #[test]
    fn holds() -> Result<()> {
        let time = |time_ms| Some(Value::TimeMs(time_ms));
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let taken = |taken| ChargeFacts {
            user_exists: true,
            transaction_no_taken: taken,
            grants: vec![grant("a", 10, None)],
            spent: Vec::new(),
        };
        let rows = [
            // holdUntil at 5, whether the number is taken; the end and the metadata, or the code
            (None, false, Ok((None, r#"{"a":1}"#))),
            (Some(Value::Null), false, Ok((None, r#"{"a":1}"#))),
            (time(6), false, Ok((time(6), r#"{"a":1,"held":true}"#))),
            (time(5), false, Err("INVALID_ARGUMENT")),
            (time(-1), false, Err("INVALID_ARGUMENT")),
            (time(5), true, Err("CREDIT_EXISTS")),
            (Some(Value::InvalidDate), false, Err("INVALID_DATE")),
            (Some(Value::Integer(6)), false, Err("INVALID_DATE")),
            (text("2026-12-01"), false, Err("INVALID_DATE")),
        ];
        for (until, taken_no, expected) in rows {
            let mut fields: Fields =
                until.iter().map(|until| ("holdUntil", until.clone())).collect();
            fields.set("userId", Value::Text("u".into()));
            fields.set("credits", Value::Integer(3));
            fields.set("metadata", Value::Json(r#"{"a":1,"held":true}"#.into()));
            let request = ChargeRequest::parse(&fields, &Fields::default());
            let plan = request.and_then(|it| plan_charge(&it, &taken(taken_no), stamp(5)));
            let row = plan.map(|plan| plan.rows[0].fields.clone()).map_err(|error| error.code());
            let told = row.as_ref().map(|row| (row.get("expiresAt"), row.get("metadata")));
            let expected = expected.map(|(at, metadata)| (at, Value::Json(metadata.to_owned())));
            let expected = expected.as_ref().map(|(at, metadata)| (at.as_ref(), Some(metadata)));
            assert_eq!(told, expected, "{until:?}");
        }
        Ok(())
    }

    #[test]
    fn draws() -> Result<()> {
        let a = || grant("a", 10, Some(5));
        let b = || grant("b", 20, None);
        // grant, to consume, consumed, after
        type Drawn<'a> = (&'a str, i64, i64, i64);
        type Row<'a> = (&'a [Grant], i64, Result<&'a [Drawn<'a>], &'a str>);
        let rows: [Row; 8] = [
            // grants in draw order, credits; what is drawn or the refusal
            (&[a(), b()], 1, Ok(&[("a", 1, 1, 9)])),
            (&[a(), b()], 10, Ok(&[("a", 10, 10, 0)])),
            (&[a(), b()], 11, Ok(&[("a", 11, 10, 0), ("b", 1, 1, 19)])),
            (&[a(), b()], 30, Ok(&[("a", 30, 10, 0), ("b", 20, 20, 0)])),
            (&[a(), b()], 31, Err("Insufficient credits, 30 < 31")),
            (&[a()], 2_147_483_647, Err("Insufficient credits, 10 < 2147483647")),
            (&[], 1, Err("Insufficient credits, 0 < 1")),
            (&[b(), a()], 1, Ok(&[("b", 1, 1, 19)])),
        ];
        for (grants, credits, expected) in rows {
            let facts = ChargeFacts {
                user_exists: true,
                transaction_no_taken: false,
                grants: grants.to_vec(),
                spent: Vec::new(),
            };
            let plan = plan_charge(&request(credits)?, &facts, stamp(0));
            let drawn = plan.as_ref().map(|plan| {
                plan.draws
                    .iter()
                    .map(|draw| {
                        let Draw { credits_to_consume, credits_consumed, credits_after, .. } =
                            *draw;
                        (
                            draw.credit_id.as_str(),
                            credits_to_consume,
                            credits_consumed,
                            credits_after,
                        )
                    })
                    .collect::<Vec<_>>()
            });
            assert_eq!(
                drawn.map_err(ToString::to_string),
                expected.map(<[_]>::to_vec).map_err(str::to_owned),
                "{credits} of {grants:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn what_draws_leave() -> Result<()> {
        let rows: [(i64, &[(&str, i64)]); 4] = [
            // credits; what is left of a and b
            (1, &[("a", 9), ("b", 20)]),
            (10, &[("b", 20)]),
            (11, &[("b", 19)]),
            (30, &[]),
        ];
        for (credits, expected) in rows {
            let mut grants = vec![grant("a", 10, Some(5)), grant("b", 20, None)];
            let draws = draw(&grants, request(credits)?.credits)?;
            draw_down(&mut grants, &draws);
            let left: Vec<_> =
                grants.iter().map(|grant| (grant.id.as_str(), grant.remaining)).collect();
            assert_eq!(left, expected, "{credits}");
        }
        Ok(())
    }

    /// If each draw looked for its grant from the first one on, this would take minutes.
    #[test]
    fn a_charge_may_draw_on_very_many_grants() -> Result<()> {
        let mut grants: Vec<Grant> =
            (0..100_000).map(|at| grant(&format!("{at:06}"), 2, Some(at))).collect();
        let draws = draw(&grants, request(199_999)?.credits)?;
        draw_down(&mut grants, &draws);
        assert_eq!(grants, [grant("099999", 1, Some(99_999))]);
        Ok(())
    }

    #[test]
    fn guards_in_order() -> Result<()> {
        let rows = [
            // user exists, number taken; the code
            (false, true, "USER_NOT_FOUND"),
            (true, true, "CREDIT_EXISTS"),
            (true, false, "INSUFFICIENT_CREDITS"),
        ];
        for (user_exists, transaction_no_taken, code) in rows {
            let facts = ChargeFacts { user_exists, transaction_no_taken, ..ChargeFacts::default() };
            let plan = plan_charge(&request(5)?, &facts, stamp(0));
            assert_eq!(plan.map_err(|error| error.code()), Err(code));
        }
        Ok(())
    }

    /// The bytes that the app's own pages and refund code read.
    #[test]
    fn the_row_is_the_apps() -> Result<()> {
        let facts = ChargeFacts {
            user_exists: true,
            transaction_no_taken: false,
            grants: vec![grant("g", 56, Some(1_797_022_109_250)), grant("h", 5, None)],
            spent: Vec::new(),
        };
        let plan = plan_charge(&request(57)?, &facts, stamp(7))?;
        assert_eq!(
            plan.rows[0].fields.get("consumedDetail"),
            Some(&Value::Json(
                concat!(
                r#"[{"creditId":"g","transactionNo":"no-g","expiresAt":"2026-12-11T20:48:29.250Z","#,
                r#""creditsToConsume":57,"creditsConsumed":56,"creditsBefore":56,"creditsAfter":0,"#,
                r#""batchSize":1000,"batchNo":1},{"creditId":"h","transactionNo":"no-h","#,
                r#""expiresAt":null,"creditsToConsume":1,"creditsConsumed":1,"creditsBefore":5,"#,
                r#""creditsAfter":4,"batchSize":1000,"batchNo":2}]"#
                )
                .to_owned()
            ))
        );
        assert_eq!(plan.rows[0].fields.get("credits"), Some(&Value::Integer(-57)));
        assert_eq!(plan.rows[0].fields.get("updatedAt"), Some(&Value::TimeMs(7)));
        Ok(())
    }
}
