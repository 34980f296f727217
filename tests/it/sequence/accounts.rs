//! The facts for a change of accounts are the same on each store.

use media_credits::domain::plan::{Plan, Verb};
use media_credits::domain::table::TableName::Credit;
use media_credits::domain::value::Value;
use media_credits::storage::account::{Account, Pick, WantedAccount, Whose};

use super::rows::id;
use super::{START_MS, stores};
use crate::common::{fields, text};

const HOUR_MS: i64 = 3_600_000;

/// Grants and charges by their ids: user, type, status, remaining credits, creation and expiry, order.
type Written<'a> =
    (&'a str, &'a str, &'a str, &'a str, i64, i64, Option<i64>, Option<&'a str>, &'a str);

const ROWS: [Written<'_>; 7] = [
    ("a", "u", "grant", "active", 5, 0, None, Some("o"), "payment"),
    ("b", "u", "grant", "active", 0, 1, Some(9), Some("o"), "payment"),
    ("c", "u", "grant", "deleted", 5, 2, Some(8), None, "gift"),
    ("d", "u", "grant", "active", 5, 3, Some(7), None, "gift"),
    ("e", "u", "consume", "active", 0, 4, None, None, "chargeback"),
    ("f", "v", "grant", "active", 5, 5, None, Some("o"), "payment"),
    ("g", "v", "grant", "active", 5, 6, None, Some("p"), "payment"),
];

fn plan(&(id, user, kind, status, left, at, ends, order, scene): &Written<'_>) -> Plan {
    let hours = |hours: i64| START_MS + hours * HOUR_MS;
    let mut plan = Plan::new(user, Credit, id);
    let row = [
        ("id", text(id)),
        ("userId", text(user)),
        ("transactionNo", text(&format!("no-{id}"))),
        ("transactionType", text(kind)),
        ("transactionScene", text(scene)),
        ("status", text(status)),
        ("credits", Value::Integer(5)),
        ("remainingCredits", Value::Integer(left)),
        ("orderNo", Value::text_or_null(order)),
        ("expiresAt", Value::time_or_null(ends.map(hours))),
        ("createdAt", Value::TimeMs(hours(at))),
        ("updatedAt", Value::TimeMs(hours(at))),
    ];
    plan.push(Credit, Verb::Insert, id, fields(&row));
    plan
}

fn told(account: &Account) -> (String, String, Option<&str>) {
    let users: Vec<&str> = account.users.iter().map(String::as_str).collect();
    let rows: Vec<&str> = account.rows.iter().map(id).collect();
    (users.join(" "), rows.join(" "), account.keyed.as_ref().map(id))
}

#[test]
fn the_facts_for_a_change_of_accounts_are_the_same_on_each_store() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mut store) in stores::all(folder.path(), "accounts") {
        store.start(&["u", "v"]);
        ROWS.iter().for_each(|row| store.write_plan(&plan(row), START_MS).unwrap());
        let with = |column, texts: &[&'static str]| Pick::With(column, texts.to_vec());
        type Asked<'a> =
            (Whose<'a>, Vec<Pick<'a>>, Option<&'a str>, (&'a str, &'a str, Option<&'a str>));
        let rows: [Asked<'_>; 9] = [
            // whose, which, the call's key; the users, their rows in draw order, the row with the key
            (Whose::User("u"), vec![with("id", &["a", "c", "g", "x"])], None, ("u", "c a", None)),
            (Whose::User("u"), vec![Pick::Unspent], Some("no-g"), ("u", "d a", Some("g"))),
            (
                Whose::User("u"),
                vec![Pick::GrantsSince(START_MS + 2 * HOUR_MS)],
                None,
                ("u", "d c", None),
            ),
            (
                Whose::User("u"),
                vec![with("order_no", &["o"]), with("transaction_scene", &["chargeback"])],
                Some("none"),
                ("u", "b a e", None),
            ),
            (Whose::User("x"), vec![Pick::Unspent], None, ("", "", None)),
            (
                Whose::With("order_no", "o"),
                vec![with("order_no", &["o"])],
                None,
                ("u v", "b a f", None),
            ),
            (
                Whose::With("order_no", "p"),
                vec![with("order_no", &["p", "o"])],
                None,
                ("v", "f g", None),
            ),
            (Whose::With("id", "a"), vec![with("status", &["deleted"])], None, ("u", "c", None)),
            (Whose::With("transaction_no", "no-x"), vec![Pick::Unspent], None, ("", "", None)),
        ];
        for (whose, picks, transaction_no, expected) in rows {
            let wanted = WantedAccount { whose, picks, transaction_no };
            let account = store.account(&wanted).unwrap();
            let (users, rows, keyed) = told(&account);
            assert_eq!((users.as_str(), rows.as_str(), keyed), expected, "{name}: {wanted:?}");
        }
    }
}
