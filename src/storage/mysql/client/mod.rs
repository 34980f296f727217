//! A client of MySQL's protocol, which MariaDB also implements
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>).
//!
//! It implements only what the ledger needs: one command with any number of statements, their values as
//! literals, and rows as text. So related statements take one round trip. `mysql_async` would add 3.7 MB to
//! the binary, most of it unused.
//!
//! Any bytes from a server result in a reply or an error, never a panic. The caller sets the timeouts: a
//! future that is dropped before its end leaves the client unusable.

mod auth;
mod error;
mod fields;
mod handshake;
mod hash;
mod packets;
mod results;
mod rsa;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;
use tracing::debug;

pub use self::error::ClientError;
use self::handshake::Session;
use self::packets::Packets;
pub use self::results::{ColumnInfo, ResultSet};
use self::stream::Stream;
pub use self::tls::Encryption;
use crate::error::Result;
pub use crate::storage::location::MysqlHost as Host;
use crate::storage::location::MysqlUrl;
use crate::storage::sockets;

/// The location of a server, the login and the encryption.
#[derive(Clone)]
pub struct Settings {
    /// The server.
    pub host: Host,
    /// The user.
    pub user: String,
    /// Must never be shown.
    pub password: Option<String>,
    /// The initial database of the session.
    pub database: Option<String>,
    /// The encryption; `None` if the connection is not encrypted.
    pub encryption: Option<Encryption>,
    /// How long to wait for a session.
    pub connect_timeout: Duration,
    /// Whether the server may ask for the plain password, over a connection with a verified certificate.
    pub may_send_password: bool,
}

impl Settings {
    /// The settings for each server of a URL, in order.
    pub fn of(url: &MysqlUrl, connect_timeout: Duration) -> Result<Vec<Self>> {
        let of_host = |host: &Host| {
            Ok(Self {
                host: host.clone(),
                user: url.user.clone(),
                password: url.password.clone(),
                database: url.database.clone(),
                encryption: Encryption::new(&url.tls, host)?,
                connect_timeout: url
                    .connect_timeout
                    .map_or(connect_timeout, |said| said.min(connect_timeout)),
                may_send_password: url.may_send_password,
            })
        };
        url.hosts.iter().map(of_host).collect()
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Settings(…)")
    }
}

/// The client's result.
type Answer<T> = std::result::Result<T, ClientError>;

/// Information about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version.
    pub version: String,
    /// Whether it is MariaDB.
    pub is_mariadb: bool,
    /// The session's id, for `KILL`.
    pub thread_id: u32,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// The maximum length of a command in bytes, after [`Client::limit_packet`].
    pub max_allowed_packet: Option<usize>,
}

/// A connection to a server.
pub struct Client {
    packets: Packets,
    server: ServerInfo,
    ends_with_ok: bool,
    is_usable: bool,
}

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;

impl Client {
    /// The maximum length of a reply in bytes: a page of rows with long texts has some megabytes.
    const LONGEST_ANSWER: usize = 64 << 20;
    const LONGEST_LOGIN: usize = 1 << 20;

    /// Connects and starts a session.
    pub async fn connect(settings: &Settings) -> Answer<Self> {
        let connected = timeout(settings.connect_timeout, Self::try_connect(settings)).await;
        let late =
            || Err(ClientError::Lost("connecting took longer than connectTimeoutMs".to_owned()));
        connected.unwrap_or_else(|_| late())
    }

    async fn try_connect(settings: &Settings) -> Answer<Self> {
        let connected = Self::begin(open(&settings.host).await?, settings).await;
        let is_preferred = settings.encryption.as_ref().is_some_and(|with| !with.is_required);
        match connected {
            // Old servers offer versions of TLS that are no longer supported.
            Err(ClientError::Tls(reason)) if is_preferred => {
                debug!(reason, "the connection is not encrypted");
            }
            other => return other,
        }
        let plain = Settings { encryption: None, ..settings.clone() };
        Self::begin(open(&settings.host).await?, &plain).await
    }

    async fn begin(stream: Box<dyn Stream>, settings: &Settings) -> Answer<Self> {
        let packets = Packets::new(stream, Self::LONGEST_LOGIN);
        let Session { packets, server, ends_with_ok } = handshake::begin(packets, settings).await?;
        Ok(Self { packets, server, ends_with_ok, is_usable: true })
    }

    /// Runs a statement, or several separated by semicolons. Returns their results, up to the first that
    /// fails: later ones are not executed.
    pub async fn query(&mut self, sql: String) -> Answer<Vec<ResultSet>> {
        if !self.is_usable {
            return Err(ClientError::Lost("the connection is not usable any more".to_owned()));
        }
        // It stays so if this future is dropped before its end.
        self.is_usable = false;
        let answer = self.ask(&sql).await;
        self.is_usable =
            !self.packets.is_over && answer.as_ref().err().is_none_or(ClientError::keeps_session);
        answer
    }

    async fn ask(&mut self, sql: &str) -> Answer<Vec<ResultSet>> {
        let length = sql.len() + 1;
        if let Some(most) = self.server.max_allowed_packet.filter(|most| length > *most) {
            return Err(ClientError::TooLarge { length, most });
        }
        self.packets.begin(Self::LONGEST_ANSWER);
        if let Err(lost) = self.packets.send(&[&[COM_QUERY], sql.as_bytes()].concat()).await {
            // A server that does not accept the command may have sent the reason.
            return match self.packets.message().await {
                Err(said @ ClientError::Server { .. }) => Err(said),
                _ => Err(lost),
            };
        }
        results::read_all(&mut self.packets, self.ends_with_ok).await
    }

    /// Whether the session can be used: no reply was left unread.
    pub fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// The same, and whether the connection is still open, as far as is known without waiting. Servers close
    /// idle connections.
    pub fn is_open(&mut self) -> bool {
        self.is_usable = self.is_usable && self.packets.is_silent();
        self.is_usable
    }

    /// Information about the server.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Sets the server's limit in bytes: longer commands are rejected before they are sent, since the server
    /// would end the session.
    pub fn limit_packet(&mut self, max_allowed_packet: usize) {
        self.server.max_allowed_packet = Some(max_allowed_packet);
    }

    /// Ends the session.
    pub async fn close(mut self) {
        self.quit();
        self.packets.shut_down().await;
    }

    /// Sends a goodbye, so that the server does not log a lost connection. It does not wait until it is sent,
    /// because the session ends in any case.
    fn quit(&mut self) {
        if std::mem::take(&mut self.is_usable) {
            self.packets.begin(0);
            let _ = self.packets.send(&[COM_QUIT]).now_or_never();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.quit();
    }
}

async fn open(host: &Host) -> Answer<Box<dyn Stream>> {
    match host {
        Host::Tcp { host, port } => Ok(Box::new(sockets::connect(host, *port).await?)),
        #[cfg(unix)]
        Host::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Host::Unix(_) => Err(ClientError::Lost("this system has no such sockets".to_owned())),
    }
}
