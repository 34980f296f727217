//! Login methods (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>).

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256, SHA512};

use super::error::ClientError;
use super::fields::Fields;
use super::hash::{hash, xor};
use super::packets::Packets;
use super::rsa;

/// A login method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    /// The default of MySQL up to 5.7, and of MariaDB.
    Native,
    /// The default of MySQL 8.
    CachingSha2,
    /// MariaDB's Ed25519.
    Ed25519,
    /// The plain password, for a server that has it checked elsewhere.
    Clear,
}

/// The data of a login.
pub(super) struct Login<'s> {
    pub(super) password: &'s str,
    /// Whether the connection can't be read by others: it is encrypted, or on this machine.
    pub(super) is_private: bool,
    /// Whether the server is authenticated: its certificate was checked, or it is on this machine.
    pub(super) is_proven: bool,
    /// Whether the operator allows the server to ask for the plain password.
    pub(super) may_send_password: bool,
}

impl Plugin {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Native, "mysql_native_password"),
        (Self::CachingSha2, "caching_sha2_password"),
        (Self::Ed25519, "client_ed25519"),
        (Self::Clear, "mysql_clear_password"),
    ];

    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.as_bytes() == name).map(|(plugin, _)| *plugin)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(plugin, _)| *plugin == self).map_or("", |(_, name)| name)
    }
}

impl Login<'_> {
    /// The proof that the client knows the password, for this nonce of the server.
    pub(super) fn prove(&self, plugin: Plugin, nonce: &[u8]) -> Result<Vec<u8>, ClientError> {
        let password = self.password.as_bytes();
        // The last byte is a zero, except with MariaDB's Ed25519.
        let twenty = nonce.get(..20).ok_or(NO_NONCE);
        match plugin {
            Plugin::Native | Plugin::CachingSha2 if password.is_empty() => Ok(Vec::new()),
            Plugin::Native => {
                let once = hash(&SHA1, &[password]);
                let proof = hash(&SHA1, &[twenty?, &hash(&SHA1, &[&once])]);
                Ok(xor(&once, &proof))
            }
            Plugin::CachingSha2 => {
                let once = hash(&SHA256, &[password]);
                let proof = hash(&SHA256, &[&hash(&SHA256, &[&once]), twenty?]);
                Ok(xor(&once, &proof))
            }
            Plugin::Ed25519 => sign(password, nonce.get(..32).ok_or(NO_NONCE)?),
            Plugin::Clear if !self.may_send_password => {
                Err(clear("enableCleartextPlugin is false"))
            }
            Plugin::Clear if self.is_proven => Ok(self.with_zero()),
            Plugin::Clear if self.is_private => Err(clear(
                "its certificate is not checked: add ssl-mode=VERIFY_IDENTITY, or ssl-ca with its authority",
            )),
            Plugin::Clear => Err(clear(
                "the connection is not encrypted: add ssl-mode=VERIFY_IDENTITY, or ssl-ca with its authority",
            )),
        }
    }

    fn with_zero(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }

    /// Answers the server's requests until the login is complete.
    pub(super) async fn finish(
        &self,
        packets: &mut Packets,
        mut plugin: Plugin,
        mut nonce: Vec<u8>,
    ) -> Result<(), ClientError> {
        // The server may ask for several methods of a user, one after the other.
        const MOST_STEPS: usize = 16;
        for _ in 0..MOST_STEPS {
            let mut message = Fields::new(packets.message().await?);
            let answer = match message.u8()? {
                0x00 => return Ok(()),
                0xFE if message.is_empty() => return Err(unknown("mysql_old_password")),
                0xFE => {
                    let name = message.until_zero();
                    let known = Plugin::of_name(name);
                    plugin = known.ok_or_else(|| unknown(&String::from_utf8_lossy(name)))?;
                    nonce = message.rest().to_vec();
                    self.prove(plugin, &nonce)?
                }
                0x01 if plugin == Plugin::CachingSha2 => match message.rest() {
                    // The password is in the server's cache; the next message completes the login.
                    [3] => continue,
                    // It is not, and the server asks for the plain password.
                    [4] if self.is_private => self.with_zero(),
                    [4] => vec![2],
                    key => {
                        let nonce = nonce.get(..20).ok_or(NO_NONCE)?;
                        rsa::encrypt(&xor(&self.with_zero(), nonce), key)?
                    }
                },
                _ => return Err(ClientError::Protocol("this is not a step of a login")),
            };
            packets.send(&answer).await?;
        }
        Err(ClientError::Protocol("the login does not end"))
    }
}

const NO_NONCE: ClientError = ClientError::Protocol("the server sent no nonce for the password");

fn clear(reason: &str) -> ClientError {
    ClientError::Auth(format!("the server asks for the password in clear text, and {reason}"))
}

fn unknown(name: &str) -> ClientError {
    let known = Plugin::ALL.map(|(_, name)| name).join(", ");
    ClientError::Auth(format!(
        "the server asks for a login by {name:?}, which is not supported; the user may log in by {known}"
    ))
}

/// Signs with Ed25519, with the password in place of the 32-byte key.
fn sign(password: &[u8], message: &[u8]) -> Result<Vec<u8>, ClientError> {
    let wide = |parts: &[&[u8]]| <[u8; 64]>::try_from(hash(&SHA512, parts)).map_err(|_| NO_NONCE);
    let expanded = wide(&[password])?;
    let (key, prefix) = expanded.split_first_chunk().ok_or(NO_NONCE)?;
    let key = Scalar::from_bytes_mod_order(clamp_integer(*key));
    let once = Scalar::from_bytes_mod_order_wide(&wide(&[prefix, message])?);
    let point = EdwardsPoint::mul_base(&once).compress();
    let public = EdwardsPoint::mul_base(&key).compress();
    let challenge = wide(&[point.as_bytes(), public.as_bytes(), message])?;
    let proof = once + Scalar::from_bytes_mod_order_wide(&challenge) * key;
    Ok([point.to_bytes(), proof.to_bytes()].concat())
}
