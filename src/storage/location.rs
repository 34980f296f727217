//! Where a database is: what `DATABASE_URL` and `DATABASE_PROVIDER` mean.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A database that this package can open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// An SQLite file, as the URL names it.
    SqliteFile(PathBuf),
    /// A private SQLite database in memory, for tests.
    SqliteMemory,
}

impl Location {
    /// Reads a URL as the app writes it: `file:data/local.db` (relative to the working directory),
    /// `file:/abs`, `file:///abs`, a plain path, `:memory:`.
    pub fn parse(url: &str) -> Result<Self> {
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
            None if url == ":memory:" => return Ok(Self::SqliteMemory),
            None => return Ok(Self::SqliteFile(PathBuf::from(url))),
            Some((scheme, path)) if scheme == "file" => path,
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
            ":memory:" => Ok(Self::SqliteMemory),
            _ => Ok(Self::SqliteFile(PathBuf::from(path))),
        }
    }

    /// Refuses a `DATABASE_PROVIDER` that contradicts the URL: the app itself could not open it.
    pub fn check_provider(&self, provider: &str) -> Result<()> {
        match provider {
            "" | "sqlite" | "turso" => Ok(()),
            other => Err(Error::InvalidUrl {
                reason: format!(
                    "DATABASE_PROVIDER is {other:?}, but DATABASE_URL names an SQLite file; set \
                     DATABASE_PROVIDER to sqlite, or DATABASE_URL to that database"
                ),
            }),
        }
    }
}

/// One name for one file, however a URL spells it. The file need not be there yet.
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

/// The URL's scheme in lower case, and the rest. One letter is no scheme but a Windows drive.
fn split_scheme(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

fn unsupported(scheme: &str) -> Error {
    let advice = match scheme {
        "postgres" | "postgresql" => {
            "PostgreSQL is not in this version yet; keep the app's own models there for now"
        }
        "libsql" | "wss" | "ws" | "http" | "https" => {
            "a remote libSQL or Turso database has no transaction that this package can hold; use \
             an SQLite file on the app's own disk (file:data/local.db)"
        }
        "mysql" | "mysql2" | "mariadb" => "use an SQLite file (file:data/local.db)",
        _ => "use an SQLite file: file:data/local.db, or a plain path",
    };
    Error::UnsupportedDatabase { scheme: format!("{scheme}:"), advice }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let file = |path: &str| Ok(Location::SqliteFile(PathBuf::from(path)));
        let rows = [
            ("file:data/local.db", file("data/local.db")),
            ("file:./local.db", file("./local.db")),
            ("file:/abs/local.db", file("/abs/local.db")),
            ("file:///abs/local.db", file("/abs/local.db")),
            ("file://localhost/abs/local.db", file("/abs/local.db")),
            ("file:///with%20space.db", file("/with space.db")),
            ("FILE:local.db", file("local.db")),
            ("data/local.db", file("data/local.db")),
            ("/abs/local.db", file("/abs/local.db")),
            ("100%.db", file("100%.db")),
            ("C:\\data\\local.db", file("C:\\data\\local.db")),
            (":memory:", Ok(Location::SqliteMemory)),
            ("file::memory:", Ok(Location::SqliteMemory)),
            ("", Err("INVALID_URL")),
            ("  ", Err("INVALID_URL")),
            ("file:", Err("INVALID_URL")),
            ("file://", Err("INVALID_URL")),
            ("file://server/share.db", Err("INVALID_URL")),
            ("file:local.db?mode=ro", Err("INVALID_URL")),
            ("file:100%.db", Err("INVALID_URL")),
            ("file:%ff.db", Err("INVALID_URL")),
            ("file:a%00b", Err("INVALID_URL")),
            ("a\0b", Err("INVALID_URL")),
            ("libsql://db.turso.io", Err("UNSUPPORTED_DATABASE")),
            ("https://db.turso.io", Err("UNSUPPORTED_DATABASE")),
            ("mysql://root:secret@db/app", Err("UNSUPPORTED_DATABASE")),
            ("postgres://app:secret@db/app", Err("UNSUPPORTED_DATABASE")),
            ("postgresql://app:secret@db/app", Err("UNSUPPORTED_DATABASE")),
            ("mongodb+srv://app:secret@db", Err("UNSUPPORTED_DATABASE")),
        ];
        for (url, expected) in rows {
            let parsed = Location::parse(url);
            if let Err(error) = &parsed {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            assert_eq!(parsed.map_err(|error| error.code()), expected, "{url}");
        }
    }

    #[test]
    fn providers() {
        let rows = [
            ("", true),
            ("sqlite", true),
            ("turso", true),
            ("postgresql", false),
            ("mysql", false),
        ];
        for (provider, fits) in rows {
            assert_eq!(Location::SqliteMemory.check_provider(provider).is_ok(), fits, "{provider}");
        }
    }
}
