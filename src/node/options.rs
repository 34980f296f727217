//! What `connect` was told, and what the environment says where it was told nothing.

use std::time::Duration;

use super::arguments::Arguments;
use super::connection::Environment;
use crate::domain::options::RefundPolicy;
use crate::domain::value::{Fields, Value, describe};
use crate::engine::Settings;
use crate::error::{Error, Result};
use crate::storage::location::Location;
use crate::storage::schema::TimestampUnit;
use crate::storage::sqlite::{Durability, JournalMode};

const OPTIONS: [&str; 11] = [
    "busyTimeoutMs",
    "connectTimeoutMs",
    "durability",
    "journalMode",
    "maxConnections",
    "maxQueue",
    "refundPolicy",
    "schema",
    "statementTimeoutMs",
    "timestampUnit",
    "url",
];

/// Options as understood. A URL that is no use is an error of the first call, not of `connect`: an
/// app's build imports its routes where there is no database.
pub(super) struct ConnectOptions {
    pub(super) location: Result<Location>,
    pub(super) settings: Settings,
    /// Of calls that name none.
    pub(super) refund_policy: RefundPolicy,
}

/// Reads `connect`'s arguments.
pub(super) fn read(arguments: &str, environment: &Environment) -> Result<ConnectOptions> {
    let options = Arguments::read("connect", arguments)?.fields("connect(options)")?;
    options.only("connect", &OPTIONS)?;
    let location = match options.get("url") {
        None => Location::parse(&environment.url).and_then(|location| {
            location.check_provider(&environment.provider)?;
            Ok(location)
        }),
        Some(Value::Text(url)) => Location::parse(url),
        given => return Err(invalid("url", "text", given)),
    };
    Ok(ConnectOptions {
        location,
        settings: settings(&options, &environment.schema)?,
        refund_policy: RefundPolicy::parse(options.get("refundPolicy"))?.unwrap_or_default(),
    })
}

fn settings(options: &Fields, schema: &str) -> Result<Settings> {
    const LONGEST_QUEUE: i64 = 1_000_000;
    const MOST_CONNECTIONS: i64 = 1000;
    let mut settings = Settings::default();
    let (sqlite, postgres) = (&mut settings.sqlite.database, &mut settings.postgres.database);
    sqlite.durability = match text(options, "durability") {
        (None, _) | (_, Some("full")) => Durability::Full,
        (_, Some("normal")) => Durability::Normal,
        (given, _) => return Err(invalid("durability", "'full' or 'normal'", given)),
    };
    sqlite.journal_mode = match text(options, "journalMode") {
        (None, _) | (_, Some("wal")) => JournalMode::Wal,
        (_, Some("keep")) => JournalMode::Keep,
        (given, _) => return Err(invalid("journalMode", "'wal' or 'keep'", given)),
    };
    sqlite.timestamp_unit = match text(options, "timestampUnit") {
        (None, _) => None,
        (_, Some("ms")) => Some(TimestampUnit::Milliseconds),
        (_, Some("s")) => Some(TimestampUnit::Seconds),
        (given, _) => return Err(invalid("timestampUnit", "'ms' or 's'", given)),
    };
    postgres.schema = match text(options, "schema") {
        (None, _) => Some(schema.to_owned()).filter(|schema| !schema.is_empty()),
        (_, Some(schema)) if !schema.is_empty() && !schema.contains('\0') => {
            Some(schema.to_owned())
        }
        (given, _) => return Err(invalid("schema", "the name of a schema", given)),
    };
    if let Some(timeout) = timeout(options, "busyTimeoutMs", 0)? {
        sqlite.busy_timeout = timeout;
        // PostgreSQL reads 0 as forever.
        postgres.busy_timeout = timeout.max(Duration::from_millis(1));
    }
    if let Some(timeout) = timeout(options, "connectTimeoutMs", 1)? {
        postgres.connect_timeout = timeout;
    }
    if let Some(timeout) = timeout(options, "statementTimeoutMs", 1)? {
        postgres.statement_timeout = timeout;
    }
    if let Some(most) = whole(options, "maxConnections", 1, MOST_CONNECTIONS)? {
        postgres.max_connections = usize::try_from(most).unwrap_or(usize::MAX);
    }
    if let Some(most) = whole(options, "maxQueue", 1, LONGEST_QUEUE)? {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        settings.sqlite.max_queue = most;
        settings.postgres.max_queue = most;
    }
    Ok(settings)
}

fn timeout(options: &Fields, name: &str, least_ms: i64) -> Result<Option<Duration>> {
    const LONGEST_MS: i64 = 600_000;
    Ok(whole(options, name, least_ms, LONGEST_MS)?.map(Duration::from_millis))
}

fn text<'a>(options: &'a Fields, name: &str) -> (Option<&'a Value>, Option<&'a str>) {
    let given = options.get(name);
    (given, given.and_then(Value::as_text))
}

fn whole(options: &Fields, name: &str, least: i64, most: i64) -> Result<Option<u64>> {
    let given = options.get(name);
    let expected = || format!("a whole number from {least} to {most}");
    match given {
        None => Ok(None),
        Some(Value::Integer(number)) if (least..=most).contains(number) => {
            Ok(u64::try_from(*number).ok())
        }
        _ => Err(invalid(name, &expected(), given)),
    }
}

fn invalid(name: &str, expected: &str, given: Option<&Value>) -> Error {
    Error::InvalidArgument {
        name: name.to_owned(),
        expected: expected.to_owned(),
        given: describe(given),
    }
}
