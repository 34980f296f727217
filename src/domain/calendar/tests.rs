use super::*;

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

#[test]
fn a_window_begins_and_ends_by_the_calendar() {
    use Per::{Day, Hour, Month, Ms, Week};
    let rows = [
        // zone, per, since; now; from, until
        ("UTC", Hour, "", "2026-11-30T02:34:32Z", "2026-11-30T02:00:00Z", "2026-11-30T03:00:00Z"),
        ("UTC", Day, "", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"),
        (
            "UTC",
            Day,
            "",
            "2026-11-30T23:59:59.999Z",
            "2026-11-30T00:00:00Z",
            "2026-12-01T00:00:00Z",
        ),
        // 2026-11-30 is a Monday.
        ("UTC", Week, "", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
        ("UTC", Week, "", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("UTC", Month, "", "2026-12-31T12:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("UTC", Month, "", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        // Half an hour beside the full one.
        (
            "Asia/Kolkata",
            Hour,
            "",
            "2026-11-30T02:34:32Z",
            "2026-11-30T02:30:00Z",
            "2026-11-30T03:30:00Z",
        ),
        (
            "Asia/Kolkata",
            Day,
            "",
            "2026-11-30T20:00:00Z",
            "2026-11-30T18:30:00Z",
            "2026-12-01T18:30:00Z",
        ),
        // A day of 23 hours, and one of 25.
        (
            "Europe/Berlin",
            Day,
            "",
            "2026-03-29T10:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        (
            "Europe/Berlin",
            Day,
            "",
            "2026-10-25T10:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        ),
        (
            "America/New_York",
            Day,
            "",
            "2026-11-01T05:30:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        ),
        (
            "America/New_York",
            Hour,
            "",
            "2026-11-01T06:30:00Z",
            "2026-11-01T06:00:00Z",
            "2026-11-01T07:00:00Z",
        ),
        // Weeks and months over a change.
        (
            "Europe/Berlin",
            Week,
            "",
            "2026-03-30T00:00:00Z",
            "2026-03-29T22:00:00Z",
            "2026-04-05T22:00:00Z",
        ),
        (
            "Europe/Berlin",
            Week,
            "",
            "2026-03-29T21:59:59Z",
            "2026-03-22T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        (
            "America/New_York",
            Month,
            "",
            "2026-11-15T00:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-12-01T05:00:00Z",
        ),
        // A midnight that does not exist: the clock goes from 24:00 to 1:00 (until 2018).
        (
            "America/Sao_Paulo",
            Day,
            "",
            "2018-11-04T12:00:00Z",
            "2018-11-04T03:00:00Z",
            "2018-11-05T02:00:00Z",
        ),
        // A day that does not exist, and a zone with an offset of 13 hours.
        (
            "Pacific/Apia",
            Day,
            "",
            "2011-12-30T12:00:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-31T10:00:00Z",
        ),
        // Billing cycles: the 31st, in shorter months the last day, and then the 31st again.
        (
            "UTC",
            Month,
            "2026-01-31T10:00:00Z",
            "2026-02-28T09:59:59Z",
            "2026-01-31T10:00:00Z",
            "2026-02-28T10:00:00Z",
        ),
        (
            "UTC",
            Month,
            "2026-01-31T10:00:00Z",
            "2026-02-28T10:00:00Z",
            "2026-02-28T10:00:00Z",
            "2026-03-31T10:00:00Z",
        ),
        (
            "UTC",
            Month,
            "2024-02-29T00:00:00Z",
            "2026-11-30T00:00:00Z",
            "2026-11-29T00:00:00Z",
            "2026-12-29T00:00:00Z",
        ),
        (
            "UTC",
            Month,
            "2027-01-15T00:00:00Z",
            "2026-11-30T00:00:00Z",
            "2026-11-15T00:00:00Z",
            "2026-12-15T00:00:00Z",
        ),
        // 10 o'clock stays 10 o'clock.
        (
            "Europe/Berlin",
            Day,
            "2026-01-01T09:00:00Z",
            "2026-07-01T08:30:00Z",
            "2026-07-01T08:00:00Z",
            "2026-07-02T08:00:00Z",
        ),
        (
            "Europe/Berlin",
            Month,
            "2026-01-10T09:00:00Z",
            "2026-07-10T08:00:00Z",
            "2026-07-10T08:00:00Z",
            "2026-08-10T08:00:00Z",
        ),
        (
            "Europe/Berlin",
            Week,
            "2026-03-26T09:00:00Z",
            "2026-04-02T07:59:59Z",
            "2026-03-26T09:00:00Z",
            "2026-04-02T08:00:00Z",
        ),
        (
            "UTC",
            Hour,
            "2026-11-30T00:20:00Z",
            "2026-11-30T02:34:32Z",
            "2026-11-30T02:20:00Z",
            "2026-11-30T03:20:00Z",
        ),
        (
            "UTC",
            Ms(5 * HOUR_MS),
            "2026-11-30T00:20:00Z",
            "2026-11-30T06:00:00Z",
            "2026-11-30T05:20:00Z",
            "2026-11-30T10:20:00Z",
        ),
        (
            "UTC",
            Ms(5 * HOUR_MS),
            "2026-11-30T09:00:00Z",
            "2026-11-30T06:00:00Z",
            "2026-11-30T04:00:00Z",
            "2026-11-30T09:00:00Z",
        ),
    ];
    for (name, per, since, now, from, until) in rows {
        let since_ms = (!since.is_empty()).then(|| ms(since));
        let found = window(per, since_ms, &zone(name).unwrap(), ms(now)).unwrap();
        let expected = Window { since_ms: ms(from), until_ms: Some(ms(until)) };
        assert_eq!(found, expected, "{name} {per:?} {since} at {now}");
    }
}

#[test]
fn a_rolling_window_ends_now() {
    let found = window(Per::Ms(1000), None, &TimeZone::UTC, 5000);
    assert_eq!(found, Some(Window { since_ms: 4001, until_ms: None }));
}

#[test]
fn a_time_zone_has_a_known_name() {
    let rows = [
        ("UTC", true),
        ("Europe/Berlin", true),
        ("america/new_york", true),
        ("Europe/Atlantis", false),
        ("CET+1", false),
        ("../etc/passwd", false),
        ("", false),
    ];
    for (name, is_there) in rows {
        assert_eq!(zone(name).is_some(), is_there, "{name}");
    }
}

/// Each window ends where the next one begins, and contains the time that was asked for.
#[test]
fn each_window_begins_where_another_ends() {
    for name in ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
    {
        let zone = zone(name).unwrap();
        for per in [Per::Day, Per::Week, Per::Month] {
            for since_ms in [None, Some(ms("2025-12-31T22:10:00Z"))] {
                let mut now_ms = ms("2026-01-01T00:00:00Z");
                for _ in 0..400 {
                    let found = window(per, since_ms, &zone, now_ms).unwrap();
                    let until_ms = found.until_ms.unwrap();
                    assert!(found.since_ms <= now_ms && now_ms < until_ms, "{name} {per:?}");
                    let last = window(per, since_ms, &zone, until_ms - 1).unwrap();
                    assert_eq!(last, found, "{name} {per:?} {since_ms:?} before {until_ms}");
                    let next = window(per, since_ms, &zone, until_ms).unwrap();
                    assert_eq!(next.since_ms, until_ms, "{name} {per:?} {since_ms:?}");
                    now_ms = until_ms;
                }
            }
        }
    }
}
