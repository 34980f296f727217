//! How transactions begin, and what holds until their end.

use std::time::Duration;

use super::Options;
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::location::PostgresUrl;
use crate::storage::schema::quote;
use crate::storage::search_path::SearchPath;

/// The commands that begin a transaction.
pub(super) struct Begin {
    /// One that writes.
    pub(super) write: String,
    /// One that writes, and waits for locks for a moment only.
    pub(super) write_impatient: String,
    /// One that reads.
    pub(super) read: String,
    /// One that finds out what tables there are: those of the schemas that the caller names, and no others.
    pub(super) look: String,
    /// One that makes tables there, and nowhere else.
    pub(super) make: String,
    /// The settings that the URL asks for, by name.
    asked: Vec<String>,
}

impl Begin {
    pub(super) fn new(url: &PostgresUrl, options: &Options) -> Self {
        const MOMENT: Duration = Duration::from_millis(100);
        const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        // After a lock was waited for, the next statement must see what its holder wrote.
        const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
        let asked: String = settings_of(url).iter().map(|setting| format!("{setting}; ")).collect();
        let patient = settings(options, options.busy_timeout);
        let impatient = settings(options, options.busy_timeout.min(MOMENT));
        let schemas = options.schema.as_ref().or(url.schema.as_ref());
        let alone = schemas.map_or(String::new(), |path| format!("; {}", alone(path)));
        let first = schemas.map_or(String::new(), |path| format!("; {}", first(path)));
        Self {
            read: format!("{READ}; {asked}{patient}{first}"),
            look: format!("{READ}; {asked}{patient}{alone}"),
            write: format!("{WRITE}; {asked}{DURABLY}; {patient}{first}"),
            write_impatient: format!("{WRITE}; {asked}{DURABLY}; {impatient}{first}"),
            make: format!("{WRITE}; {asked}{patient}{alone}"),
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
fn settings(options: &Options, lock_timeout: Duration) -> String {
    format!(
        "SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
        options.statement_timeout.as_millis(),
        lock_timeout.as_millis(),
    )
}

/// Tables are looked up in these schemas alone.
fn alone(schemas: &SearchPath) -> String {
    format!("SET LOCAL search_path = {}", schemas.sql())
}

/// Tables are looked up in these schemas first, and then where the session looks: a trigger of the app's finds what it
/// finds for the app. As soon as the ledger is not in them, nothing is looked up elsewhere: another ledger may be there.
fn first(schemas: &SearchPath) -> String {
    let is_there = |table: &str| {
        let names = schemas.names().iter().map(|schema| {
            format!("to_regclass({})", literal(&format!("{}.{}", quote(schema), quote(table))))
        });
        format!("COALESCE({}) IS NOT NULL", names.collect::<Vec<_>>().join(", "))
    };
    let (user, credit) = (TableName::User.sql(), TableName::Credit.sql());
    format!(
        "SELECT set_config('search_path', concat_ws(', ', {}, CASE WHEN {} AND {} \
         THEN NULLIF(current_setting('search_path'), '') END), true)",
        literal(&schemas.sql()),
        is_there(user),
        is_there(credit),
    )
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
