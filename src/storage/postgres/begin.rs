//! How transactions begin, and what holds until their end.

use std::time::Duration;

use super::Options;
use crate::error::Error;
use crate::storage::location::PostgresUrl;
use crate::storage::schema::quote;

/// The commands that begin a transaction.
pub(super) struct Begin {
    /// One that writes.
    pub(super) write: String,
    /// One that writes, and waits for locks for a moment only.
    pub(super) write_impatient: String,
    /// One that reads.
    pub(super) read: String,
    /// The settings that the URL asks for, by name.
    asked: Vec<String>,
}

impl Begin {
    pub(super) fn new(url: &PostgresUrl, options: &Options) -> Self {
        const MOMENT: Duration = Duration::from_millis(100);
        let asked = settings_of(url);
        let asked_first = |settings: String| {
            let asked = asked.iter().map(|setting| format!("{setting}; ")).collect::<String>();
            asked + &settings
        };
        let patient = settings(url, options, options.busy_timeout);
        let impatient = settings(url, options, options.busy_timeout.min(MOMENT));
        // After a lock was waited for, the next statement must see what its holder wrote.
        let write = |settings| {
            let settings = asked_first(format!("{DURABLY}; {settings}"));
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; {settings}")
        };
        let read = asked_first(patient.clone());
        Self {
            read: format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {read}"),
            write: write(patient),
            write_impatient: write(impatient),
            asked: url.settings.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// What is wrong with the URL, if a transaction could not begin because of a setting that it asks for.
    pub(super) fn refusal(&self, error: &tokio_postgres::Error) -> Option<Error> {
        let database = error.as_db_error()?;
        // The server names a setting that it refuses. Its value stays out of the message: it may be anything.
        let name = self.asked.iter().find(|name| database.message().contains(name.as_str()))?;
        Some(Error::InvalidUrl {
            reason: format!(
                "the server refuses its parameter {name} as a setting ({}); leave it out, or see \
                 docs/database-url.md",
                database.code().code()
            ),
        })
    }
}

/// A commit is answered when it is on the disk, whatever the default. Every other value than `off` waits for
/// that, and for which standbys is the operator's to choose.
const DURABLY: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
                       WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)";

/// What holds whatever the URL says.
fn settings(url: &PostgresUrl, options: &Options, lock_timeout: Duration) -> String {
    let statement_timeout_ms = options.statement_timeout.as_millis();
    let lock_timeout_ms = lock_timeout.as_millis();
    let mut settings = format!(
        "SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = {statement_timeout_ms}; \
         SET LOCAL lock_timeout = {lock_timeout_ms}"
    );
    if let Some(schema) = options.schema.as_ref().or(url.schema.as_ref()) {
        settings.push_str("; SET LOCAL search_path = ");
        settings.push_str(&schema.sql());
    }
    settings
}

/// The server's settings of the URL, each to hold until the transaction's end: as parameters of the session, a
/// pooler would refuse them, or give them to another client.
fn settings_of(url: &PostgresUrl) -> Vec<String> {
    let path = url.search_path.iter().map(|path| format!("SET LOCAL search_path = {}", path.sql()));
    let others = url.settings.iter().map(|(name, value)| {
        let name: Vec<String> = name.split('.').map(quote).collect();
        format!("SET LOCAL {} = {}", name.join("."), literal(value))
    });
    path.chain(others).collect()
}

/// A text that means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::location::Location;

    #[test]
    fn settings_of_a_url() {
        let rows = [
            ("", vec![]),
            ("?search_path=tenant", vec!["SET LOCAL search_path = \"tenant\""]),
            (
                "?search_path=Tenant,%22My%20own%22",
                vec!["SET LOCAL search_path = \"tenant\", \"My own\""],
            ),
            (
                "?role=app&my.tenant=42",
                vec!["SET LOCAL \"role\" = E'app'", "SET LOCAL \"my\".\"tenant\" = E'42'"],
            ),
            ("?role=a%27b%5C", vec!["SET LOCAL \"role\" = E'a''b\\\\'"]),
            ("?role=one&role=two", vec!["SET LOCAL \"role\" = E'two'"]),
            (
                "?default_transaction_read_only=on",
                vec!["SET LOCAL \"transaction_read_only\" = E'on'"],
            ),
            ("?statement_timeout=1&TimeZone=Asia/Tokyo&pgbouncer=true&role=", vec![]),
        ];
        for (parameters, expected) in rows {
            let url = format!("postgres://db/app{parameters}");
            let Ok(Location::Postgres(url)) = Location::parse(&url) else { panic!("{parameters}") };
            assert_eq!(settings_of(&url), expected, "{parameters}");
        }
    }
}
