//! Every parameter that PostgreSQL's clients read from a URL or from the environment, and how it is handled here.
//!
//! The app connects with postgres.js, operators with libpq (`psql`). A parameter about the server, the login or the
//! security of the connection is never ignored.

use std::collections::{BTreeMap, HashMap};

use super::encoding::{encode, invalid};
use crate::error::{Error, Result};

/// How a parameter is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It is supported.
    Obeyed,
    /// It is another name of this parameter.
    Same(&'static str),
    /// It does not concern the server, the login or the encryption, and has no effect here.
    Ignored,
    /// It is not supported; the text says what to do instead.
    Refused(&'static str),
    /// These values are what happens anyway; others are not supported, and the text says what to do instead.
    Only(&'static [&'static str], &'static str),
}

use Support::{Ignored, Obeyed, Only, Refused, Same};

const WRITE_OUT: &str = "write in the URL what it stands for";
const NO_LIST: &str = "leave it out: revocation lists are not read";
const PASSWORD: &str = "write the password in the URL, or set PGPASSWORD";
const NO_OAUTH: &str = "use a password or a client certificate";
const FILES: &str = "write sslcert and sslkey, two PEM files";

/// Parameters of libpq 18, of postgres.js, and of other libraries. Any other name is a setting of the server,
/// as in postgres.js.
pub(super) const PARAMETERS: &[(&str, Support)] = &[
    // Server
    ("host", Obeyed),
    ("hostaddr", Obeyed),
    ("port", Obeyed),
    ("dbname", Obeyed),
    ("database", Same("dbname")),
    ("service", Refused(WRITE_OUT)),
    ("servicefile", Refused(WRITE_OUT)),
    ("target_session_attrs", Obeyed),
    ("load_balance_hosts", Obeyed),
    ("search_path", Obeyed),
    ("schema", Obeyed),
    ("replication", Only(&["false", "off", "no", "0"], "leave it out")),
    // Login
    ("user", Obeyed),
    ("password", Obeyed),
    ("passfile", Refused(PASSWORD)),
    ("sslcert", Obeyed),
    ("sslkey", Obeyed),
    ("sslcertmode", Obeyed),
    ("sslpassword", Refused("decrypt the key, and name that file as sslkey")),
    ("sslidentity", Refused(FILES)),
    ("scram_client_key", Refused(PASSWORD)),
    ("scram_server_key", Refused(PASSWORD)),
    ("oauth_issuer", Refused(NO_OAUTH)),
    ("oauth_client_id", Refused(NO_OAUTH)),
    ("oauth_client_secret", Refused(NO_OAUTH)),
    ("oauth_scope", Refused(NO_OAUTH)),
    // For Kerberos, which is not supported: a server that requires it rejects the connection.
    ("krbsrvname", Ignored),
    ("gsslib", Ignored),
    ("gssdelegation", Ignored),
    // Encryption
    ("sslmode", Obeyed),
    ("ssl", Obeyed),
    ("sslrootcert", Obeyed),
    ("sslnegotiation", Obeyed),
    ("sslsni", Obeyed),
    ("ssl_min_protocol_version", Obeyed),
    ("ssl_max_protocol_version", Obeyed),
    ("channel_binding", Obeyed),
    ("requiressl", Refused("write sslmode=require")),
    ("sslaccept", Only(&["accept_invalid_certs"], "write sslmode=verify-full")),
    ("sslcrl", Refused(NO_LIST)),
    ("sslcrldir", Refused(NO_LIST)),
    ("sslkeylogfile", Refused("leave it out: the connection's keys are not logged")),
    // Nothing is compressed, which is the safer value.
    ("sslcompression", Ignored),
    ("gssencmode", Only(&["disable", "prefer"], "write sslmode=verify-full for encryption")),
    ("require_auth", Refused("write channel_binding=require, which lets SCRAM in alone")),
    ("requirepeer", Refused("connect over TLS with sslmode=verify-full")),
    ("min_protocol_version", Only(&["3.0"], "leave it out")),
    ("max_protocol_version", Ignored),
    // Timeouts and the connection's name
    ("application_name", Obeyed),
    ("fallback_application_name", Obeyed),
    ("options", Obeyed),
    ("connect_timeout", Obeyed),
    ("keepalives", Obeyed),
    ("keepalives_idle", Obeyed),
    ("keepalives_interval", Obeyed),
    ("keepalives_count", Obeyed),
    ("keepalives_retries", Same("keepalives_count")),
    ("tcp_user_timeout", Obeyed),
    // Each transaction sets its own.
    ("client_encoding", Ignored),
    ("timezone", Ignored),
    ("statement_timeout", Ignored),
    ("lock_timeout", Ignored),
    ("default_transaction_isolation", Ignored),
    // A default would come too late: the settings are sent inside a transaction.
    ("default_transaction_read_only", Same("transaction_read_only")),
    // postgres.js's own behaviour
    ("max", Ignored),
    ("idle_timeout", Ignored),
    ("max_lifetime", Ignored),
    ("max_pipeline", Ignored),
    ("backoff", Ignored),
    ("keep_alive", Ignored),
    ("prepare", Ignored),
    ("debug", Ignored),
    ("fetch_types", Ignored),
    ("publications", Ignored),
    // Parameters of Prisma, node-postgres and Supabase
    ("pgbouncer", Ignored),
    ("connection_limit", Ignored),
    ("pool_timeout", Ignored),
    ("socket_timeout", Ignored),
    ("statement_cache_size", Ignored),
    ("uselibpqcompat", Ignored),
    ("query_timeout", Ignored),
    ("supa", Ignored),
    ("workaround", Ignored),
];

/// Environment variables, and the parameters that they set if the URL does not. Those that postgres.js reads
/// come first.
pub(super) const VARIABLES: &[(&str, Support)] = &[
    ("PGHOST", Same("host")),
    ("PGPORT", Same("port")),
    ("PGDATABASE", Same("dbname")),
    ("PGUSERNAME", Same("user")),
    ("PGUSER", Same("user")),
    ("PGPASSWORD", Same("password")),
    ("PGAPPNAME", Same("application_name")),
    ("PGSSL", Same("ssl")),
    ("PGSSLMODE", Same("sslmode")),
    ("PGSSLROOTCERT", Same("sslrootcert")),
    ("PGSSLNEGOTIATION", Same("sslnegotiation")),
    ("PGSSLCERT", Same("sslcert")),
    ("PGSSLKEY", Same("sslkey")),
    ("PGSSLCERTMODE", Same("sslcertmode")),
    ("PGSSLSNI", Same("sslsni")),
    ("PGSSLMINPROTOCOLVERSION", Same("ssl_min_protocol_version")),
    ("PGSSLMAXPROTOCOLVERSION", Same("ssl_max_protocol_version")),
    ("PGSSLCRL", Same("sslcrl")),
    ("PGSSLCRLDIR", Same("sslcrldir")),
    ("PGREQUIRESSL", Same("requiressl")),
    ("PGREQUIREAUTH", Same("require_auth")),
    ("PGREQUIREPEER", Same("requirepeer")),
    ("PGCHANNELBINDING", Same("channel_binding")),
    ("PGGSSENCMODE", Same("gssencmode")),
    ("PGMINPROTOCOLVERSION", Same("min_protocol_version")),
    ("PGTARGETSESSIONATTRS", Same("target_session_attrs")),
    ("PGLOADBALANCEHOSTS", Same("load_balance_hosts")),
    ("PGCONNECT_TIMEOUT", Same("connect_timeout")),
    // libpq reads these, but postgres.js does not: the app would connect to another server.
    ("PGHOSTADDR", Refused("unset it, or write hostaddr in the URL")),
    ("PGSERVICE", Refused("unset it, or write the host, the user and the database in the URL")),
    ("PGOPTIONS", Refused("write options in the URL, where the app's client reads it too")),
    // Password and service files are not read: a server that requires a password rejects the connection.
    ("PGPASSFILE", Ignored),
    ("PGSERVICEFILE", Ignored),
    ("PGSYSCONFDIR", Ignored),
    ("PGLOCALEDIR", Ignored),
    ("PGCLIENTENCODING", Ignored),
    ("PGDATESTYLE", Ignored),
    ("PGTZ", Ignored),
    ("PGGEQO", Ignored),
    ("PGKRBSRVNAME", Ignored),
    ("PGGSSLIB", Ignored),
    ("PGGSSDELEGATION", Ignored),
    ("PGSSLCOMPRESSION", Ignored),
    ("PGMAXPROTOCOLVERSION", Ignored),
];

/// Environment variables by name. An empty one counts as not set.
pub type Variables = HashMap<String, String>;

/// The parameters of a connection.
#[derive(Debug, Default)]
pub(super) struct Said {
    values: BTreeMap<&'static str, String>,
    /// The parameters that came from the environment.
    of_environment: Vec<&'static str>,
    /// Settings that are passed to the server, in the order of the URL.
    pub(super) settings: Vec<(String, String)>,
}

impl Said {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter, if it is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether the URL itself sets it.
    pub(super) fn is_of_url(&self, name: &str) -> bool {
        self.has(name) && !self.of_environment.contains(&name)
    }

    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    /// Applies a parameter of the URL. If a name occurs twice, the last one counts.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        match self.take_known(PARAMETERS, &lower, value)? {
            None => Ok(()),
            Some(unknown) if unknown == lower => self.set_on_server(name, value),
            Some(setting) => self.set_on_server(setting, value),
        }
    }

    /// Applies a parameter if it is in the list. Otherwise returns its name, or the setting that it stands
    /// for.
    pub(super) fn take_known<'n>(
        &mut self,
        all: &[(&'static str, Support)],
        name: &'n str,
        value: &str,
    ) -> Result<Option<&'n str>> {
        let Some((name, answer)) = all.iter().find(|(known, _)| *known == name) else {
            return Ok(Some(name));
        };
        match answer {
            Obeyed => self.set(name, value.to_owned()),
            Same(other) => return self.take_known(all, other, value),
            Ignored => {}
            Only(values, _) if values.contains(&value) => {}
            Only(_, instead) | Refused(instead) => return Err(refused(name, instead)),
        }
        Ok(None)
    }

    /// Applies environment variables for parameters that are not set.
    pub(super) fn fill_in(&mut self, variables: &Variables) -> Result<()> {
        let has_tls = self.has("ssl") || self.has("sslmode");
        let names_all = ["host", "user", "dbname"].iter().all(|name| self.has(name));
        for (variable, answer) in VARIABLES {
            let Some(value) = variables.get(*variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            match answer {
                Same("ssl" | "sslmode") if has_tls || self.has("ssl") => {}
                Same(parameter) if self.has(parameter) => {}
                Same(parameter) => {
                    self.take(parameter, value).map_err(|error| of_variable(variable, error))?;
                    self.of_environment.push(parameter);
                }
                Refused(_) if self.is_answered(variable, value, names_all) => {}
                Refused(instead) => return Err(refused(variable, instead)),
                Obeyed | Ignored | Only(..) => {}
            }
        }
        Ok(())
    }

    /// Whether a variable that only libpq reads makes no difference: the URL sets the same, or it is
    /// irrelevant here.
    fn is_answered(&self, variable: &str, value: &str, names_all: bool) -> bool {
        const ELSEWHERE: [&str; 3] = ["search_path", "role", "session_authorization"];
        match variable {
            "PGHOSTADDR" => self.has("hostaddr"),
            "PGSERVICE" => names_all,
            _ => {
                let value = value.to_ascii_lowercase();
                self.has("options") || !ELSEWHERE.iter().any(|setting| value.contains(setting))
            }
        }
    }

    fn set_on_server(&mut self, name: &str, value: &str) -> Result<()> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "_$".contains(letter))
        };
        if !name.split('.').all(is_word) {
            return Err(encode("the name of a parameter is not valid", "? is %3F, & is %26"));
        }
        self.settings.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.settings.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

fn refused(name: &str, instead: &str) -> Error {
    invalid(&format!("{name} is not supported; {instead}"))
}

/// The same error, with the variable's name, which the operator knows.
fn of_variable(variable: &str, error: Error) -> Error {
    match error {
        Error::InvalidUrl { reason } => invalid(&format!("{variable}: {reason}")),
        other => other,
    }
}
