//! The options of `connect`, and the environment variables behind them.

use std::borrow::Cow;
use std::time::Duration;

use napi_derive::napi;

use super::arguments::Arguments;
use super::decode::Defaults;
use crate::domain::column::{Kind, in_form};
use crate::domain::options::{RefundPolicy, statuses};
use crate::domain::paying::DrawOrder;
use crate::domain::table::ACTIVE_STATUSES;
use crate::domain::value::{Fields, Value, describe};
use crate::engine::Settings;
use crate::error::{Error, Result};
use crate::storage::location::{Location, TOKEN_FORM, Token, Variables, system};
use crate::storage::search_path::SearchPath;
use crate::storage::sqlite::{Durability, JournalMode};
use crate::storage::times::TimestampUnit;

const OPTIONS: [&str; 14] = [
    "activeStatuses",
    "authToken",
    "busyTimeoutMs",
    "connectTimeoutMs",
    "drawOrder",
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

/// Environment variables.
#[napi(object)]
pub struct Environment {
    /// `DATABASE_URL`
    pub url: String,
    /// `DATABASE_PROVIDER`
    pub provider: String,
    /// `DB_SCHEMA`
    pub schema: String,
    /// `DB_MAX_CONNECTIONS`
    pub max_connections: String,
    /// `DATABASE_AUTH_TOKEN`
    pub auth_token: String,
    /// Variables of PostgreSQL's clients, such as `PGHOST`, by name.
    pub postgres: Variables,
    /// `MEDIA_CREDITS_LOG`
    pub log: String,
}

/// Parsed options. An unusable URL is an error of the first call, not of `connect`: an app's build imports
/// its routes without a database.
pub(super) struct ConnectOptions {
    pub(super) location: Result<Location>,
    /// The kind of the database, by OpenTelemetry's name.
    pub(super) system: &'static str,
    pub(super) settings: Settings,
    /// The defaults for options of calls.
    pub(super) defaults: Defaults,
}

/// Parses `connect`'s arguments.
pub(super) fn read(arguments: &str, environment: &Environment) -> Result<ConnectOptions> {
    let mut arguments = Arguments::read("connect", arguments, &DrawOrder::default())?;
    let options = arguments.fields("connect(options)")?;
    options.only("connect", &OPTIONS)?;
    let (url, provider) = match options.get("url") {
        None => (&environment.url, environment.provider.as_str()),
        Some(Value::Text(url)) => (url, ""),
        given => return Err(invalid("url", "text", given)),
    };
    let location = Location::parse_in(url, &environment.postgres).and_then(|location| {
        location.check_provider(provider)?;
        Ok(location)
    });
    let token = match text(&options, "authToken") {
        // An app may pass an environment variable that is empty.
        (None, _) | (_, Some("")) => None,
        (_, Some(text)) => Some(Token::new(text).ok_or_else(|| no_token("authToken"))?),
        _ => return Err(no_token("authToken")),
    };
    let mut settings = settings(&options)?;
    // Invalid environment variables are not errors of `connect`.
    let location = location.and_then(|mut location| {
        if let Location::Libsql(url) = &mut location {
            let environments = environment.auth_token.trim();
            let is_meant = !environments.is_empty() && is_for_token(&options, environment);
            if token.is_some() {
                url.token = token;
            } else if url.token.is_none() && is_meant {
                let token = Token::new(environments).ok_or_else(|| no_token("DATABASE_AUTH_TOKEN"));
                url.token = Some(token?);
            }
            url.check_token()?;
        }
        check_schema(&location, options.get("schema"))?;
        let schema = environment.schema.trim();
        let is_wanted = options.get("schema").is_none() && !schema.is_empty();
        if is_wanted && matches!(location, Location::Postgres(_)) {
            let given = Value::Text(schema.to_owned());
            let path = schemas("DB_SCHEMA", Some(schema), Some(&given))?;
            settings.postgres.database.schema = Some(path);
        }
        let is_server = !matches!(location, Location::Sqlite(_));
        if options.get("maxConnections").is_none() && is_server {
            let value = Value::Text(environment.max_connections.clone());
            let value = Some(in_form(Kind::Integer, &value)).filter(|value| !is_empty(value));
            // The app treats 0 as 1; above a thousand more connections are useless.
            let value = value.map(|value| match *value {
                Value::Integer(number) => Cow::Owned(Value::Integer(number.clamp(1, 1000))),
                _ => value,
            });
            if let Some(most) = connections("DB_MAX_CONNECTIONS", value.as_deref())? {
                settings.postgres.database.max_connections = most;
                settings.libsql.database.max_connections = most;
                settings.mysql.database.max_connections = most;
            }
        }
        Ok(location)
    });
    let active_statuses = match options.get("activeStatuses") {
        None => ACTIVE_STATUSES.iter().map(|status| (*status).to_owned()).collect(),
        Some(value) => statuses("activeStatuses", value)?,
    };
    let refund_policy = RefundPolicy::parse(options.get("refundPolicy"))?.unwrap_or_default();
    let draw_order = DrawOrder::parse(options.get("drawOrder"))?;
    let defaults = Defaults { refund_policy, draw_order, active_statuses };
    Ok(ConnectOptions { location, system: system(url), settings, defaults })
}

fn settings(options: &Fields) -> Result<Settings> {
    const LONGEST_QUEUE: i64 = 1_000_000;
    let mut settings = Settings::default();
    let (sqlite, postgres) = (&mut settings.sqlite.database, &mut settings.postgres.database);
    let (libsql, mysql) = (&mut settings.libsql.database, &mut settings.mysql.database);
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
    libsql.timestamp_unit = sqlite.timestamp_unit;
    postgres.schema = match text(options, "schema") {
        (None, _) => None,
        (given, schema) => Some(schemas("schema", schema, given)?),
    };
    if let Some(timeout) = timeout(options, "busyTimeoutMs", 0)? {
        sqlite.busy_timeout = timeout;
        // PostgreSQL reads 0 as no timeout.
        postgres.busy_timeout = timeout.max(Duration::from_millis(1));
        libsql.busy_timeout = timeout;
        mysql.busy_timeout = timeout;
    }
    if let Some(timeout) = timeout(options, "connectTimeoutMs", 1)? {
        postgres.connect_timeout = timeout;
        libsql.connect_timeout = timeout;
        mysql.connect_timeout = timeout;
    }
    if let Some(timeout) = timeout(options, "statementTimeoutMs", 1)? {
        postgres.statement_timeout = timeout;
        libsql.statement_timeout = timeout;
        mysql.statement_timeout = timeout;
    }
    if let Some(most) = connections("maxConnections", options.get("maxConnections"))? {
        postgres.max_connections = most;
        libsql.max_connections = most;
        mysql.max_connections = most;
    }
    if let Some(most) = whole("maxQueue", options.get("maxQueue"), 1, LONGEST_QUEUE)? {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        settings.sqlite.max_queue = most;
        settings.postgres.max_queue = most;
        settings.libsql.max_queue = most;
        settings.mysql.max_queue = most;
    }
    Ok(settings)
}

/// Rejects a schema on a server that has none: the URL selects the tables. SQLite files are exempt, because
/// they replace a server during development.
fn check_schema(location: &Location, given: Option<&Value>) -> Result<()> {
    const EXPECTED: &str =
        "left out: PostgreSQL alone has schemas, and elsewhere the URL names the database";
    match (location, given) {
        (Location::Mysql(_) | Location::Libsql(_), Some(_)) => {
            Err(invalid("schema", EXPECTED, given))
        }
        _ => Ok(()),
    }
}

fn no_token(name: &str) -> Error {
    // The value is never shown.
    let (name, expected) = (name.to_owned(), TOKEN_FORM.to_owned());
    Error::InvalidArgument { name, expected, given: "something else".to_owned() }
}

/// Whether the environment's token belongs to this URL: it is sent only to the database in the environment.
fn is_for_token(options: &Fields, environment: &Environment) -> bool {
    let named = environment.url.trim();
    text(options, "url").1.is_none_or(|url| named.is_empty() || url == environment.url)
}

fn schemas(name: &str, text: Option<&str>, given: Option<&Value>) -> Result<SearchPath> {
    const EXPECTED: &str = "names of schemas with commas in between, each that holds a comma or a quote in quotes \
                            (\"), with its own quotes doubled";
    text.and_then(SearchPath::parse).ok_or_else(|| invalid(name, EXPECTED, given))
}

fn timeout(options: &Fields, name: &str, least_ms: i64) -> Result<Option<Duration>> {
    const LONGEST_MS: i64 = 600_000;
    Ok(whole(name, options.get(name), least_ms, LONGEST_MS)?.map(Duration::from_millis))
}

fn connections(name: &str, given: Option<&Value>) -> Result<Option<usize>> {
    const MOST: i64 = 1000;
    Ok(whole(name, given, 1, MOST)?.map(|most| usize::try_from(most).unwrap_or(usize::MAX)))
}

fn text<'a>(options: &'a Fields, name: &str) -> (Option<&'a Value>, Option<&'a str>) {
    let given = options.get(name);
    (given, given.and_then(Value::as_text))
}

fn whole(name: &str, given: Option<&Value>, least: i64, most: i64) -> Result<Option<u64>> {
    let expected = || format!("a whole number from {least} to {most}");
    match given {
        None => Ok(None),
        Some(Value::Integer(number)) if (least..=most).contains(number) => {
            Ok(u64::try_from(*number).ok())
        }
        _ => Err(invalid(name, &expected(), given)),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_text() == Some("")
}

fn invalid(name: &str, expected: &str, given: Option<&Value>) -> Error {
    Error::InvalidArgument {
        name: name.to_owned(),
        expected: expected.to_owned(),
        given: describe(given),
    }
}
