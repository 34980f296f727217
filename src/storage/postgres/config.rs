//! Converts a URL's settings into those of the client and of the session.

use tokio_postgres::Config;
use tokio_postgres::config::{
    ChannelBinding as Binding, LoadBalanceHosts, SslMode as Mode, SslNegotiation,
};

use super::options::Options;
use crate::storage::location::{ChannelBinding, Network, PostgresUrl, SslMode, Tls};

/// The client's configuration.
pub(super) fn config(url: &PostgresUrl, options: &Options) -> Config {
    let mut config = Config::new();
    for server in &url.hosts {
        config.host(&server.name).port(server.port);
        if let Some(address) = server.address {
            config.hostaddr(address);
        }
    }
    if let Some(user) = &url.user {
        config.user(user);
    }
    if let Some(password) = &url.password {
        config.password(password);
    }
    if let Some(database) = &url.database {
        config.dbname(database);
    }
    if let Some(command_line) = &url.options {
        config.options(command_line);
    }
    if let Some(name) = &url.application_name {
        config.application_name(name);
    }
    encrypt(&mut config, &url.tls);
    watch(&mut config, &url.network, options);
    config
}

fn encrypt(config: &mut Config, tls: &Tls) {
    config.ssl_mode(match tls.mode {
        SslMode::Disable => Mode::Disable,
        SslMode::Prefer => Mode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Mode::Require,
    });
    config.ssl_negotiation(if tls.is_direct {
        SslNegotiation::Direct
    } else {
        SslNegotiation::Postgres
    });
    config.channel_binding(match tls.channel_binding {
        ChannelBinding::Disable => Binding::Disable,
        ChannelBinding::Prefer => Binding::Prefer,
        ChannelBinding::Require => Binding::Require,
    });
}

fn watch(config: &mut Config, network: &Network, options: &Options) {
    let longest = options.connect_timeout;
    config.connect_timeout(network.connect_timeout.unwrap_or(longest).min(longest));
    if network.any_order {
        config.load_balance_hosts(LoadBalanceHosts::Random);
    }
    if let Some(keepalives) = network.keepalives {
        config.keepalives(keepalives);
    }
    if let Some(idle) = network.keepalives_idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = network.keepalives_interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = network.keepalives_count {
        config.keepalives_retries(count);
    }
    if let Some(timeout) = network.user_timeout {
        config.tcp_user_timeout(timeout);
    }
}
