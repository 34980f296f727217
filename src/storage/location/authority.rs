//! The parts of a server's URL: `//user:password@host:port,host:port/database?parameters`.

use std::str::FromStr;

use super::encoding::{encode, invalid, percent_decode};
use crate::error::Result;

/// The parts of a URL. Missing parts are empty.
pub(super) struct Parts<'u> {
    pub(super) user: String,
    pub(super) password: String,
    /// The hosts with their ports, not decoded.
    pub(super) hosts: &'u str,
    pub(super) database: String,
    /// The parameters, not decoded.
    pub(super) parameters: &'u str,
}

impl<'u> Parts<'u> {
    /// Splits the part after the two slashes.
    pub(super) fn read(rest: &'u str) -> Result<Self> {
        if rest.contains('#') {
            return Err(encode("it contains a #", "# is %23"));
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if rest.contains('@') {
            return Err(encode("there is an @ behind the host", "@ is %40, / is %2F, ? is %3F"));
        }
        let (login, hosts) = match authority.split_once('@') {
            None => ("", authority),
            Some((_, hosts)) if hosts.contains('@') => {
                return Err(encode("there is more than one @ before the host", "@ is %40"));
            }
            Some(both) => both,
        };
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self {
            user: decode(user, "user")?,
            password: decode(password, "password")?,
            hosts,
            database: decode(path.strip_prefix('/').unwrap_or(path), "database")?,
            parameters,
        })
    }
}

/// Each parameter's name, and its value, not decoded.
pub(super) fn parameters(all: &str) -> impl Iterator<Item = (Result<String>, &str)> {
    let parameters = all.split('&').filter(|parameter| !parameter.is_empty());
    parameters.map(|parameter| match parameter.split_once('=') {
        Some((name, value)) => (decode(name, "parameter"), value),
        None => (Err(encode("a parameter has no =", "? is %3F, & is %26")), ""),
    })
}

/// The name of a host, and the port after the colon: `db:5432`, `[::1]:5432`.
pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    let bracketed = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    match bracketed {
        Some((name, rest)) if rest.is_empty() || rest.starts_with(':') => {
            (name, rest.strip_prefix(':'))
        }
        _ => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    }
}

pub(super) fn port_number(port: &str) -> Result<u16> {
    let port = u16::from_str(port).ok().filter(|port| *port > 0);
    port.ok_or_else(|| encode("a port must be a number from 1 to 65535", ": is %3A, / is %2F"))
}

/// The name of a host, or the path of its socket. `form` is an example of a URL with a host.
pub(super) fn host(name: &str, form: &str) -> Result<String> {
    let is_path = cfg!(unix) && name.starts_with('/');
    let is_odd = |letter: char| letter.is_whitespace() || "@/\\?#[]".contains(letter);
    match name {
        "" => Err(invalid(&format!("it names no host; {form}"))),
        name if !is_path && name.contains(is_odd) => {
            Err(encode("the name of its host is not valid", "@ is %40"))
        }
        name => Ok(name.to_owned()),
    }
}

pub(super) fn decode(text: &str, of: &str) -> Result<String> {
    percent_decode(text).ok_or_else(|| {
        encode(&format!("the percent encoding of its {of} does not decode"), "% is %25")
    })
}
