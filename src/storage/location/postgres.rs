//! Parses the URL of a PostgreSQL database, and environment variables for what the URL leaves out.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::authority::{Parts, decode, host, parameters, port_number, split_port};
use super::encoding::invalid;
use super::parameters::{Said, Variables};
use super::tls::Tls;
use crate::error::Result;
use crate::storage::search_path::SearchPath;

/// The location of a PostgreSQL database, the login and the encryption.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PostgresUrl {
    /// The servers, at least one.
    pub hosts: Vec<Host>,
    /// The user; `None` means this process's user.
    pub user: Option<String>,
    /// Must never be shown.
    pub password: Option<String>,
    /// The database; `None` means the one with the user's name.
    pub database: Option<String>,
    /// Command-line options for the server.
    pub options: Option<String>,
    /// The client's name in the server's views and logs.
    pub application_name: Option<String>,
    /// The encryption.
    pub tls: Tls,
    /// Timeouts and keepalives.
    pub network: Network,
    /// The schema with the app's tables, unless the caller sets another one.
    pub schema: Option<SearchPath>,
    /// The search path; `None` means the server's own.
    pub search_path: Option<SearchPath>,
    /// Settings of the server, by name.
    pub settings: Vec<(String, String)>,
    target: TargetSession,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name, or the directory of its socket.
    pub name: String,
    /// Its address, if no lookup is needed.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

/// How a connection is made and kept. `None` is the client's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// How long to wait for one server.
    pub connect_timeout: Option<Duration>,
    /// Whether the servers are tried in random order.
    pub any_order: bool,
    /// Whether TCP keepalives are sent.
    pub keepalives: Option<bool>,
    /// The idle time before the first one.
    pub keepalives_idle: Option<Duration>,
    /// The interval between them.
    pub keepalives_interval: Option<Duration>,
    /// The number of unanswered ones after which the connection is dead.
    pub keepalives_count: Option<u32>,
    /// How long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

/// `target_session_attrs`, as libpq defines it: which of several servers is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TargetSession {
    /// The first that replies.
    #[default]
    Any,
    /// One whose sessions can write.
    ReadWrite,
    /// One whose sessions can't write.
    ReadOnly,
    /// One that is not a hot standby.
    Primary,
    /// A hot standby.
    Standby,
    /// A hot standby if there is one, otherwise any server.
    PreferStandby,
}

const FORM: &str = "write postgres://user:password@host:5432/database";

impl PostgresUrl {
    /// Parses the part after the scheme's colon.
    pub(super) fn parse(rest: &str, variables: &Variables) -> Result<Self> {
        let rest = rest.strip_prefix("//").ok_or_else(|| invalid(FORM))?;
        // As in the app's client: editors may leave white space at the end.
        let rest = rest.trim_end();
        let mut said = Said::default();
        take_apart(rest, &mut said)?;
        said.fill_in(variables)?;
        let names_host = said.has("host") || said.has("hostaddr");
        // postgres.js rejects such a URL; libpq uses the environment's host.
        if !names_host && rest.split(['/', '?']).next().is_some_and(|login| login.ends_with('@')) {
            return Err(invalid(&format!("it names no host; {FORM}")));
        }
        Ok(Self {
            hosts: servers(&said)?,
            user: said.text("user").map(str::to_owned),
            password: said.text("password").map(str::to_owned),
            database: said.text("dbname").map(str::to_owned),
            options: said.text("options").map(str::to_owned),
            application_name: said
                .text("application_name")
                .or(said.text("fallback_application_name"))
                .map(str::to_owned),
            tls: Tls::read(&said)?,
            network: Network::read(&said)?,
            schema: said.text("schema").map(|name| SearchPath::of(name.to_owned())),
            search_path: said
                .text("search_path")
                .map(|path| {
                    SearchPath::parse_sql(path)
                        .ok_or_else(|| invalid("search_path must be names with commas in between"))
                })
                .transpose()?,
            target: said
                .get("target_session_attrs")
                .map_or(Ok(TargetSession::Any), TargetSession::parse)?,
            settings: said.settings,
        })
    }

    /// Which of several servers is used.
    pub fn target(&self) -> TargetSession {
        self.target
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PostgresUrl(…)")
    }
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
            _ => Err(invalid(
                "target_session_attrs must be any, read-write, read-only, primary, standby or \
                 prefer-standby",
            )),
        }
    }
}

impl Network {
    fn read(said: &Said) -> Result<Self> {
        let seconds =
            |name| Ok(number(said, name)?.filter(|seconds| *seconds > 0).map(Duration::from_secs));
        Ok(Self {
            connect_timeout: seconds("connect_timeout")?,
            any_order: match said.get("load_balance_hosts") {
                None | Some("disable") => false,
                Some("random") => true,
                Some(_) => return Err(invalid("load_balance_hosts must be disable or random")),
            },
            keepalives: number(said, "keepalives")?.map(|on| on != 0),
            keepalives_idle: seconds("keepalives_idle")?,
            keepalives_interval: seconds("keepalives_interval")?,
            keepalives_count: number(said, "keepalives_count")?
                .and_then(|count| u32::try_from(count).ok()),
            user_timeout: number(said, "tcp_user_timeout")?
                .filter(|timeout_ms| *timeout_ms > 0)
                .map(Duration::from_millis),
        })
    }
}

/// A whole number. A negative one counts as not set, as in libpq.
fn number(said: &Said, name: &'static str) -> Result<Option<u64>> {
    let Some(value) = said.text(name) else { return Ok(None) };
    let number = i32::from_str(value.trim())
        .map_err(|_| invalid(&format!("{name} must be a whole number")))?;
    Ok(u64::try_from(number).ok())
}

/// Sets the parameters from the parts of a URL.
fn take_apart(rest: &str, said: &mut Said) -> Result<()> {
    let parts = Parts::read(rest)?;
    for (name, value) in [("user", parts.user), ("password", parts.password)] {
        if !value.is_empty() {
            said.set(name, value);
        }
    }
    take_hosts(parts.hosts, said)?;
    if !parts.database.is_empty() {
        said.set("dbname", parts.database);
    }
    for (name, value) in parameters(parts.parameters) {
        take_parameter(&name?, value, said)?;
    }
    Ok(())
}

fn take_hosts(hosts: &str, said: &mut Said) -> Result<()> {
    if hosts.is_empty() {
        return Ok(());
    }
    let (names, ports): (Vec<&str>, Vec<Option<&str>>) = hosts.split(',').map(split_port).unzip();
    // Hosts without a port would get the first one's in postgres.js, and 5432 in libpq.
    if ports.iter().any(Option::is_some) {
        let ports: Option<Vec<&str>> = ports.into_iter().collect();
        let ports =
            ports.ok_or_else(|| invalid("some of its hosts have a port; write one for each"))?;
        said.set("port", decode(&ports.join(","), "port")?);
    }
    said.set("host", decode(&names.join(","), "host")?);
    Ok(())
}

fn take_parameter(name: &str, value: &str, said: &mut Said) -> Result<()> {
    // postgres.js reads + as a space. Passwords and files are read only by libpq, which does not.
    let is_literal = matches!(name, "password" | "sslrootcert" | "sslcert" | "sslkey");
    let value = if is_literal { value.to_owned() } else { value.replace('+', " ") };
    said.take(name, &decode(&value, "parameter")?)
}

/// The servers, each with its address and port.
fn servers(said: &Said) -> Result<Vec<Host>> {
    let list =
        |name| said.text(name).map_or(Vec::new(), |all| all.split(',').collect::<Vec<&str>>());
    let (addresses, ports) = (list("hostaddr"), list("port"));
    let names = match list("host") {
        none if none.is_empty() && addresses.is_empty() => vec!["localhost"],
        none if none.is_empty() => addresses.clone(),
        names => names,
    };
    for (what, some) in [("hostaddr", &addresses), ("port", &ports)] {
        let is_for_all = what == "port" && some.len() == 1;
        if !some.is_empty() && !is_for_all && some.len() != names.len() {
            return Err(invalid(&format!("there must be one {what} for each host")));
        }
    }
    let mut servers = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        // In PGHOST each host may have a port, as in postgres.js.
        let (name, own) =
            if name.matches(':').count() == 1 { split_port(name) } else { (name, None) };
        let port = own.or(ports.get(at).or(ports.first()).copied()).filter(|port| !port.is_empty());
        let address = addresses.get(at).map(|address| IpAddr::from_str(address)).transpose();
        servers.push(Host {
            name: host(name, FORM)?,
            address: address.map_err(|_| invalid("hostaddr must be an IP address"))?,
            port: port.map_or(Ok(5432), port_number)?,
        });
    }
    Ok(servers)
}

#[cfg(test)]
mod tests;
