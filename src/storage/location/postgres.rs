//! What the URL of a PostgreSQL database says.

use super::percent_decode;
use crate::error::{Error, Result};

/// The URL of a PostgreSQL database.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PostgresUrl {
    /// Without the parameters that are taken apart here. It may hold a password.
    text: String,
    ssl_mode: SslMode,
    root_certificates: Option<String>,
    target: TargetSession,
}

/// `target_session_attrs`, as libpq means it: which of several servers is the right one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TargetSession {
    /// The first that answers.
    #[default]
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not.
    ReadOnly,
    /// One that is no hot standby.
    Primary,
    /// A hot standby.
    Standby,
    /// A hot standby if there is one, else any.
    PreferStandby,
}

impl TargetSession {
    fn parse(target: &str) -> Result<Self> {
        match target {
            "any" => Ok(Self::Any),
            "read-write" => Ok(Self::ReadWrite),
            "read-only" => Ok(Self::ReadOnly),
            "primary" => Ok(Self::Primary),
            "standby" => Ok(Self::Standby),
            "prefer-standby" => Ok(Self::PreferStandby),
            _ => Err(Error::InvalidUrl {
                reason:
                    "target_session_attrs must be any, read-write, read-only, primary, standby or \
                         prefer-standby"
                        .to_owned(),
            }),
        }
    }
}

/// `sslmode`, as libpq means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encryption if the server offers it.
    Prefer,
    /// Encryption.
    Require,
    /// And a certificate that a trusted authority has signed.
    VerifyCa,
    /// And it names the host.
    VerifyFull,
}

impl PostgresUrl {
    /// The parameters that the client understands. Others are somebody else's (`pgbouncer=true`): the
    /// app's own client passes them over too.
    const KNOWN: [&str; 9] = [
        "application_name",
        "channel_binding",
        "connect_timeout",
        "dbname",
        "host",
        "options",
        "password",
        "port",
        "user",
    ];

    pub(super) fn parse(url: &str) -> Result<Self> {
        let (text, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut parsed = Self {
            text: text.to_owned(),
            ssl_mode: SslMode::Prefer,
            root_certificates: None,
            target: TargetSession::Any,
        };
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "sslmode" => parsed.ssl_mode = SslMode::parse(value)?,
                "sslrootcert" => parsed.root_certificates = percent_decode(value),
                "target_session_attrs" => parsed.target = TargetSession::parse(value)?,
                name if Self::KNOWN.contains(&name) => {
                    parsed.text.push(if parsed.text.contains('?') { '&' } else { '?' });
                    parsed.text.push_str(parameter);
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// The URL for the client. It may hold a password: never show it.
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// Whether and how the connection is encrypted.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Which of several servers is the right one.
    pub fn target(&self) -> TargetSession {
        self.target
    }

    /// The file with the certificates to trust, if it is not the system's.
    pub fn root_certificates(&self) -> Option<&str> {
        self.root_certificates.as_deref()
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PostgresUrl(…)")
    }
}

impl SslMode {
    fn parse(mode: &str) -> Result<Self> {
        match mode {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(Error::InvalidUrl {
                reason: "sslmode must be disable, prefer, require, verify-ca or verify-full"
                    .to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let rows = [
            ("", Ok(TargetSession::Any)),
            ("?target_session_attrs=any", Ok(TargetSession::Any)),
            ("?target_session_attrs=read-write", Ok(TargetSession::ReadWrite)),
            ("?target_session_attrs=read-only", Ok(TargetSession::ReadOnly)),
            ("?target_session_attrs=primary", Ok(TargetSession::Primary)),
            ("?target_session_attrs=standby", Ok(TargetSession::Standby)),
            ("?target_session_attrs=prefer-standby", Ok(TargetSession::PreferStandby)),
            ("?target_session_attrs=master", Err("INVALID_URL")),
            ("?target_session_attrs=", Err("INVALID_URL")),
        ];
        for (parameters, expected) in rows {
            let parsed = PostgresUrl::parse(&format!("postgres://a:5432,b:5433/app{parameters}"));
            let target = parsed.map(|url| url.target()).map_err(|error| error.code());
            assert_eq!(target, expected, "{parameters}");
        }
    }
}
