//! The app's tables, declared without a database.

use media_credits::domain::table::TableName;
use media_credits::domain::table::TaskKind::{Ai, Media};
use media_credits::storage::schema::Kind::{self, Boolean, Integer, Text, Timestamp};
use media_credits::storage::schema::{Column, Dialect, Limit, Schema, camel_case};
use media_credits::storage::times::TimestampUnit;

const USER: &[(&str, Kind)] =
    &[("id", Text), ("name", Text), ("email", Text), ("free_trial_used", Integer)];

const CREDIT: &[(&str, Kind)] = &[
    ("id", Text),
    ("user_id", Text),
    ("transaction_no", Text),
    ("transaction_type", Text),
    ("transaction_scene", Text),
    ("credits", Integer),
    ("remaining_credits", Integer),
    ("description", Text),
    ("expires_at", Timestamp),
    ("status", Text),
    ("created_at", Timestamp),
    ("updated_at", Timestamp),
    ("consumed_detail", Text),
    ("metadata", Text),
];

const TASKS: &[(&str, Kind)] = &[
    ("id", Text),
    ("user_id", Text),
    ("platform", Text),
    ("video_url", Text),
    ("status", Text),
    ("credit_id", Text),
    ("is_free_trial", Boolean),
    ("created_at", Timestamp),
    ("updated_at", Timestamp),
    ("deleted_at", Timestamp),
];

const DIALECT: Dialect = Dialect {
    quote: str::to_owned,
    sql_type: |_| "",
    select_list: |_| String::new(),
    needed_type: |_, _, _| None,
    time_digits: None,
};

/// A schema of these tables.
pub(super) fn schema() -> Schema {
    let tables =
        [TableName::User, TableName::Credit, TableName::Tasks(Media), TableName::Tasks(Ai)];
    let columns = [USER, CREDIT, TASKS, TASKS].map(|table| table.iter().map(column).collect());
    let found = tables.into_iter().zip(columns).collect();
    Schema::new(found, &DIALECT, TimestampUnit::Milliseconds, false).expect("complete tables")
}

fn column((name, kind): &(&str, Kind)) -> Column {
    Column {
        name: (*name).to_owned(),
        key: camel_case(name),
        kind: *kind,
        sql_type: String::new(),
        limit: Limit::None,
        not_null: false,
        has_default: *name == "free_trial_used",
        unique: false,
        type_id: 0,
    }
}
