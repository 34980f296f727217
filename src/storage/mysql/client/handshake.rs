//! The handshake of a session
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets.html>).

use super::auth::{Login, Plugin};
use super::error::ClientError;
use super::fields::Fields;
use super::packets::Packets;
use super::{Host, ServerInfo, Settings};

/// Capability flags of clients and servers (`CLIENT_…`).
mod can {
    pub(super) const LONG_PASSWORD: u32 = 1;
    /// Rows that match count as affected, even if their values stay the same, as in mysql2.
    pub(super) const FOUND_ROWS: u32 = 1 << 1;
    pub(super) const LONG_FLAG: u32 = 1 << 2;
    pub(super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(super) const PROTOCOL_41: u32 = 1 << 9;
    pub(super) const SSL: u32 = 1 << 11;
    pub(super) const TRANSACTIONS: u32 = 1 << 13;
    pub(super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(super) const MULTI_STATEMENTS: u32 = 1 << 16;
    pub(super) const MULTI_RESULTS: u32 = 1 << 17;
    pub(super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(super) const LENGTH_OF_PROOF: u32 = 1 << 21;
    /// Rows end with an OK packet, like other replies.
    pub(super) const DEPRECATE_EOF: u32 = 1 << 24;

    /// The required capabilities.
    pub(super) const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | MULTI_STATEMENTS;
    /// The requested capabilities, if the server has them. They include no access to local files.
    pub(super) const SAID: u32 = NEEDED
        | LONG_PASSWORD
        | FOUND_ROWS
        | LONG_FLAG
        | TRANSACTIONS
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | LENGTH_OF_PROOF
        | DEPRECATE_EOF;
}

/// utf8mb4_general_ci, which all versions support.
const UTF8MB4: u8 = 45;

/// A new session.
pub(super) struct Session {
    pub(super) packets: Packets,
    pub(super) server: ServerInfo,
    pub(super) ends_with_ok: bool,
}

/// The server's first packet.
#[derive(Debug, PartialEq, Eq)]
struct Greeting {
    version: String,
    thread_id: u32,
    can: u32,
    nonce: Vec<u8>,
    plugin: Plugin,
}

impl Greeting {
    fn parse(message: &[u8]) -> Result<Self, ClientError> {
        let mut fields = Fields::new(message);
        if fields.u8()? != 10 {
            return Err(ClientError::Protocol("it does not begin as MySQL's protocol does"));
        }
        let version = String::from_utf8_lossy(fields.until_zero()).into_owned();
        let thread_id = fields.u32()?;
        let mut nonce = fields.take(8)?.to_vec();
        fields.take(1)?;
        let low = fields.u16()?;
        let _character_set_and_status = fields.take(3)?;
        let can = u32::from(low) | u32::from(fields.u16()?) << 16;
        let length_of_nonce = fields.u8()?;
        fields.take(10)?;
        nonce.extend_from_slice(fields.take(usize::from(length_of_nonce.max(21)) - 8)?);
        // The server's default method. If the user has another one, the server asks for it later.
        let plugin = match Plugin::of_name(fields.until_zero()) {
            Some(Plugin::CachingSha2) => Plugin::CachingSha2,
            _ => Plugin::Native,
        };
        Ok(Self { version, thread_id, can, nonce, plugin })
    }
}

/// Starts a session: greeting, encryption, login.
pub(super) async fn begin(
    mut packets: Packets,
    settings: &Settings,
) -> Result<Session, ClientError> {
    let greeting = Greeting::parse(packets.message().await?)?;
    if greeting.can & can::NEEDED != can::NEEDED {
        return Err(ClientError::Protocol("it is too old, or takes one statement at a time"));
    }
    let mut said = can::SAID & greeting.can;
    if settings.database.is_some() {
        said |= can::CONNECT_WITH_DB;
    }
    let encryption = settings.encryption.as_ref();
    let encryption = match encryption.filter(|_| greeting.can & can::SSL != 0) {
        None if encryption.is_some_and(|encryption| encryption.is_required) => {
            return Err(ClientError::Tls("the server offers no encryption".to_owned()));
        }
        offered => offered,
    };
    if let Some(encryption) = encryption {
        said |= can::SSL;
        packets.send(&first_part(said)).await?;
        packets = packets.encrypt(encryption).await?;
    }
    let is_local = matches!(settings.host, Host::Unix(_));
    let login = Login {
        password: settings.password.as_deref().unwrap_or_default(),
        is_private: encryption.is_some() || is_local,
        is_proven: encryption.is_some_and(|encryption| encryption.is_verified) || is_local,
        may_send_password: settings.may_send_password,
    };
    let proof = login.prove(greeting.plugin, &greeting.nonce)?;
    packets.send(&answer(said, settings, &proof, greeting.plugin)).await?;
    login.finish(&mut packets, greeting.plugin, greeting.nonce).await?;
    // MariaDB puts this before its own version for old replicas.
    let version = greeting.version.strip_prefix("5.5.5-").unwrap_or(&greeting.version);
    let server = ServerInfo {
        is_mariadb: version.to_ascii_lowercase().contains("mariadb"),
        version: version.to_owned(),
        thread_id: greeting.thread_id,
        is_encrypted: encryption.is_some(),
        max_allowed_packet: None,
    };
    Ok(Session { packets, server, ends_with_ok: said & can::DEPRECATE_EOF != 0 })
}

/// The first part of a login packet, which also serves as the request for encryption.
fn first_part(said: u32) -> Vec<u8> {
    const LONGEST_PACKET: u32 = 1 << 30;
    let mut part = said.to_le_bytes().to_vec();
    part.extend_from_slice(&LONGEST_PACKET.to_le_bytes());
    part.push(UTF8MB4);
    part.resize(32, 0);
    part
}

/// The login packet, with the proof of the password.
fn answer(said: u32, settings: &Settings, proof: &[u8], plugin: Plugin) -> Vec<u8> {
    let mut answer = first_part(said);
    answer.extend_from_slice(settings.user.as_bytes());
    // The length of any proof fits in one byte.
    let [length, ..] = proof.len().to_le_bytes();
    answer.extend_from_slice(&[0, length]);
    answer.extend_from_slice(proof);
    if let Some(database) = &settings.database {
        answer.extend_from_slice(database.as_bytes());
        answer.push(0);
    }
    if said & can::PLUGIN_AUTH != 0 {
        answer.extend_from_slice(plugin.name().as_bytes());
        answer.push(0);
    }
    answer
}
