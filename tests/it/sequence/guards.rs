//! A plan that no longer fits the rows, because they have changed since, is refused by each store,
//! and nothing of it is written.

use media_credits::domain::detail::Draw;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::plan::{Plan, Verb};
use media_credits::domain::settle::Settlement;
use media_credits::domain::table::TableName::{Credit, Tasks};
use media_credits::domain::table::TaskKind::Media;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::Write;

use super::rows::{Ledger, id};
use super::{START_MS, stores};
use crate::common::{consume, fields, grant, row, text};

fn draw(grant: &str, credits: i64) -> Draw {
    Draw {
        credit_id: grant.to_owned(),
        transaction_no: String::new(),
        expires_at: None,
        credits_to_consume: credits,
        credits_consumed: credits,
        credits_before: 6,
        credits_after: 6 - credits,
        batch_size: 1000,
        batch_no: 1,
    }
}

#[test]
fn a_plan_that_does_not_fit_the_rows_any_more_is_refused_by_each_store() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mut store) in stores::all(folder.path(), "guards") {
        store.start(&["u"]);
        let mut made = |write: &Write| id(&row(store.write(write, START_MS).unwrap())).to_owned();
        let source = made(&grant("u", 10, None));
        let charge = made(&consume("u", 4));
        let refunded = made(&consume("u", 3));
        let (none, policy) = (Fields::default(), RefundPolicy::Source);
        made(&Write::Settle(Settlement::of_charge(refunded.clone(), None, &none, policy).unwrap()));
        let before = Ledger::of(store.as_mut(), &Ledger::default(), START_MS);

        type Change<'a> = Box<dyn Fn(&mut Plan) + 'a>;
        let flip = || fields(&[("status", text("deleted"))]);
        let changes: [(&str, Change); 5] = [
            ("it draws more than is left", Box::new(|plan| plan.draws.push(draw(&source, 7)))),
            (
                "it gives back more than is gone",
                Box::new(|plan| plan.returns.push((source.clone(), 5))),
            ),
            (
                "it refunds what is refunded",
                Box::new(|plan| plan.push(Credit, Verb::UpdateCharge, &refunded, flip())),
            ),
            (
                "it refunds a grant",
                Box::new(|plan| plan.push(Credit, Verb::UpdateCharge, &source, flip())),
            ),
            (
                "it changes a task that is gone",
                Box::new(|plan| plan.push(Tasks(Media), Verb::Update, "gone", flip())),
            ),
        ];
        for (what, change) in changes {
            let mut plan = Plan::new("u", Credit, &charge);
            // The plan's other change fits.
            let note = fields(&[("description", Value::Text(what.to_owned()))]);
            plan.push(Credit, Verb::Update, &charge, note);
            change(&mut plan);
            assert!(store.write_plan(&plan, START_MS).is_err(), "{name}: {what}");
            let after = Ledger::of(store.as_mut(), &before, START_MS);
            assert_eq!(after.lines, before.lines, "{name}: {what}");
        }
        let mut fits = Plan::new("u", Credit, &charge);
        fits.draws.push(draw(&source, 6));
        fits.push(Credit, Verb::UpdateCharge, &charge, flip());
        store.write_plan(&fits, START_MS).unwrap();
    }
}
