use super::*;
use crate::domain::plan::NewIds;

const NOW: i64 = 100 * DAY_MS;

fn claim(state: Option<State>, days_ago: i64) -> Claim {
    let made_ms = NOW - days_ago * DAY_MS;
    let (id, user_id, metadata) = ("c".to_owned(), "u".to_owned(), None);
    Claim { id, user_id, credits: 50, state, made_ms, metadata }
}

fn call(more: &[(&'static str, Value)]) -> Result<TopUp> {
    let mut fields: Fields = more.iter().cloned().collect();
    for (name, text) in [("userId", "u"), ("transactionNo", "k")] {
        fields.set(name, Value::Text(text.to_owned()));
    }
    fields.set("below", Value::Integer(20));
    fields.set("credits", Value::Integer(50));
    TopUp::parse(&fields)
}

#[test]
fn a_claim_is_made_replayed_or_declined() -> Result<()> {
    use State::{Abandoned, Confirmed, Open};
    let stamp =
        || Stamp { ids: NewIds { id: "new".into(), transaction_no: "7".into() }, now_ms: NOW };
    let plain = || call(&[]);
    let cooled = || call(&[("cooldownMs", Value::Integer(2 * DAY_MS))]);
    let capped = || call(&[("atMost", Value::Json(r#"{"credits":120,"per":"week"}"#.into()))]);
    let of = |state, days| claim(Some(state), days);
    type Row = (TopUp, i64, Option<Claim>, Vec<Claim>, Result<&'static str, &'static str>);
    let rows: Vec<Row> = vec![
        // the call, the balance, the row with its key, earlier claims; the decision
        (plain()?, 19, None, vec![], Ok("claimed")),
        (plain()?, 20, None, vec![], Ok("balance")),
        (plain()?, 0, None, vec![of(Open, 9)], Ok("open")),
        (plain()?, 0, None, vec![of(Confirmed, 0), of(Abandoned, 0)], Ok("claimed")),
        (plain()?, 0, None, vec![claim(None, 0)], Ok("claimed")),
        (cooled()?, 0, None, vec![of(Confirmed, 1)], Ok("cooldown")),
        (cooled()?, 0, None, vec![of(Abandoned, 1)], Ok("cooldown")),
        (cooled()?, 0, None, vec![of(Abandoned, 2)], Ok("claimed")),
        (capped()?, 0, None, vec![of(Confirmed, 1)], Ok("claimed")),
        (capped()?, 0, None, vec![of(Confirmed, 1), of(Confirmed, 6)], Ok("limit")),
        (capped()?, 0, None, vec![of(Confirmed, 1), of(Confirmed, 7)], Ok("claimed")),
        (capped()?, 0, None, vec![of(Confirmed, 1), of(Abandoned, 1)], Ok("claimed")),
        (plain()?, 99, Some(of(Open, 0)), vec![of(Open, 0)], Ok("replayed")),
        (plain()?, 99, Some(of(Confirmed, 0)), vec![], Ok("replayed")),
        (plain()?, 99, Some(of(Abandoned, 0)), vec![], Err("TOP_UP_ENDED")),
        (plain()?, 0, Some(claim(None, 0)), vec![], Err("IDEMPOTENCY_CONFLICT")),
        (
            plain()?,
            0,
            Some(Claim { user_id: "v".into(), ..of(Open, 0) }),
            vec![],
            Err("IDEMPOTENCY_CONFLICT"),
        ),
        (
            plain()?,
            0,
            Some(Claim { credits: 51, ..of(Open, 0) }),
            vec![],
            Err("IDEMPOTENCY_CONFLICT"),
        ),
    ];
    for (call, balance, keyed, claims, expected) in rows {
        let facts = Facts { user_exists: true, balance, keyed, claims };
        let decided = call.decide(&facts, stamp()).map_err(|error| error.code());
        let told = decided.map(|decided| match decided {
            Decision::Claimed(_) => "claimed",
            Decision::Replayed => "replayed",
            Decision::Declined(declined) => declined.reason,
        });
        assert_eq!(told, expected, "{call:?} {facts:?}");
    }
    let unknown = plain()?.decide(&Facts::default(), stamp());
    assert_eq!(unknown.map_err(|error| error.code()), Err("USER_NOT_FOUND"));
    Ok(())
}

#[test]
fn an_open_claim_is_confirmed_or_abandoned() {
    use State::{Abandoned, Confirmed, Open};
    let rows = [
        // the state, the requested state; the status afterwards, or the code
        (Some(Open), Confirmed, Ok(Some("active"))),
        (Some(Open), Abandoned, Ok(Some("deleted"))),
        (Some(Confirmed), Confirmed, Ok(None)),
        (Some(Confirmed), Abandoned, Err("TOP_UP_CONFIRMED")),
        (Some(Abandoned), Abandoned, Ok(None)),
        (Some(Abandoned), Confirmed, Err("TOP_UP_ENDED")),
        (None, Confirmed, Err("TOP_UP_NOT_FOUND")),
    ];
    for (state, end, expected) in rows {
        let plan = plan_end(Some(&claim(state, 0)), ("k", end), (NOW, true));
        let status = plan.as_ref().map_err(Error::code).map(|plan| {
            plan.as_ref().and_then(|plan| plan.rows[0].fields.get("status")?.as_text())
        });
        assert_eq!(status, expected, "{state:?} {end:?}");
        let written = plan.iter().flatten().next().and_then(|plan| {
            match plan.rows[0].fields.get("metadata") {
                Some(Value::Json(metadata)) => metadata::top_up_ended(Some(metadata)),
                _ => None,
            }
        });
        assert_eq!(written, matches!(expected, Ok(Some(_))).then_some(NOW), "{state:?} {end:?}");
    }
    let none = plan_end(None, ("k", Confirmed), (NOW, true));
    assert_eq!(none.map_err(|error| error.code()), Err("TOP_UP_NOT_FOUND"));
}

#[test]
fn a_claim_is_unconfirmed_by_its_status_and_metadata() {
    let rows = [
        // status, metadata; whether it is unconfirmed, whether it is half a top-up
        ("pending", r#"{"topUp":"open"}"#, true, false),
        ("deleted", r#"{"topUp":"abandoned"}"#, true, false),
        ("active", r#"{"topUp":"confirmed"}"#, false, false),
        ("deleted", r#"{"topUp":"confirmed"}"#, false, false),
        ("active", r#"{"topUp":"open"}"#, false, true),
        ("deleted", r#"{"topUp":"open"}"#, false, true),
        ("pending", r#"{"topUp":"confirmed"}"#, false, true),
        ("active", r#"{"topUp":"abandoned"}"#, false, true),
        ("pending", "{}", false, false),
    ];
    for (status, metadata, unconfirmed, half) in rows {
        let metadata = Some(metadata);
        assert_eq!(is_unconfirmed(status, metadata), unconfirmed, "{status} {metadata:?}");
        assert_eq!(is_half(status, metadata), half, "{status} {metadata:?}");
    }
}

#[test]
fn a_claim_is_open_since_it_was_made() {
    let rows = [
        // the state, and how many days ago it was made; whether it has been open since yesterday
        (Some(State::Open), 2, true),
        (Some(State::Open), 1, true),
        (Some(State::Open), 0, false),
        (Some(State::Confirmed), 2, false),
        (Some(State::Abandoned), 2, false),
        (None, 2, false),
    ];
    for (state, days_ago, expected) in rows {
        let claim = claim(state, days_ago);
        assert_eq!(claim.is_open_since(NOW - DAY_MS), expected, "{claim:?}");
    }
}

#[test]
fn a_cap_is_read_or_refused() {
    let rows = [
        (r#"{"credits":5,"per":"hour"}"#, Some(DAY_MS / 24)),
        (r#"{"credits":5,"per":"month"}"#, Some(30 * DAY_MS)),
        (r#"{"credits":5,"per":1}"#, Some(1)),
        (r#"{"credits":5,"per":3155760000000}"#, Some(3_155_760_000_000)),
        (r#"{"credits":5,"per":3155760000001}"#, None),
        (r#"{"credits":5,"per":1.5}"#, None),
        (r#"{"credits":5,"per":0}"#, None),
        (r#"{"credits":5,"per":"year"}"#, None),
        (r#"{"credits":0,"per":"day"}"#, None),
        (r#"{"credits":5}"#, None),
        ("[]", None),
    ];
    for (json, per_ms) in rows {
        let cap = Cap::parse(Some(&Value::Json(json.to_owned()))).ok().flatten();
        assert_eq!(cap.map(|cap| cap.per_ms), per_ms, "{json}");
    }
    let more = Value::Json(r#"{"credits":5,"per":"day","more":1}"#.to_owned());
    assert_eq!(Cap::parse(Some(&more)).map_err(|error| error.code()), Err("UNKNOWN_FIELD"));
}
