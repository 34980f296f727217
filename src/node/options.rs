//! What `connect` was told, and what the environment says where it was told nothing.

use std::time::Duration;

use super::decode::Arguments;
use crate::domain::value::{Fields, Value, describe};
use crate::engine::sqlite::Settings;
use crate::error::{Error, Result};
use crate::storage::location::Location;
use crate::storage::schema::TimestampUnit;
use crate::storage::sqlite::{Durability, JournalMode};

const OPTIONS: [&str; 6] =
    ["url", "durability", "journalMode", "busyTimeoutMs", "maxQueue", "timestampUnit"];

/// Options as understood. A URL that is no use is an error of the first call, not of `connect`: an
/// app's build imports its routes where there is no database.
pub(super) struct ConnectOptions {
    pub(super) location: Result<Location>,
    pub(super) settings: Settings,
}

/// Reads `connect`'s arguments; `url` and `provider` are the environment's.
pub(super) fn read(arguments: &str, url: &str, provider: &str) -> Result<ConnectOptions> {
    let options = Arguments::read("connect", arguments)?.fields("connect(options)")?;
    options.only("connect", &OPTIONS)?;
    let location = match options.get("url") {
        None => Location::parse(url).and_then(|location| {
            location.check_provider(provider)?;
            Ok(location)
        }),
        Some(Value::Text(url)) => Location::parse(url),
        given => return Err(invalid("url", "text", given)),
    };
    Ok(ConnectOptions { location, settings: settings(&options)? })
}

fn settings(options: &Fields) -> Result<Settings> {
    const LONGEST_TIMEOUT_MS: i64 = 600_000;
    const LONGEST_QUEUE: i64 = 1_000_000;
    let mut settings = Settings::default();
    settings.database.durability = match text(options, "durability") {
        (None, _) | (_, Some("full")) => Durability::Full,
        (_, Some("normal")) => Durability::Normal,
        (given, _) => return Err(invalid("durability", "'full' or 'normal'", given)),
    };
    settings.database.journal_mode = match text(options, "journalMode") {
        (None, _) | (_, Some("wal")) => JournalMode::Wal,
        (_, Some("keep")) => JournalMode::Keep,
        (given, _) => return Err(invalid("journalMode", "'wal' or 'keep'", given)),
    };
    settings.database.timestamp_unit = match text(options, "timestampUnit") {
        (None, _) => None,
        (_, Some("ms")) => Some(TimestampUnit::Milliseconds),
        (_, Some("s")) => Some(TimestampUnit::Seconds),
        (given, _) => return Err(invalid("timestampUnit", "'ms' or 's'", given)),
    };
    if let Some(timeout_ms) = whole(options, "busyTimeoutMs", 0, LONGEST_TIMEOUT_MS)? {
        settings.database.busy_timeout = Duration::from_millis(timeout_ms);
    }
    if let Some(max_queue) = whole(options, "maxQueue", 1, LONGEST_QUEUE)? {
        settings.max_queue = usize::try_from(max_queue).unwrap_or(usize::MAX);
    }
    Ok(settings)
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
