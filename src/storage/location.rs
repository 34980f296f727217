//! Parses `DATABASE_URL` and `DATABASE_PROVIDER`.

mod authority;
mod encoding;
mod libsql;
mod mysql;
mod parameters;
mod postgres;
#[cfg(test)]
mod tests;
mod tls;

use std::path::{Path, PathBuf};

use self::encoding::percent_decode;
pub use self::libsql::{LibsqlUrl, TOKEN_FORM, Token};
pub use self::mysql::{MysqlHost, MysqlUrl};
pub use self::parameters::Variables;
pub use self::postgres::{Host, Network, PostgresUrl, TargetSession};
pub use self::tls::{ChannelBinding, Roots, SslMode, Tls, Versions};
use crate::error::{Error, Result};

/// A database that this package can open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// An SQLite database.
    Sqlite(Place),
    /// A database on a PostgreSQL server.
    Postgres(Box<PostgresUrl>),
    /// A database on a libSQL server.
    Libsql(Box<LibsqlUrl>),
    /// A database on a MySQL or MariaDB server.
    Mysql(Box<MysqlUrl>),
}

/// The location of an SQLite database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A file, with the path in the URL.
    File(PathBuf),
    /// In memory and private, for tests.
    Memory,
}

impl Location {
    /// Parses a URL in the app's notation: `file:data/local.db` (relative to the working directory),
    /// `file:/abs`, `file:///abs`, a plain path, `:memory:`.
    pub fn parse(url: &str) -> Result<Self> {
        Self::parse_in(url, &Variables::new())
    }

    /// The same; environment variables add what a server's URL leaves out.
    pub fn parse_in(url: &str, variables: &Variables) -> Result<Self> {
        let invalid = |reason: &str| Error::InvalidUrl { reason: reason.to_owned() };
        if url.trim().is_empty() {
            return Err(invalid(
                "it is empty; set DATABASE_URL to file:data/local.db or the like, or pass \
                 connect({ url })",
            ));
        }
        if url.contains('\0') {
            return Err(invalid("it contains a NUL character"));
        }
        let path = match split_scheme(url) {
            // It may contain a password, so it must neither become a file name nor be shown.
            None if url.contains("://") => {
                return Err(invalid(
                    "there is text before its scheme; it must start with file:, postgres://, mysql:// or libsql://",
                ));
            }
            None if looks_like_a_login(url) => {
                return Err(invalid(
                    "it looks like a server's URL without its scheme; it must start with postgres://, mysql:// or libsql://, \
                     and the path of a file that has a : before an @ with file:",
                ));
            }
            None if looks_like_keywords(url) => {
                return Err(invalid(
                    "it looks like a connection string of keywords; write \
                     postgres://user:password@host:5432/database, or mysql://user:password@host:3306/database",
                ));
            }
            None if url == ":memory:" => return Ok(Self::Sqlite(Place::Memory)),
            None => return Ok(Self::Sqlite(Place::File(PathBuf::from(url)))),
            Some((scheme, path)) if scheme == "file" => path,
            Some((scheme, rest)) if POSTGRES.contains(&scheme.as_str()) => {
                let url = PostgresUrl::parse(rest, variables)?;
                return Ok(Self::Postgres(Box::new(url)));
            }
            Some((scheme, rest)) if LIBSQL.contains(&scheme.as_str()) => {
                return Ok(Self::Libsql(Box::new(LibsqlUrl::parse(&scheme, rest)?)));
            }
            Some((scheme, rest)) if MYSQL.contains(&scheme.as_str()) => {
                return Ok(Self::Mysql(Box::new(MysqlUrl::parse(rest)?)));
            }
            Some((scheme, _)) => return Err(unsupported(&scheme)),
        };
        if path.contains(['?', '#']) {
            return Err(invalid(
                "parameters after the file's name are not understood; leave out everything from \
                 the ? or # on",
            ));
        }
        let path = match path.strip_prefix("//") {
            None => path,
            Some(rest) if rest.starts_with('/') => rest,
            Some(rest) => rest.strip_prefix("localhost").filter(|rest| rest.starts_with('/')).ok_or_else(
                || invalid("file://host/ names another machine; write file:///absolute/path or file:relative/path"),
            )?,
        };
        let path = percent_decode(path)
            .ok_or_else(|| invalid("its percent encoding does not decode to UTF-8 text"))?;
        match path.as_str() {
            "" => Err(invalid("it names no file; write file:data/local.db or the like")),
            ":memory:" => Ok(Self::Sqlite(Place::Memory)),
            _ => Ok(Self::Sqlite(Place::File(PathBuf::from(path)))),
        }
    }

    /// Rejects a `DATABASE_PROVIDER` that contradicts the URL: the app could not open the database either.
    pub fn check_provider(&self, provider: &str) -> Result<()> {
        let (is, providers) = match self {
            Self::Sqlite(_) => ("an SQLite file", &["sqlite", "turso"][..]),
            Self::Postgres(_) => ("a PostgreSQL database", &POSTGRES[..]),
            Self::Libsql(_) => ("a libSQL database", &["turso", "sqlite"][..]),
            Self::Mysql(_) => ("a MySQL database", &MYSQL[..]),
        };
        if provider.is_empty() || providers.contains(&provider) {
            return Ok(());
        }
        let fitting = providers[0];
        // It may contain a URL with its password.
        let is_name = provider.chars().all(char::is_alphanumeric);
        let given =
            if is_name { format!("{provider:?}") } else { "not the name of a provider".to_owned() };
        Err(Error::InvalidUrl {
            reason: format!(
                "DATABASE_PROVIDER is {given}, but DATABASE_URL names {is}; set \
                 DATABASE_PROVIDER to {fitting}, or DATABASE_URL to that database"
            ),
        })
    }
}

/// The kind of database in a URL, by OpenTelemetry's name, even if the URL is invalid otherwise.
pub fn system(url: &str) -> &'static str {
    let Some((scheme, _)) = split_scheme(url) else { return "sqlite" };
    match scheme.as_str() {
        scheme if POSTGRES.contains(&scheme) => "postgresql",
        scheme if MYSQL.contains(&scheme) => "mysql",
        _ => "sqlite",
    }
}

/// The schemes of PostgreSQL URLs, which are also the provider's names; the app's own comes first.
const POSTGRES: [&str; 2] = ["postgresql", "postgres"];

/// The schemes of libSQL's URLs.
const LIBSQL: [&str; 5] = ["libsql", "https", "http", "wss", "ws"];

/// The schemes of MySQL URLs, which are also the provider's names; the app's own comes first.
const MYSQL: [&str; 3] = ["mysql", "mysql2", "mariadb"];

/// One path for a file, whichever path the URL has. The file need not exist.
pub fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().and_then(|folder| folder.canonicalize().ok()), absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

/// The URL's scheme in lower case, and the rest. A single letter is a Windows drive.
fn split_scheme(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// Whether the path looks like `user:password@`. The colon of a Windows drive does not count.
fn looks_like_a_login(path: &str) -> bool {
    let drive = path.split_once(':').filter(|(drive, _)| drive.len() == 1);
    let path = drive.map_or(path, |(_, rest)| rest.strip_prefix(['/', '\\']).unwrap_or(path));
    path.split_once(':').is_some_and(|(_, rest)| rest.contains('@'))
}

/// Whether this looks like libpq's alternative to a URL: `host=… password=…`.
fn looks_like_keywords(text: &str) -> bool {
    const KEYWORDS: [&str; 5] = ["host", "hostaddr", "user", "password", "dbname"];
    text.split_whitespace()
        .any(|word| word.split_once('=').is_some_and(|(name, _)| KEYWORDS.contains(&name)))
}

fn unsupported(scheme: &str) -> Error {
    let advice = "use an SQLite file (file:data/local.db, or a plain path), Turso (libsql://…), PostgreSQL \
                  (postgres://…) or MySQL (mysql://…)";
    Error::UnsupportedDatabase { scheme: format!("{scheme}:"), advice }
}
