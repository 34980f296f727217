//! How tables of MySQL store ids, texts and times.

use media_credits::domain::table::TableName::{Credit, Tasks, User};
use media_credits::domain::table::TaskKind::Media;
use media_credits::domain::value::Value;
use media_credits::engine::{Outcome, Write};

use super::world::{World, now_ms, told};
use crate::common::{consume, create_task, draws_of, grant, row, text, time, update_task};

/// 2038-01-19T11:14:07.999Z: the last second of a `timestamp` in the server's time zone, +08:00.
const TIMESTAMP_ENDS_MS: i64 = 2_147_512_447_999;

#[test]
fn ids_are_one_user_only_if_their_bytes_are_the_same() {
    let world = World::new("collations", "", &["a", "é"]);
    world.write(grant("a", 10, None)).unwrap();
    world.write(grant("é", 7, None)).unwrap();
    // In the column's collation these ids are equal.
    for other in ["A", "a ", "á", "e", "É"] {
        assert_eq!(told(&world.write(consume(other, 1))), "USER_NOT_FOUND", "{other}");
        assert_eq!(told(&world.write(grant(other, 1, None))), "USER_NOT_FOUND", "{other}");
        assert_eq!((world.balance(other), world.credits(other)), (0, 0), "{other}");
        assert!(world.find(User, other).is_none(), "{other}");
    }
    world.write(create_task("t", "a", 4)).unwrap();
    for other in ["T", "t "] {
        assert!(world.find(Tasks(Media), other).is_none());
        assert!(row_of_nothing(&world, other), "{other}");
        // The table can't hold both.
        assert_eq!(told(&world.write(create_task(other, "a", 1))), "TASK_EXISTS", "{other}");
    }
    assert_eq!((world.balance("a"), world.balance("é")), (6, 7));
}

fn row_of_nothing(world: &World, id: &str) -> bool {
    let failed = world.write(update_task(id, &[("status", text("failed"))]));
    matches!(failed, Ok(Outcome::Row(None)))
}

#[test]
fn old_character_sets_store_the_characters_that_they_have() {
    let latin1 = "SET foreign_key_checks = 0; \
                  ALTER TABLE credit DROP FOREIGN KEY credit_user_id_user_id_fk; \
                  ALTER TABLE media_tasks DROP FOREIGN KEY media_tasks_user_id_user_id_fk; \
                  ALTER TABLE ai_task DROP FOREIGN KEY ai_task_user_id_user_id_fk; \
                  ALTER TABLE `user` CONVERT TO CHARACTER SET latin1; \
                  ALTER TABLE credit CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_bin; \
                  ALTER TABLE media_tasks CONVERT TO CHARACTER SET latin1 COLLATE latin1_german1_ci;";
    let world = World::new("charsets", latin1, &["u", "ü"]);
    for (user, task) in [("u", "tásk"), ("ü", "täsk 2")] {
        world.write(grant(user, 10, None)).unwrap();
        world.write(create_task(task, user, 3)).unwrap();
        assert_eq!(world.balance(user), 7);
        world.write(update_task(task, &[("status", text("failed"))])).unwrap();
        assert_eq!(world.balance(user), 10);
    }
    for other in ["字", "U", "?"] {
        assert_eq!(told(&world.write(consume(other, 1))), "USER_NOT_FOUND", "{other}");
    }
    world.write(create_task("t", "u", 0)).unwrap();
    let titled = |title: &str| update_task("t", &[("title", text(title))]);
    world.write(titled("Grüße")).unwrap();
    let error = world.write(titled("字幕")).unwrap_err();
    assert_eq!(error.code(), "DATABASE_ERROR");
    assert!(error.to_string().contains("title"), "{error}");
    assert_eq!(world.find(Tasks(Media), "t").unwrap().text("title"), Some("Grüße"));
}

#[test]
fn times_are_whole_seconds() {
    let world = World::new("seconds", "", &["u"]);
    // In the column both have the same second; the later one is granted first.
    let expires_at_ms = now_ms() / 1000 * 1000 + 3_600_000;
    let expiries = [expires_at_ms + 999, expires_at_ms, expires_at_ms + 1000];
    let grants = expiries.map(|expiry| row(world.write(grant("u", 1, Some(expiry))).unwrap()));
    let stored = grants.each_ref().map(|grant| time(grant, "expiresAt").unwrap());
    assert_eq!(stored, [expires_at_ms, expires_at_ms, expires_at_ms + 1000]);
    assert!(grants.iter().all(|grant| time(grant, "createdAt").unwrap() % 1000 == 0));
    world.sql("UPDATE credit SET created_at = '2026-01-01 00:00:00'");
    let mut ids = grants.each_ref().map(|grant| grant.text("id").unwrap().to_owned());
    ids[..2].sort();
    let charge = row(world.write(consume("u", 3)).unwrap());
    let drawn = ids.map(|id| (id, 1));
    assert_eq!(draws_of(&charge), drawn);
}

#[test]
fn a_grant_that_expires_in_this_second_has_expired() {
    let world = World::new("expiry", "", &["u"]);
    // It is in the future, but its second is not.
    let expires_at_ms = now_ms() / 1000 * 1000 + 999;
    world.write(grant("u", 5, Some(expires_at_ms))).unwrap();
    assert_eq!(world.balance("u"), 0);
    assert_eq!(told(&world.write(consume("u", 5))), "INSUFFICIENT_CREDITS");
}

#[test]
fn fractions_are_kept_where_columns_have_them() {
    let changes =
        "ALTER TABLE credit MODIFY expires_at datetime(3), MODIFY created_at datetime(6);";
    let world = World::new("fractions", changes, &["u"]);
    let expires_at_ms = now_ms() / 1000 * 1000 + 3_600_999;
    let made = row(world.write(grant("u", 5, Some(expires_at_ms))).unwrap());
    assert_eq!(time(&made, "expiresAt"), Some(expires_at_ms));
    assert_eq!(world.balance("u"), 5);
}

#[test]
fn a_time_after_the_last_timestamp_is_refused() {
    let world = World::new("last_timestamp", "", &["u"]);
    world.write(grant("u", 1, Some(TIMESTAMP_ENDS_MS - 999))).unwrap();
    let error = world.write(grant("u", 1, Some(TIMESTAMP_ENDS_MS + 1))).unwrap_err();
    assert_eq!(error.code(), "INVALID_VALUE");
    assert!(error.to_string().contains("2038-01-19T11:14:07.999Z"), "{error}");
    assert_eq!(world.balance("u"), 1);
    world.sql("ALTER TABLE credit MODIFY expires_at datetime");
    world.sql("UPDATE credit SET status = status");
    assert_eq!(world.credits("u"), 1);
}

#[test]
fn text_that_is_too_long_is_refused_and_not_truncated() {
    let world = World::new("too_long", "", &["u"]);
    world.write(grant("u", 10, None)).unwrap();
    let values = [("title", text(&"é".repeat(32_768))), ("status", text(&"x".repeat(51)))];
    world.write(create_task("t", "u", 1)).unwrap();
    for value in values {
        let error = world.write(update_task("t", &[value])).unwrap_err();
        assert_eq!(error.code(), "INVALID_VALUE", "{error}");
    }
    world.write(update_task("t", &[("title", text(&"é".repeat(32_767)))])).unwrap();
    let task = world.find(Tasks(Media), "t").unwrap();
    assert_eq!(task.text("title").unwrap().chars().count(), 32_767);
}

#[test]
fn texts_are_returned_unchanged() {
    let odd = "'\\\"`%_?;-- \n\r\t\u{1}\u{1a}ü字🚫 #/**/ ' OR '1'='1";
    let world = World::new("texts", "", &["u"]);
    world.write(create_task("t", "u", 0)).unwrap();
    world.write(update_task("t", &[("title", text(odd)), ("errorMessage", text("\\"))])).unwrap();
    let task = world.find(Tasks(Media), "t").unwrap();
    assert_eq!((task.text("title"), task.text("errorMessage")), (Some(odd), Some("\\")));
}

#[test]
fn columns_of_the_app_can_have_other_types() {
    let changes = "ALTER TABLE credit ADD tags json, ADD price decimal(10,2), ADD ratio double, \
                   ADD big bigint, ADD raw varbinary(8), ADD kind enum('a', 'b''c'), ADD day date, \
                   ADD is_vip tinyint(1), ADD twice int AS (credits * 2) STORED;";
    let world = World::new("types", changes, &["u"]);
    let Write::Grant(mut new) = grant("u", 5, None) else { panic!("no grant") };
    let own = [
        ("tags", Value::Json("[1,\"a\\\\\"]".to_owned())),
        ("price", Value::Real(1.25)),
        ("ratio", Value::Real(0.1)),
        ("big", Value::Integer(9_007_199_254_740_993)),
        ("raw", Value::Bytes(vec![0, 39, 92, 255])),
        ("kind", text("b'c")),
        ("day", text("2026-01-02")),
        ("isVip", Value::Bool(true)),
    ];
    for (key, value) in &own {
        new.fields.insert(key, value.clone());
    }
    let made = row(world.write(Write::Grant(new.clone())).unwrap());
    for (key, value) in &own {
        assert_eq!(made.get(key), Some(value), "{key}");
    }
    assert_eq!(made.get("twice"), Some(&Value::Integer(10)));
    for (key, value) in [("kind", text("c")), ("twice", Value::Integer(1))] {
        let mut wrong = new.clone();
        wrong.fields.insert(key, value);
        assert_eq!(told(&world.write(Write::Grant(wrong))), "INVALID_VALUE", "{key}");
    }
    assert_eq!(world.find(Credit, made.text("id").unwrap()).unwrap().values, made.values);
}

#[test]
fn users_may_have_numbers_for_ids() {
    let changes = "SET foreign_key_checks = 0; \
                   ALTER TABLE credit DROP FOREIGN KEY credit_user_id_user_id_fk, MODIFY user_id int NOT NULL; \
                   ALTER TABLE media_tasks DROP FOREIGN KEY media_tasks_user_id_user_id_fk, \
                   MODIFY user_id int NOT NULL; \
                   ALTER TABLE ai_task DROP FOREIGN KEY ai_task_user_id_user_id_fk, MODIFY user_id int NOT NULL; \
                   ALTER TABLE `user` MODIFY id int NOT NULL;";
    let world = World::new("numbers", changes, &["7"]);
    world.write(grant("7", 10, None)).unwrap();
    world.write(create_task("t", "7", 3)).unwrap();
    world.write(update_task("t", &[("status", text("failed"))])).unwrap();
    world.write(consume("7", 4)).unwrap();
    assert_eq!(world.balance("7"), 6);
    for other in ["07", "7.0", "a", "8"] {
        assert_eq!(told(&world.write(consume(other, 1))), "USER_NOT_FOUND", "{other}");
    }
}
