//! Parses the URL of a remote libSQL database (Turso, sqld), as `@libsql/client` does.

use std::net::IpAddr;

use super::encoding::{invalid, percent_decode};
use crate::error::Result;

/// A database on a libSQL server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LibsqlUrl {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The server's name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path before `/v3/pipeline`: empty, or beginning with a slash.
    pub path: String,
    /// The access token.
    pub token: Option<Token>,
    /// Whether the URL allows an unencrypted token, by `tls=0`.
    pub says_plain: bool,
}

/// An access token. It is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// A caller's token; `None` if it is not valid.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The token's text, to be sent to the server only.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// A server's text without the token, which it may repeat.
    pub fn hide(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl std::fmt::Debug for LibsqlUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LibsqlUrl(…)")
    }
}

/// The expected form of a token, for messages.
pub const TOKEN_FORM: &str = "a token without spaces, as the database's owner made it";

const FORM: &str = "write libsql://name.turso.io, or http://127.0.0.1:8080";

impl LibsqlUrl {
    /// Parses the part after the scheme; the scheme selects the protocol.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self> {
        let rest =
            rest.strip_prefix("//").ok_or_else(|| invalid(&format!("it names no host; {FORM}")))?;
        if rest.contains('#') {
            return Err(invalid("remove the # and what follows it"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(invalid(
                "a libSQL server takes no user and password; pass authToken, or set DATABASE_AUTH_TOKEN",
            ));
        }
        let (host, port) = host_and_port(authority)?;
        let Parameters { tls, token } = Parameters::read(query)?;
        let (is_plain, forced) = match scheme {
            "http" | "ws" => (true, true),
            "https" | "wss" => (false, true),
            _ => (tls == Some(false), false),
        };
        if forced && tls.is_some_and(|tls| tls == is_plain) {
            return Err(invalid(
                "its scheme and its tls parameter contradict each other; leave tls out",
            ));
        }
        let port = match (port, is_plain) {
            (Some(port), _) => port,
            (None, true) if !forced => {
                return Err(invalid(
                    "with tls=0 it must name a port; write libsql://host:8080?tls=0",
                ));
            }
            (None, true) => 80,
            (None, false) => 443,
        };
        let is_path = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path {
            return Err(invalid("its path must be percent-encoded"));
        }
        let path = path.trim_end_matches('/').to_owned();
        let url = Self { tls: !is_plain, host, port, path, token, says_plain: tls == Some(false) };
        url.check_token()?;
        Ok(url)
    }

    /// Rejects a token that would leave this machine unencrypted, unless the URL allows it.
    pub fn check_token(&self) -> Result<()> {
        if self.token.is_none() || self.tls || self.says_plain || is_loopback(&self.host) {
            return Ok(());
        }
        Err(invalid(
            "its token would leave this machine unencrypted; write https: or libsql:, or, on a network that you \
             trust, add ?tls=0",
        ))
    }

    /// The host for HTTP, without the port if the scheme implies it.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The location in a redirect; `None` if it is not a server of the same kind.
    pub fn moved_to(&self, location: &str, request: &str) -> Option<Self> {
        let mut moved = match location.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => {
                Self::parse(scheme, &format!("//{rest}")).ok()?
            }
            None if location.starts_with('/') && !location.starts_with("//") => {
                Self { path: location.to_owned(), ..self.clone() }
            }
            _ => return None,
        };
        // The redirect must keep the request's path: what comes before it is the database.
        moved.path = moved.path.strip_suffix(request)?.to_owned();
        // A redirect from an encrypted server to an unencrypted one would reveal the token.
        if self.tls && !moved.tls {
            return None;
        }
        moved.token = if moved.host == self.host { self.token.clone() } else { None };
        Some(moved)
    }
}

/// Whether a host is this machine, independent of the network.
fn is_loopback(host: &str) -> bool {
    let is_named = host == "localhost" || host.ends_with(".localhost");
    is_named || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) =
                rest.split_once(']').ok_or_else(|| invalid("a ] is missing in its host"))?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let is_host = |host: &str| {
        !host.is_empty()
            && host.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._:".contains(letter))
    };
    if !is_host(host) {
        return Err(invalid(&format!("it names no host; {FORM}")));
    }
    let port = match port {
        Some("") => None,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(invalid("its port must be a number from 1 to 65535")),
        },
        None => return Err(invalid("its port must be a number from 1 to 65535")),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// The parameters in the URL.
struct Parameters {
    tls: Option<bool>,
    token: Option<Token>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self> {
        let (mut tls, mut token) = (None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "tls" => {
                    tls = Some(match value {
                        "0" => false,
                        "1" => true,
                        _ => return Err(invalid("tls must be 0 or 1")),
                    });
                }
                "authToken" => {
                    let decoded = percent_decode(value).as_deref().and_then(Token::new);
                    let none = || invalid(&format!("authToken must be {TOKEN_FORM}"));
                    token = if value.is_empty() { None } else { Some(decoded.ok_or_else(none)?) };
                }
                _ => return Err(invalid("its only parameters are tls and authToken")),
            }
        }
        Ok(Self { tls, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::location::Location;

    fn parse(url: &str) -> Result<LibsqlUrl> {
        match Location::parse(url)? {
            Location::Libsql(url) => Ok(*url),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_libsql_url_is_read_or_refused() {
        let rows = [
            // the URL; encrypted, host, path, token
            ("libsql://db.turso.io", Some((true, "db.turso.io", "", None))),
            ("LIBSQL://DB.turso.io/", Some((true, "db.turso.io", "", None))),
            ("libsql://db.turso.io:8443", Some((true, "db.turso.io:8443", "", None))),
            ("libsql://127.0.0.1:8080?tls=0", Some((false, "127.0.0.1:8080", "", None))),
            ("libsql://db.turso.io?tls=1", Some((true, "db.turso.io", "", None))),
            ("libsql://db?authToken=secret.x-y_z", Some((true, "db", "", Some("secret.x-y_z")))),
            ("libsql://db?authToken=secret%2B", Some((true, "db", "", Some("secret+")))),
            ("libsql://db?authToken=", Some((true, "db", "", None))),
            ("https://db.turso.io", Some((true, "db.turso.io", "", None))),
            ("wss://db.turso.io", Some((true, "db.turso.io", "", None))),
            ("http://127.0.0.1:8080", Some((false, "127.0.0.1:8080", "", None))),
            ("http://localhost", Some((false, "localhost", "", None))),
            ("ws://[::1]:8080", Some((false, "[::1]:8080", "", None))),
            ("http://host/dev/name/", Some((false, "host", "/dev/name", None))),
            ("http://db?tls=0", Some((false, "db", "", None))),
            // A token that would leave the machine unencrypted, without and with permission.
            ("http://db:8080?authToken=secret", None),
            ("ws://10.0.0.1?authToken=secret", None),
            ("http://localhost.example.test?authToken=secret", None),
            ("http://db:8080?authToken=secret&tls=0", Some((false, "db:8080", "", Some("secret")))),
            ("libsql://db:81?tls=0&authToken=secret", Some((false, "db:81", "", Some("secret")))),
            (
                "http://127.0.0.9:1?authToken=secret",
                Some((false, "127.0.0.9:1", "", Some("secret"))),
            ),
            ("http://localhost?authToken=secret", Some((false, "localhost", "", Some("secret")))),
            (
                "http://db.localhost?authToken=secret",
                Some((false, "db.localhost", "", Some("secret"))),
            ),
            ("ws://[::1]:1?authToken=secret", Some((false, "[::1]:1", "", Some("secret")))),
            ("libsql:db.turso.io", None),
            ("libsql://", None),
            ("libsql:///path", None),
            ("libsql://db?tls=0", None),
            ("libsql://db?tls=no", None),
            ("http://db?tls=1", None),
            ("https://db?tls=0", None),
            ("libsql://app:secret@db", None),
            ("libsql://db?secret=1", None),
            ("libsql://db?authToken=se%20cret", None),
            ("libsql://db#secret", None),
            ("libsql://db:0", None),
            ("libsql://db:99999", None),
            ("libsql://d b", None),
            ("http://[::1:8080", None),
        ];
        for (url, expected) in rows {
            let parsed = parse(url);
            if let Err(error) = &parsed {
                assert_eq!(error.code(), "INVALID_URL", "{url}");
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            let found = parsed.ok().map(|url| {
                let token = url.token.as_ref().map(|token| token.secret().to_owned());
                assert!(!format!("{url:?} {:?}", url.token).contains("secret"));
                (url.tls, url.authority(), url.path, token)
            });
            let expected = expected.map(|(tls, authority, path, token)| {
                (tls, authority.to_owned(), path.to_owned(), token.map(str::to_owned))
            });
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_redirect_is_followed_within_limits() {
        let rows = [
            // the URL, the location; the new URL, and whether the token is sent there
            ("http://a/db", "/new/v3/pipeline", Some(("a", "/new", true))),
            ("http://a", "http://a:81/v3/pipeline", Some(("a:81", "", true))),
            ("http://a", "https://a/v3/pipeline", Some(("a", "", true))),
            ("http://a", "http://b/v3/pipeline", Some(("b", "", false))),
            ("https://a", "http://a/v3/pipeline", None),
            ("http://a", "//b/v3/pipeline", None),
            ("http://a", "ftp://a/v3/pipeline", None),
            ("http://a", "http://a/login", None),
            ("http://a", "", None),
        ];
        for (from, location, expected) in rows {
            let mut url = parse(from).unwrap();
            url.token = Token::new("secret");
            let moved = url.moved_to(location, "/v3/pipeline");
            let found = moved.map(|url| (url.authority(), url.path.clone(), url.token.is_some()));
            let expected = expected.map(|(to, path, has)| (to.to_owned(), path.to_owned(), has));
            assert_eq!(found, expected, "{from} {location}");
        }
    }
}
