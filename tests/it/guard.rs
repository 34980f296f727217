//! The statement that fails unless a query still has the same answer.

use media_credits::storage::dialect::sqlite::Statement;
use media_credits::storage::dialect::sqlite::cell::Cell;
use media_credits::storage::dialect::sqlite::guard::guard;
use media_credits::storage::dialect::sqlite::wire::OwnedRow;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

const QUESTION: &str = "SELECT id, value FROM t WHERE kind = ?1 -- what is asked";

/// Values of rows that have one form in JSON.
const PLAIN: [&str; 7] = [
    "NULL",
    "0",
    "-9223372036854775808",
    "''",
    "'it''s, ;'",
    "'[\"\u{1f600}\\\"/]'",
    "'two' || char(10) || 'lines'",
];

/// Other values of rows.
const VALUES: [&str; 13] = [
    "char(9, 127, 133)",
    "NULL",
    "0",
    "9223372036854775807",
    "0.0",
    "0.1",
    "1764444123.4567",
    "9e999",
    "''",
    "'it''s, ;'",
    "'[\"\u{1f600}\\\"]'",
    "x''",
    "x'00ff'",
];

struct Bound<'c>(&'c Cell<'c>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Cell::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn ask(connection: &Connection, statement: &Statement<'_>) -> rusqlite::Result<Vec<OwnedRow>> {
    let mut prepared = connection.prepare(&statement.text)?;
    let columns = prepared.column_count();
    let cell = |value: Value| match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => Cell::Blob(bytes.into()),
    };
    let rows = prepared.query_map(params_from_iter(statement.values.iter().map(Bound)), |row| {
        (0..columns).map(|at| row.get(at).map(cell)).collect()
    })?;
    rows.collect()
}

#[test]
fn an_answer_holds_until_anything_of_it_changes() {
    holds_until_something_changes(&PLAIN);
    holds_until_something_changes(&VALUES);
}

fn holds_until_something_changes(values: &[&str]) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (id, kind, value)").unwrap();
    let question = Statement::new(QUESTION, ["all".into()]);
    let holds = |answer: &[OwnedRow]| ask(&connection, &guard(&question, answer)).is_ok();
    let none = ask(&connection, &question).unwrap();
    assert!(holds(&none));

    for (at, value) in values.iter().enumerate() {
        let insert = format!("INSERT INTO t VALUES ({at}, 'all', {value})");
        connection.execute_batch(&insert).unwrap();
    }
    assert!(!holds(&none));
    let all = ask(&connection, &question).unwrap();
    assert_eq!(all.len(), values.len());
    assert!(holds(&all));
    let reversed: Vec<OwnedRow> = all.iter().rev().cloned().collect();
    assert!(holds(&reversed));

    for (at, value) in values.iter().enumerate() {
        let set = |value: &str| {
            let update = format!("UPDATE t SET value = {value} WHERE id = {at}");
            connection.execute_batch(&update).unwrap();
        };
        for other in values.iter().filter(|other| *other != value) {
            set(other);
            assert!(!holds(&all), "{value} became {other}");
        }
        set(value);
        assert!(holds(&all));
    }
    connection.execute_batch("INSERT INTO t VALUES (1, 'other', 1)").unwrap();
    assert!(holds(&all));
    connection.execute_batch("DELETE FROM t WHERE id = 5").unwrap();
    assert!(!holds(&all));
}
