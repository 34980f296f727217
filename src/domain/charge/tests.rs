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
    ChargeRequest::parse(&fields.into_iter().collect(), &CallOptions::default())
}

fn stamp(now_ms: i64) -> Stamp {
    Stamp { ids: NewIds { id: "charge".into(), transaction_no: "17".into() }, now_ms }
}

#[test]
fn a_hold_has_a_deadline_in_the_future() -> Result<()> {
    let time = |time_ms| Some(Value::TimeMs(time_ms));
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let taken = |taken| ChargeFacts {
        user_exists: true,
        transaction_no_taken: taken,
        grants: vec![grant("a", 10, None)],
        spent: Vec::new(),
    };
    let rows = [
        // holdUntil at 5, whether the number is in use; expiry and metadata, or the code
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
        let mut fields: Fields = until.iter().map(|until| ("holdUntil", until.clone())).collect();
        fields.set("userId", Value::Text("u".into()));
        fields.set("credits", Value::Integer(3));
        fields.set("metadata", Value::Json(r#"{"a":1,"held":true}"#.into()));
        let request = ChargeRequest::parse(&fields, &CallOptions::default());
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
fn a_charge_draws_on_grants_in_order() -> Result<()> {
    let a = || grant("a", 10, Some(5));
    let b = || grant("b", 20, None);
    // grant, credits to consume, consumed, after
    type Drawn<'a> = (&'a str, i64, i64, i64);
    type Row<'a> = (&'a [Grant], i64, Result<&'a [Drawn<'a>], &'a str>);
    let rows: [Row; 8] = [
        // grants in draw order, credits; the draws or the refusal
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
                    let Draw { credits_to_consume, credits_consumed, credits_after, .. } = *draw;
                    (draw.credit_id.as_str(), credits_to_consume, credits_consumed, credits_after)
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
fn draws_lower_remaining_credits() -> Result<()> {
    let rows: [(i64, &[(&str, i64)]); 4] = [
        // credits; the rest of a and b
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

/// A linear search for each draw's grant would take minutes.
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
fn a_charge_is_refused_by_the_first_guard() -> Result<()> {
    let rows = [
        // user exists, number in use; the code
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

/// The exact bytes that the app's pages and refund code read.
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
