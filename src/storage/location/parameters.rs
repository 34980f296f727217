//! Every parameter that PostgreSQL's clients read from a URL or from the environment, and how it is handled here.
//!
//! The app connects with postgres.js, operators with libpq (`psql`). A parameter about the server, the login or the
//! security of the connection is never ignored.

use std::collections::{BTreeMap, HashMap};

use super::encoding::{encode, invalid};
use crate::error::{Error, Result};

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It is done.
    Obeyed,
    /// It is another name of this one.
    Same(&'static str),
    /// It says nothing of where, as whom or how safely to connect, and this package does without it.
    Ignored,
    /// It can't be done. What to do instead.
    Refused(&'static str),
    /// These values are what is done anyway; any other can't be done. What to do instead.
    Only(&'static [&'static str], &'static str),
}

use Support::{Ignored, Obeyed, Only, Refused, Same};

const WRITE_OUT: &str = "write in the URL what it stands for";
const NO_LIST: &str = "leave it out: revocation lists are not read";
const PASSWORD: &str = "write the password in the URL, or set PGPASSWORD";
const NO_OAUTH: &str = "use a password or a client certificate";
const FILES: &str = "write sslcert and sslkey, two PEM files";

/// Those of libpq 18, of postgres.js, and what others append to URLs. Any other name is the server's setting of
/// that name, as for postgres.js.
pub(super) const PARAMETERS: &[(&str, Support)] = &[
    // Where
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
    // As whom
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
    // For Kerberos. A server that asks for it lets no connection in.
    ("krbsrvname", Ignored),
    ("gsslib", Ignored),
    ("gssdelegation", Ignored),
    // How safely
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
    // Nothing is compressed, which is the safer of its values.
    ("sslcompression", Ignored),
    ("gssencmode", Only(&["disable", "prefer"], "write sslmode=verify-full for encryption")),
    ("require_auth", Refused("write channel_binding=require, which lets SCRAM in alone")),
    ("requirepeer", Refused("connect over TLS with sslmode=verify-full")),
    ("min_protocol_version", Only(&["3.0"], "leave it out")),
    ("max_protocol_version", Ignored),
    // How long, and under which name
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
    // Each transaction says its own.
    ("client_encoding", Ignored),
    ("timezone", Ignored),
    ("statement_timeout", Ignored),
    ("lock_timeout", Ignored),
    ("default_transaction_isolation", Ignored),
    // A default would come too late: a transaction is on its way when settings are made.
    ("default_transaction_read_only", Same("transaction_read_only")),
    // How postgres.js itself works
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
    // Of Prisma, node-postgres and Supabase
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

/// The variables, and the parameters that they stand for where the URL says nothing; what postgres.js reads comes
/// first.
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
    // libpq reads these, postgres.js does not: the app would be elsewhere.
    ("PGHOSTADDR", Refused("unset it, or write hostaddr in the URL")),
    ("PGSERVICE", Refused("unset it, or write the host, the user and the database in the URL")),
    ("PGOPTIONS", Refused("write options in the URL, where the app's client reads it too")),
    // Files of passwords and services are not read: a server that asks for a password says so.
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

/// What the environment says: variables by name. An empty one is none.
pub type Variables = HashMap<String, String>;

/// What is said of a connection, parameter by parameter.
#[derive(Debug, Default)]
pub(super) struct Said {
    values: BTreeMap<&'static str, String>,
    /// Those of them that the environment says.
    of_environment: Vec<&'static str>,
    /// What goes to the server as it is, in the order of the URL.
    pub(super) settings: Vec<(String, String)>,
}

impl Said {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether the URL itself says it.
    pub(super) fn is_of_url(&self, name: &str) -> bool {
        self.has(name) && !self.of_environment.contains(&name)
    }

    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    /// Takes a parameter of the URL. The last of a name counts.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        match self.take_known(PARAMETERS, &lower, value)? {
            None => Ok(()),
            Some(unknown) if unknown == lower => self.set_on_server(name, value),
            Some(setting) => self.set_on_server(setting, value),
        }
    }

    /// Takes a parameter, if it is one of these; else its name, or the other name that it has here.
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

    /// Takes the environment's word where nothing else is said.
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

    /// Whether a variable that only libpq reads changes nothing: the URL says the same thing itself, or it is about
    /// what is of no concern here.
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

/// The same refusal, with the name under which the operator knows it.
fn of_variable(variable: &str, error: Error) -> Error {
    match error {
        Error::InvalidUrl { reason } => invalid(&format!("{variable}: {reason}")),
        other => other,
    }
}
