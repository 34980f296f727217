//! How transactions begin, with settings that apply until their end.

use std::sync::Arc;
use std::time::Duration;

use super::options::Options;
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::location::PostgresUrl;
use crate::storage::schema::quote;
use crate::storage::search_path::SearchPath;

/// The commands that begin transactions.
pub(super) struct Begin {
    /// For reading the schema: only tables in the caller's schemas are visible.
    pub(super) look: String,
    /// For creating tables there.
    pub(super) make: String,
    /// For all others, before the schema was read.
    pub(super) unseen: Arc<Commands>,
    /// For all others, without the search path.
    openings: Commands,
    schemas: Option<SearchPath>,
    /// The names of the settings in the URL.
    asked: Vec<String>,
}

/// The commands that begin transactions over the tables.
pub(super) struct Commands {
    /// A write.
    pub(super) write: String,
    /// A write that waits only briefly for locks.
    pub(super) write_short_wait: String,
    /// A read.
    pub(super) read: String,
}

impl Commands {
    /// Appends a setting, if it is not empty.
    fn then(&self, setting: &str) -> Self {
        let then = |opening: &str| format!("{opening}{setting}");
        Self {
            write: then(&self.write),
            write_short_wait: then(&self.write_short_wait),
            read: then(&self.read),
        }
    }

    /// The same with `synchronous_commit` on, so that commits are confirmed when they are on disk. All values
    /// except `off` wait for that; which standbys they wait for is the operator's choice.
    fn waiting_for_the_disk(&self) -> Self {
        let waiting = |opening: &str| format!("{opening}; SET LOCAL synchronous_commit = on");
        Self {
            write: waiting(&self.write),
            write_short_wait: waiting(&self.write_short_wait),
            read: self.read.clone(),
        }
    }
}

impl Begin {
    pub(super) fn new(url: &PostgresUrl, options: &Options) -> Self {
        const MOMENT: Duration = Duration::from_millis(100);
        const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        // After waiting for a lock, the next statement must see what its holder wrote.
        const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
        let asked: String = settings_of(url).iter().map(|setting| format!("{setting}; ")).collect();
        let full = settings(options, options.busy_timeout);
        let short = settings(options, options.busy_timeout.min(MOMENT));
        let openings = Commands {
            write: format!("{WRITE}; {asked}{full}"),
            write_short_wait: format!("{WRITE}; {asked}{short}"),
            read: format!("{READ}; {asked}{full}"),
        };
        let schemas = options.schema.as_ref().or(url.schema.as_ref()).cloned();
        let alone = schemas.as_ref().map_or(String::new(), |path| format!("; {}", alone(path)));
        let first = schemas.as_ref().map(|path| format!("; {}", carefully_first(path)));
        let unseen = openings.then(first.as_deref().unwrap_or_default());
        Self {
            look: format!("{}; {}{alone}", openings.read, remember_own_path()),
            make: format!("{WRITE}; {asked}{full}{alone}"),
            unseen: Arc::new(unseen),
            openings,
            schemas,
            asked: url.settings.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The commands after the schema was read: `own` is the session's search path, which leads to no other
    /// ledger, and `answers_early` is whether commits are confirmed before they are on disk.
    pub(super) fn seen(&self, own: Option<&str>, answers_early: bool) -> Arc<Commands> {
        let commands = self.on_path(own);
        if answers_early { Arc::new(commands.waiting_for_the_disk()) } else { commands }
    }

    fn on_path(&self, own: Option<&str>) -> Arc<Commands> {
        let own = own.and_then(SearchPath::parse_sql);
        let (Some(schemas), Some(own)) = (&self.schemas, own) else {
            return Arc::clone(&self.unseen);
        };
        let first = format!("; SET LOCAL search_path = {}, {}", schemas.sql(), own.sql());
        Arc::new(self.openings.then(&first))
    }

    /// The error for the URL, if a transaction could not begin because of one of its settings.
    pub(super) fn refusal(&self, error: &tokio_postgres::Error) -> Option<Error> {
        let database = error.as_db_error()?;
        // The server names the rejected setting. The message omits its value, which may be confidential.
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

/// Settings that always apply.
fn settings(options: &Options, lock_timeout: Duration) -> String {
    format!(
        "SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
        options.statement_timeout.as_millis(),
        lock_timeout.as_millis(),
    )
}

/// Restricts the lookup of tables to these schemas.
fn alone(schemas: &SearchPath) -> String {
    format!("SET LOCAL search_path = {}", schemas.sql())
}

/// Stores the session's own search path and the tables that it leads to, for `sql/own_path.sql`.
fn remember_own_path() -> String {
    let tables = TableName::ALL
        .map(|table| format!("to_regclass({})::oid", literal(&quote(table.sql()))))
        .join(", ");
    format!(
        "SELECT set_config('media_credits.path', current_setting('search_path'), true), \
         set_config('media_credits.tables', concat_ws(',', {tables}), true)"
    )
}

/// Puts these schemas before the session's own search path, so that a trigger of the app finds what it finds
/// otherwise. If the ledger is not in these schemas, nothing else is searched: there may be another ledger.
fn carefully_first(schemas: &SearchPath) -> String {
    let is_there = |table: TableName| {
        let names = schemas.names().iter().map(|schema| {
            let name = format!("{}.{}", quote(schema), quote(table.sql()));
            format!("to_regclass({})", literal(&name))
        });
        format!("COALESCE({}) IS NOT NULL", names.collect::<Vec<_>>().join(", "))
    };
    format!(
        "SELECT set_config('search_path', concat_ws(', ', {}, CASE WHEN {} AND {} \
         THEN NULLIF(current_setting('search_path'), '') END), true)",
        literal(&schemas.sql()),
        is_there(TableName::User),
        is_there(TableName::Credit),
    )
}

/// The URL's settings, set until the end of the transaction. As parameters of the session, a pooler would
/// reject them, or apply them to other clients.
fn settings_of(url: &PostgresUrl) -> Vec<String> {
    let path = url.search_path.iter().map(|path| format!("SET LOCAL search_path = {}", path.sql()));
    let others = url.settings.iter().map(|(name, value)| {
        let name: Vec<String> = name.split('.').map(quote).collect();
        format!("SET LOCAL {} = {}", name.join("."), literal(value))
    });
    path.chain(others).collect()
}

/// A text literal for any `standard_conforming_strings`.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::location::Location;

    #[test]
    fn schemas_of_the_app() {
        let rows = [
            // option, the session's own path if it leads to no other ledger; a transaction's search path
            ("", Some("public"), None),
            (
                "app",
                Some("\"$user\", public"),
                Some(r#"SET LOCAL search_path = "app", "$user", "public""#),
            ),
            ("a\"b", None, None),
            (
                "\"a\"\"b\",c",
                Some("Public"),
                Some(r#"SET LOCAL search_path = "a""b", "c", "public""#),
            ),
            (
                "app",
                Some("x; DROP TABLE y"),
                Some(r#"SET LOCAL search_path = "app", "x; drop table y""#),
            ),
        ];
        let Ok(Location::Postgres(url)) = Location::parse("postgres://db/app") else { panic!() };
        for (schemas, own, expected) in rows {
            let schema = SearchPath::parse(schemas);
            let begin = Begin::new(&url, &Options { schema: schema.clone(), ..Options::default() });
            let seen = begin.seen(own, false);
            for command in [&seen.write, &seen.write_short_wait, &seen.read] {
                let path =
                    command.split_inclusive("; ").skip_while(|part| !part.contains("search_path"));
                let path = path.collect::<String>();
                assert_eq!((!path.is_empty()).then_some(path.as_str()), expected, "{schemas}");
            }
            // If the session's own path is unknown, each transaction reads it first.
            for unknown in [None, Some(""), Some("a\"b")] {
                let careful = begin.seen(unknown, false).write.contains("to_regclass");
                assert_eq!(careful, schema.is_some(), "{schemas} {unknown:?}");
            }
            assert!(!begin.make.contains("to_regclass"), "{schemas}");
        }
    }

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
