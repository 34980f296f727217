//! A client of MySQL's protocol, which MariaDB also implements
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>).
//!
//! It implements only what the ledger needs: one command with any number of statements, their values as literals, and
//! rows as text. So statements that belong together are one round trip. `mysql_async` would add 3.7 MB to the binary,
//! most of it unused.
//!
//! Any bytes from a server give an answer or an error, never a panic. The caller sets the timeouts: a future that is
//! dropped before its end leaves the client unusable.

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

/// Where a server is, as whom to connect and how safely.
#[derive(Clone)]
pub struct Settings {
    /// The server.
    pub host: Host,
    /// The user.
    pub user: String,
    /// Never show it.
    pub password: Option<String>,
    /// The database that the session begins in.
    pub database: Option<String>,
    /// How the connection is encrypted; `None` if it is not.
    pub encryption: Option<Encryption>,
    /// How long to wait for a session.
    pub connect_timeout: Duration,
    /// Whether the server may ask for the password itself, over a connection that it has proved its name on.
    pub may_send_password: bool,
}

impl Settings {
    /// What a URL says, for each of its servers in its order.
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

/// What comes of asking a server.
type Answer<T> = std::result::Result<T, ClientError>;

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version, as it says it.
    pub version: String,
    /// Whether it is MariaDB.
    pub is_mariadb: bool,
    /// Its number of this session, for `KILL`.
    pub thread_id: u32,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// How many bytes a command may have, once [`Client::limit_packet`] has said it.
    pub max_allowed_packet: Option<usize>,
}

/// One connection to a server.
pub struct Client {
    packets: Packets,
    server: ServerInfo,
    ends_with_ok: bool,
    is_usable: bool,
}

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;

impl Client {
    /// The longest answer: a page of rows with long texts has some megabytes.
    const LONGEST_ANSWER: usize = 64 << 20;
    const LONGEST_LOGIN: usize = 1 << 20;

    /// Makes a connection and begins a session.
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
            // An old server offers encryption that is not spoken any more.
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

    /// Sends one statement, or several with semicolons between. What each answered, up to the first that failed: none
    /// behind it is carried out.
    pub async fn query(&mut self, sql: String) -> Answer<Vec<ResultSet>> {
        if !self.is_usable {
            return Err(ClientError::Lost("the connection is not usable any more".to_owned()));
        }
        // If this is dropped before its end, it stays so.
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
            // A server that does not take it has perhaps said why.
            return match self.packets.message().await {
                Err(said @ ClientError::Server { .. }) => Err(said),
                _ => Err(lost),
            };
        }
        results::read_all(&mut self.packets, self.ends_with_ok).await
    }

    /// Whether the session can be used: nothing was lost in the middle of an answer.
    pub fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// The same, and whether the server still has the connection open, as far as is known without waiting: one that
    /// was idle for long is closed.
    pub fn is_open(&mut self) -> bool {
        self.is_usable = self.is_usable && self.packets.is_silent();
        self.is_usable
    }

    /// What is known of the server.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Says how many bytes the server takes: what is longer is refused before it is sent. Without that the server ends
    /// the session.
    pub fn limit_packet(&mut self, max_allowed_packet: usize) {
        self.server.max_allowed_packet = Some(max_allowed_packet);
    }

    /// Ends the session.
    pub async fn close(mut self) {
        self.quit();
        self.packets.shut_down().await;
    }

    /// Says goodbye, or the server writes into its log that the connection was lost. It is gone either way, so what does
    /// not go at once is not waited for.
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
