//! Selects the server of the URL for a new connection.
//!
//! The client library takes the first of several servers that answers, even a standby. Here a URL without
//! `target_session_attrs`, or with `any`, means: a server that accepts writes, if there is one.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use crate::storage::location::TargetSession;

type Connected = (Client, JoinHandle<()>);

/// The servers of a URL.
pub(super) struct Hosts {
    /// A configuration for each server, in order.
    each: Vec<Config>,
    tls: MakeRustlsConnect,
    /// Whether any server is used if none is of the preferred kind.
    prefer: bool,
    /// Whether a writable server is preferred.
    for_writes: bool,
    at_random: bool,
    /// The timeout for one server, so that there is time for the others.
    share: Duration,
    /// The index of the last suitable server, which is tried first: after a failover others may not respond.
    last: AtomicUsize,
}

impl Hosts {
    pub(super) fn new(
        config: &Config,
        target: TargetSession,
        tls: MakeRustlsConnect,
        timeout: Duration,
    ) -> Self {
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let prefer = matches!(target, TargetSession::Any | TargetSession::PreferStandby);
        let fits = match target {
            // With a single server there is no choice, so its kind does not matter.
            _ if prefer && count < 2 => TargetSessionAttrs::Any,
            TargetSession::Any | TargetSession::ReadWrite | TargetSession::Primary => {
                TargetSessionAttrs::ReadWrite
            }
            TargetSession::PreferStandby | TargetSession::ReadOnly | TargetSession::Standby => {
                TargetSessionAttrs::ReadOnly
            }
        };
        let share = timeout / u32::try_from(count + 1).unwrap_or(u32::MAX);
        let each = (0..count).map(|at| {
            let mut one = only(config, at);
            one.target_session_attrs(fits);
            if count > 1 {
                one.connect_timeout(
                    config.get_connect_timeout().map_or(share, |said| share.min(*said)),
                );
            }
            one
        });
        Self {
            each: each.collect(),
            tls,
            prefer: prefer && count > 1,
            for_writes: fits == TargetSessionAttrs::ReadWrite,
            at_random: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            share,
            last: AtomicUsize::new(0),
        }
    }

    fn count(&self) -> usize {
        self.each.len()
    }

    /// Whether another server may accept a write that one rejected.
    pub(super) fn others_may_write(&self) -> bool {
        self.for_writes && self.count() > 1
    }

    async fn find(&self) -> Result<Connected, Error> {
        let (mut second_best, mut failure) = (None, None);
        let count = self.count();
        let first = self.last.load(Ordering::Relaxed);
        let first = if self.at_random { fastrand::usize(..count.max(1)) } else { first };
        for step in 0..count {
            let at = (first + step) % count;
            let attempt = self.connect_to(&self.each[at]);
            // For the last server, the pool's timeout has the better message.
            let is_only_hope = step + 1 == count && second_best.is_none() && failure.is_none();
            let answer = if is_only_hope {
                attempt.await
            } else {
                match tokio::time::timeout(self.share, attempt).await {
                    Ok(answer) => answer,
                    Err(_) => continue,
                }
            };
            match answer {
                Ok(connected) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(connected);
                }
                Err(error) if is_turned_away(&error) => {
                    second_best.get_or_insert(at);
                    failure = Some(error);
                }
                Err(error) => failure = failure.filter(is_turned_away).or(Some(error)),
            }
        }
        match (second_best, failure) {
            (Some(at), _) if self.prefer => {
                let mut any = self.each[at].clone();
                any.target_session_attrs(TargetSessionAttrs::Any);
                self.connect_to(&any).await
            }
            (_, Some(failure)) => Err(failure),
            // No server responded in time; waits for the pool's timeout.
            (_, None) => std::future::pending().await,
        }
    }

    async fn connect_to(&self, config: &Config) -> Result<Connected, Error> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection broke");
            }
        });
        Ok((client, task))
    }
}

impl Connect for Hosts {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + '_>> {
        Box::pin(self.find())
    }
}

/// Whether a server was rejected because it is (or is not) read-only.
pub(super) fn is_turned_away(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied)
}

/// The configuration for one of the servers.
fn only(config: &Config, at: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(at) {
        Some(Host::Tcp(host)) => _ = one.host(host),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => _ = one.host_path(folder),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(at).or_else(|| ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_several_hosts_is_split_by_host() {
        let rows = [
            ("postgres://u:p@a:1,b:2/db", 0, "postgres://u:p@a:1/db"),
            ("postgres://u:p@a:1,b:2/db", 1, "postgres://u:p@b:2/db"),
            (
                "postgres://u@a,b:5433/db?application_name=x",
                1,
                "postgres://u@b:5433/db?application_name=x",
            ),
            ("postgres://u@a/db?options=-c%20a%3Db", 0, "postgres://u@a/db?options=-c%20a%3Db"),
            (
                "host=a,b port=7 user=u keepalives=0 keepalives_idle=9 keepalives_interval=3 \
                 keepalives_retries=2 tcp_user_timeout=5 connect_timeout=4 sslmode=require \
                 sslnegotiation=direct channel_binding=require load_balance_hosts=random dbname=d",
                1,
                "host=b port=7 user=u keepalives=0 keepalives_idle=9 keepalives_interval=3 \
                 keepalives_retries=2 tcp_user_timeout=5 connect_timeout=4 sslmode=require \
                 sslnegotiation=direct channel_binding=require load_balance_hosts=random dbname=d",
            ),
            ("host=a,b hostaddr=127.0.0.1,127.0.0.2 user=u", 1, "host=b hostaddr=127.0.0.2 user=u"),
        ];
        for (all, at, expected) in rows {
            let all: Config = all.parse().unwrap();
            let expected: Config = expected.parse().unwrap();
            assert_eq!(only(&all, at), expected);
        }
    }
}
