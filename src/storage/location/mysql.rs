//! Parses the URL of a MySQL or MariaDB database. Like mysql2, it reads no environment variables.

mod parameters;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use self::parameters::PARAMETERS;
use super::authority::{Parts, decode, host, parameters, port_number, split_port};
use super::encoding::{encode, invalid};
use super::parameters::Said;
use super::tls::{ChannelBinding, Roots, SslMode, Tls, Versions, certificate_and_key};
use crate::error::Result;

/// The location of a MySQL or MariaDB database, the login and the encryption.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MysqlUrl {
    /// The servers, at least one.
    pub hosts: Vec<MysqlHost>,
    /// The user; empty if the URL has none.
    pub user: String,
    /// Must never be shown.
    pub password: Option<String>,
    /// The initial database of a session.
    pub database: Option<String>,
    /// The encryption.
    pub tls: Tls,
    /// How long to wait for one server.
    pub connect_timeout: Option<Duration>,
    /// Whether a server may ask for the plain password.
    pub may_send_password: bool,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MysqlHost {
    /// A network address.
    Tcp {
        /// Its name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A socket on this machine.
    Unix(PathBuf),
}

const FORM: &str = "write mysql://user:password@host:3306/database";

impl MysqlUrl {
    /// Parses the part after the scheme's colon.
    pub(super) fn parse(rest: &str) -> Result<Self> {
        let rest = rest.strip_prefix("//").ok_or_else(|| invalid(FORM))?;
        let parts = Parts::read(rest.trim_end())?;
        let mut said = Said::default();
        for (name, value) in parameters(parts.parameters) {
            // mysql2 reads + as a space.
            take(&name?, &decode(&value.replace('+', " "), "parameter")?, &mut said)?;
        }
        let has_login = !parts.user.is_empty() || !parts.password.is_empty();
        let hosts = match (said.text("socketpath"), parts.hosts) {
            (Some(path), _) => vec![MysqlHost::Unix(PathBuf::from(path))],
            (None, "") if has_login => {
                return Err(invalid(&format!("it names no host; {FORM}")));
            }
            (None, "") => vec![MysqlHost::Tcp { host: "localhost".to_owned(), port: PORT }],
            (None, hosts) => hosts.split(',').map(server).collect::<Result<_>>()?,
        };
        Ok(Self {
            hosts,
            user: parts.user,
            password: Some(parts.password).filter(|password| !password.is_empty()),
            database: Some(parts.database).filter(|database| !database.is_empty()),
            tls: tls(&said)?,
            connect_timeout: connect_timeout(&said)?,
            may_send_password: may_send_password(&said)?,
        })
    }
}

impl std::fmt::Debug for MysqlUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MysqlUrl(…)")
    }
}

const PORT: u16 = 3306;

fn server(written: &str) -> Result<MysqlHost> {
    let (name, port) = split_port(written);
    let name = host(&decode(name, "host")?, FORM)?;
    if name.starts_with('/') {
        return Ok(MysqlHost::Unix(PathBuf::from(name)));
    }
    let port = port.filter(|port| !port.is_empty());
    Ok(MysqlHost::Tcp { host: name, port: port.map_or(Ok(PORT), port_number)? })
}

fn take(name: &str, value: &str, said: &mut Said) -> Result<()> {
    // This name has two units: milliseconds in mysql2 and Java, seconds in Prisma, Rails and Python.
    let plain = match name.to_ascii_lowercase() {
        seconds if seconds == "connect_timeout" => "connecttimeoutseconds".to_owned(),
        other => other.replace(['-', '_'], ""),
    };
    if said.take_known(PARAMETERS, &plain, value)?.is_none() {
        return Ok(());
    }
    // It may be part of a password that was not encoded, so it must not be shown.
    let is_word = name.len() <= 40
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    Err(match is_word {
        true => invalid(&format!("its parameter {name} is not known; leave it out")),
        false => encode("the name of a parameter is not valid", "? is %3F, & is %26"),
    })
}

fn connect_timeout(said: &Said) -> Result<Option<Duration>> {
    let whole = |name, shown| match said.text(name).map(str::parse::<u32>).transpose() {
        Ok(number) => Ok(number.filter(|number| *number > 0).map(u64::from)),
        Err(_) => Err(invalid(&format!("{shown} must be a whole number"))),
    };
    let milliseconds = whole("connecttimeout", "connectTimeout")?.map(Duration::from_millis);
    let seconds = whole("connecttimeoutseconds", "connect_timeout")?.map(Duration::from_secs);
    Ok(milliseconds.into_iter().chain(seconds).min())
}

/// The value of a boolean parameter.
fn switch(said: &Said, name: &str) -> Result<Option<bool>> {
    match said.text(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(invalid(&format!("{name} must be true or false"))),
    }
}

fn may_send_password(said: &Said) -> Result<bool> {
    Ok(switch(said, "enablecleartextplugin")?.unwrap_or(true))
}

fn tls(said: &Said) -> Result<Tls> {
    let ssl = said.text("ssl").map(Ssl::parse).transpose()?;
    // In Prisma's URLs, a certificate without a key is the authority's.
    let (roots, certificate) = match said.has("sslkey") {
        false => (said.text("sslca").or(said.text("sslcert")), None),
        true => (said.text("sslca"), certificate_and_key(said)?),
    };
    let text = ssl.as_ref().and_then(|ssl| ssl.ca.clone());
    let roots = roots.map(|file| Roots::File(file.to_owned())).or(text.map(Roots::Text));
    Ok(Tls {
        mode: mode(said, ssl.as_ref(), roots.is_some())?,
        roots,
        certificate,
        is_direct: false,
        names_host: true,
        versions: ssl.map_or(Versions::Both, |ssl| ssl.versions),
        channel_binding: ChannelBinding::Disable,
    })
}

/// The mode of encryption, from all clients' parameters. If several are given, the safest counts.
fn mode(said: &Said, ssl: Option<&Ssl>, has_roots: bool) -> Result<SslMode> {
    let mut modes: Vec<SslMode> = ssl.map(|ssl| ssl.mode).into_iter().collect();
    if let Some(mode) = said.text("sslmode") {
        modes.push(mode_of_word(mode).ok_or_else(|| {
            invalid("ssl-mode must be DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY")
        })?);
    }
    if let Some(accept) = said.text("sslaccept") {
        modes.push(match accept {
            "strict" => SslMode::VerifyFull,
            "accept_invalid_certs" => SslMode::Require,
            _ => return Err(invalid("sslaccept must be strict or accept_invalid_certs")),
        });
    }
    let switches = [
        // The parameter, and the modes that it means when it is on and when it is off.
        ("usessl", Some(SslMode::Require), Some(SslMode::Disable)),
        ("requiressl", Some(SslMode::Require), None),
        ("ssldisabled", Some(SslMode::Disable), None),
        ("verifyservercertificate", Some(SslMode::VerifyCa), None),
        ("sslverifyidentity", Some(SslMode::VerifyFull), None),
    ];
    for (name, on, off) in switches {
        modes.extend(match switch(said, name)? {
            None => None,
            Some(true) => on,
            Some(false) => off,
        });
    }
    Ok(match (modes.into_iter().max(), has_roots) {
        // The operator names an authority in order to have it checked.
        (None | Some(SslMode::Require), true) => SslMode::VerifyCa,
        // Without a host name, the check is useless: public authorities sign certificates for any host.
        (Some(SslMode::VerifyCa), false) => SslMode::VerifyFull,
        (mode, _) => mode.unwrap_or(SslMode::Prefer),
    })
}

/// `ssl-mode`, as MySQL's and MariaDB's clients define it.
fn mode_of_word(word: &str) -> Option<SslMode> {
    match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disabled" | "disable" => Some(SslMode::Disable),
        "preferred" | "prefer" => Some(SslMode::Prefer),
        "required" | "require" | "trust" => Some(SslMode::Require),
        "verify-ca" => Some(SslMode::VerifyCa),
        "verify-identity" | "verify-full" => Some(SslMode::VerifyFull),
        _ => None,
    }
}

/// `ssl`, as mysql2 defines it.
struct Ssl {
    mode: SslMode,
    versions: Versions,
    /// The text of trusted certificates.
    ca: Option<String>,
}

impl Ssl {
    fn parse(written: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Object {
            reject_unauthorized: Option<bool>,
            verify_identity: Option<bool>,
            min_version: Option<String>,
            ca: Option<String>,
        }
        let both = |mode| Self { mode, versions: Versions::Both, ca: None };
        match written {
            "true" => return Ok(both(SslMode::VerifyFull)),
            "false" => return Ok(both(SslMode::Disable)),
            "Amazon RDS" => {
                return Err(invalid(
                    "ssl=Amazon RDS stands for certificates that mysql2 has; download them from Amazon, and write ssl-ca, \
                     that PEM file, or ssl={\"ca\":\"…\"}, its text",
                ));
            }
            word => {
                if let Some(mode) = mode_of_word(word) {
                    return Ok(both(mode));
                }
            }
        }
        let object: Object = serde_json::from_str(written).map_err(|_| {
            invalid(
                "ssl must be true, false, or an object with rejectUnauthorized, verifyIdentity, minVersion and ca, a text \
                 in PEM; write other files as ssl-ca, ssl-cert and ssl-key",
            )
        })?;
        let mode = match (object.reject_unauthorized, object.verify_identity) {
            (Some(false), _) => SslMode::Require,
            (_, Some(true)) => SslMode::VerifyFull,
            _ => SslMode::VerifyCa,
        };
        let versions = match object.min_version.as_deref() {
            None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => Versions::Both,
            Some("TLSv1.3") => Versions::Tls13,
            Some(_) => return Err(invalid("minVersion in ssl must be TLSv1.2 or TLSv1.3")),
        };
        Ok(Self { mode, versions, ca: object.ca })
    }
}
