//! A server's name, for the log.

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The names of the server and the database, without the user. Only shown after a successful connection: in
/// an invalid URL they may be part of a password. With several servers it is unknown which one is connected.
pub(super) fn name(config: &Config) -> String {
    let host = match config.get_hosts() {
        [Host::Tcp(host)] => host.clone(),
        #[cfg(unix)]
        [Host::Unix(folder)] => folder.display().to_string(),
        hosts => format!("one of {} servers", hosts.len()),
    };
    format!("{host}/{}", config.get_dbname().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        let rows = [
            (
                "postgres://app:secret@db.example.test:5433/app?application_name=x",
                "db.example.test/app",
            ),
            ("postgres://app:secret@[::1]/app", "::1/app"),
            ("postgres://app:secret@a.test,b.test/app", "one of 2 servers/app"),
            ("postgres://app:secret@%2Frun%2Fpostgresql/app", "/run/postgresql/app"),
            ("postgres://app:secret@host", "host/"),
        ];
        for (url, expected) in rows {
            assert_eq!(name(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
