//! What opening a database detects, and what it refuses.

use std::path::{Path, PathBuf};

use media_credits::domain::table::{TableName, TaskKind};
use media_credits::error::Error;
use media_credits::storage::schema::Kind;
use media_credits::storage::sqlite::{Database, Options, Place, Purpose};
use media_credits::storage::store::LoadFacts;
use media_credits::storage::times::TimestampUnit;
use rusqlite::Connection;

const TABLES: &str = concat!(
    include_str!("../../src/storage/dialect/sqlite/sql/create_user.sql"),
    include_str!("../../src/storage/dialect/sqlite/sql/create_credit.sql"),
    include_str!("../../src/storage/dialect/sqlite/sql/create_media_tasks.sql"),
    include_str!("../../src/storage/dialect/sqlite/sql/create_ai_task.sql"),
);
const MS: i64 = 1_795_380_509_258;
const S: i64 = 1_795_380_509;

/// A file made by these statements.
fn file(folder: &Path, statements: &[&str]) -> PathBuf {
    // Its system calls must be replaced before SQLite opens its first file, and another test may open one meanwhile.
    drop(Database::open(&Place::Memory, Options::default(), Purpose::Writer));
    let path = folder.join("local.db");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    for statement in statements {
        connection.execute_batch(statement).unwrap();
    }
    path
}

fn open(path: &Path) -> Result<Database, Error> {
    Database::open(&Place::File(path.to_owned()), Options::default(), Purpose::Writer)
}

/// One of the diagnostics.
fn found(database: &Database, name: &str) -> String {
    let all = database.diagnostics().unwrap();
    let (_, value) = all.iter().find(|(found, _)| *found == name).unwrap();
    value.as_text().unwrap().to_owned()
}

fn task_row(created_at: i64, updated_at: i64) -> String {
    format!(
        "INSERT INTO media_tasks (id, user_id, platform, video_url, created_at, updated_at)
         VALUES ('t{created_at}', 'u', 'youtube', 'x', {created_at}, {updated_at})"
    )
}

#[test]
fn a_missing_table_or_column_is_named_with_the_statement_that_adds_it() {
    let rows: [(&[&str], &[&str]); 5] = [
        // statements after the app's tables; the text that the message must contain
        (
            &["DROP TABLE credit"],
            &["table credit is missing", "drizzle-kit push", "media-credits init"],
        ),
        (
            &["DROP TABLE credit", "DROP TABLE media_tasks", "DROP TABLE user"],
            &["table user, credit is missing"],
        ),
        (
            &["DROP INDEX idx_credit_consume_fifo", "ALTER TABLE credit DROP COLUMN expires_at"],
            &[
                "column credit.expires_at is missing",
                "drizzle-kit push",
                "ALTER TABLE credit ADD COLUMN expires_at integer;",
            ],
        ),
        (
            &[
                "ALTER TABLE credit DROP COLUMN metadata",
                "ALTER TABLE credit DROP COLUMN consumed_detail",
            ],
            &["column credit.consumed_detail, credit.metadata is missing"],
        ),
        // An app may be without tasks of a kind, and without a column that only some calls need.
        (&["DROP TABLE ai_task", "ALTER TABLE media_tasks DROP COLUMN credit_id"], &[]),
    ];
    for (statements, said) in rows {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &[&[TABLES], statements].concat());
        let before = std::fs::read(&path).unwrap();
        match open(&path) {
            Ok(_) => assert!(said.is_empty(), "{statements:?}"),
            Err(error) => {
                assert_eq!(error.code(), "SCHEMA_MISMATCH");
                assert!(!error.retryable());
                for part in said {
                    assert!(error.to_string().contains(part), "{error} lacks {part:?}");
                }
                assert!(!said.is_empty(), "{error}");
            }
        }
        if !said.is_empty() {
            // A switch to the write-ahead log marks the header, and changes nothing else.
            let after = std::fs::read(&path).unwrap();
            assert_eq!(before[100..], after[100..], "{statements:?} changed the file");
        }
    }
}

#[test]
fn a_file_that_is_missing_or_empty_is_reported_and_create_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let missing = open(&path).map(|_| ()).unwrap_err();
    assert_eq!(missing.code(), "SCHEMA_MISMATCH");
    assert!(missing.to_string().contains("there is no file"), "{missing}");
    assert!(!path.exists(), "looking made the file");

    std::fs::write(&path, "").unwrap();
    assert_eq!(open(&path).map(|_| ()).unwrap_err().code(), "SCHEMA_MISMATCH");

    Database::create(&Place::File(path.clone()), Options::default(), &TableName::ALL).unwrap();
    let mut again = open(&path).unwrap();
    again.create_missing_tables(&TableName::ALL).unwrap();
    assert_eq!(found(&again, "journalMode"), "wal");
}

#[test]
fn a_file_that_is_no_database_is_refused_with_the_message_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "This is no database, but a text that is longer than its header.")
        .unwrap();
    let error = open(&path).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Database { database_code, retryable: false, .. }
        if database_code == "SQLITE_NOTADB"),
        "{error:?}"
    );
}

#[test]
fn the_unit_of_times_is_detected() {
    const MS_DEFAULT: &str = "(cast((julianday('now') - 2440587.5)*86400000 as integer))";
    let seconds = TABLES.replace(MS_DEFAULT, "(unixepoch())");
    let none = TABLES.replace(&format!("DEFAULT {MS_DEFAULT}"), "");
    let sub_seconds = TABLES.replace(MS_DEFAULT, "(unixepoch('subsec') * 1000)");
    let strftime = TABLES.replace(MS_DEFAULT, "(strftime('%s', 'now'))");
    let rows: [(&str, Vec<String>, Result<&str, &str>); 17] = [
        // tables, rows; the unit or the code
        (TABLES, vec![], Ok("ms")),
        (&sub_seconds, vec![], Ok("ms")),
        (&seconds, vec![], Ok("s")),
        (&strftime, vec![], Ok("s")),
        (&none, vec![], Ok("ms")),
        (&none, vec![task_row(S, S)], Ok("s")),
        (&none, vec![task_row(MS, MS)], Ok("ms")),
        // Zeros and NULLs are no evidence.
        (&none, vec![task_row(0, S)], Ok("s")),
        (TABLES, vec![task_row(S, S)], Err("TIMESTAMP_UNIT_UNCLEAR")),
        (&seconds, vec![task_row(MS, MS)], Err("TIMESTAMP_UNIT_UNCLEAR")),
        (&none, vec![task_row(MS, MS), task_row(S, S)], Err("TIMESTAMP_UNIT_UNCLEAR")),
        // One of three is a single row. Values that no clock writes do not count.
        (TABLES, vec![task_row(MS, MS), task_row(MS + 1, MS), task_row(S, S)], Ok("ms")),
        (TABLES, vec![task_row(12345, 12345)], Ok("ms")),
        (
            TABLES,
            vec![task_row(S, S).replace(&format!("{S})"), &format!("{S}.5)"))],
            Err("TIMESTAMP_UNIT_UNCLEAR"),
        ),
        (TABLES, vec![task_row(MS, S).replace(&format!("{S})"), &format!("{S}.5)"))], Ok("ms")),
        (TABLES, vec![task_row(MS, S).replace(&format!("{S})"), "1e300)")], Ok("ms")),
        (
            &none,
            vec![task_row(MS, MS).replace(&format!("{MS}, {MS})"), "'2026-11-22', '2026-11-22')")],
            Err("SCHEMA_MISMATCH"),
        ),
    ];
    for (tables, inserts, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let mut statements = vec![tables];
        statements.extend(inserts.iter().map(String::as_str));
        let path = file(folder.path(), &statements);
        let unit = open(&path).map(|database| found(&database, "timestampUnit"));
        assert_eq!(
            unit.map_err(|error| error.code()),
            expected.map(str::to_owned),
            "{statements:?}"
        );
    }
}

/// Grants and charges; of each when it was made and when it expires, in one number for SQL.
fn credit_rows(rows: &[(i64, &str)]) -> String {
    let row = |(at, (created_at, expires_at)): (usize, &(i64, &str))| {
        format!(
            "('{at}', 'u', '{at}', 'grant', 1, 1, 'active', {created_at}, {created_at}, {expires_at})"
        )
    };
    let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
    format!(
        "INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
                             created_at, updated_at, expires_at) VALUES {}",
        rows.join(", ")
    )
}

#[test]
fn columns_whose_times_are_in_another_unit_are_found() {
    const US: i64 = MS * 1000;
    let (s, ms, us) = (S.to_string(), MS.to_string(), US.to_string());
    let (s, ms, us) = (s.as_str(), ms.as_str(), us.as_str());
    let ai_task = |at: i64| {
        format!(
            "INSERT INTO ai_task (id, user_id, media_type, provider, model, prompt, status, created_at, updated_at)
             VALUES ('{at}', 'u', 'image', 'p', 'm', 'p', 'pending', {at}, {at})"
        )
    };
    let user = |column: &str, value: &str| {
        format!("ALTER TABLE user ADD COLUMN {column} integer DEFAULT {value}")
    };
    const UNCLEAR: Result<&str, &str> = Err("TIMESTAMP_UNIT_UNCLEAR");
    let mostly_never = |expires_at| {
        let mut rows = vec![(MS, "NULL"); 500];
        rows.extend([(MS, expires_at); 2]);
        credit_rows(&rows)
    };
    let rows: [(Vec<String>, Result<&str, &str>); 16] = [
        // rows; the unit or the code
        (vec![credit_rows(&[(MS, ms), (MS, ms), (MS, "NULL")])], Ok("ms")),
        (vec![credit_rows(&[(MS, s), (MS, s)])], UNCLEAR),
        (vec![credit_rows(&[(MS, us), (MS, us)])], UNCLEAR),
        (vec![mostly_never(ms)], Ok("ms")),
        (vec![mostly_never(s)], UNCLEAR),
        // A single row is found by an audit.
        (vec![credit_rows(&[(MS, ms), (MS, s)])], Ok("ms")),
        (vec![credit_rows(&[(MS, "NULL"), (MS, s)])], Ok("ms")),
        (vec![credit_rows(&[(MS, "'2026-11-22'"), (MS, "x'00'")])], Ok("ms")),
        // Expired long ago, and never.
        (vec![credit_rows(&[(MS, "0"), (MS, "1"), (MS, "9223372036854775807")])], Ok("ms")),
        (vec![credit_rows(&[(MS, "8640000000000000"), (MS, "253402300799000")])], Ok("ms")),
        (vec![credit_rows(&[(US, ms), (US, ms)])], UNCLEAR),
        (vec![credit_rows(&[(S, ms), (S, ms)])], UNCLEAR),
        // One of many clock values is a single row too; text, and the number of a day, are no times.
        (vec![credit_rows(&[vec![(MS, ms); 20], vec![(S, ms)]].concat())], Ok("ms")),
        (
            vec![task_row(MS, MS), task_row(MS + 1, MS).replace(&format!("{MS})"), "2461373.5)")],
            Ok("ms"),
        ),
        // Only the functions about such tasks report it.
        (vec![ai_task(S), ai_task(S + 1)], Ok("ms")),
        (vec![credit_rows(&[(MS, ms)]), user("banned_at", s)], Ok("ms")),
    ];
    for (inserts, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let mut statements = vec![TABLES];
        statements.extend(inserts.iter().map(String::as_str));
        let path = file(folder.path(), &statements);
        let unit = open(&path).map(|database| found(&database, "timestampUnit"));
        let unit = unit.map_err(|error| error.code());
        assert_eq!(
            unit,
            expected.map(str::to_owned),
            "{}",
            inserts.join("; ").chars().take(300).collect::<String>()
        );
    }
}

#[test]
fn an_option_settles_an_unclear_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[TABLES, &task_row(S, S)]);
    let timestamp_unit = Some(TimestampUnit::Seconds);
    let options = Options { timestamp_unit, ..Options::default() };
    let database = Database::open(&Place::File(path), options, Purpose::Writer).unwrap();
    assert_eq!(found(&database, "timestampUnit"), "s");
}

#[test]
fn columns_are_read_from_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let extra = "ALTER TABLE media_tasks ADD COLUMN";
    let path = file(
        folder.path(),
        &[
            TABLES,
            &format!("{extra} rewritten_scripts json"),
            &format!("{extra} rendered_at integer"),
            &format!("{extra} is_public integer"),
            &format!("{extra} score real"),
            &format!("{extra} frames2x integer NOT NULL DEFAULT 0"),
        ],
    );
    let database = open(&path).unwrap();
    let table = database.schema().unwrap().table(TableName::Tasks(TaskKind::Media)).unwrap();
    let rows = [
        ("videoUrl", "video_url", Kind::Text, true),
        ("videoUrlInternal", "video_url_internal", Kind::Text, false),
        ("publishedAt", "published_at", Kind::Timestamp, false),
        ("isFreeTrial", "is_free_trial", Kind::Boolean, false),
        ("duration", "duration", Kind::Integer, false),
        ("rewrittenScripts", "rewritten_scripts", Kind::Json, false),
        ("renderedAt", "rendered_at", Kind::Timestamp, false),
        ("isPublic", "is_public", Kind::Boolean, false),
        ("score", "score", Kind::Real, false),
        ("frames2x", "frames2x", Kind::Integer, true),
    ];
    for (key, name, kind, not_null) in rows {
        let column = table.column(key).unwrap();
        assert_eq!((column.name.as_str(), column.kind, column.not_null), (name, kind, not_null));
    }
}

#[test]
fn a_column_that_is_added_later_is_found_at_the_next_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[TABLES]);
    let mut database = open(&path).unwrap();
    assert!(
        database
            .schema()
            .unwrap()
            .table(TableName::Tasks(TaskKind::Media))
            .unwrap()
            .column("mood")
            .is_err()
    );
    file(folder.path(), &["ALTER TABLE media_tasks ADD COLUMN mood text"]);
    database.begin_write().unwrap();
    assert!(
        database
            .schema()
            .unwrap()
            .table(TableName::Tasks(TaskKind::Media))
            .unwrap()
            .column("mood")
            .is_ok()
    );
    database.rollback();
}
