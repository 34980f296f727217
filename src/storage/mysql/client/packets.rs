//! Packets on a connection (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>).

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::ClientError;
use super::fields::Fields;
use super::stream::Stream;
use super::tls::Encryption;

/// The maximum length of a packet's payload. Longer messages continue in further packets, the last of which
/// may be empty.
const MOST: usize = 0xFF_FFFF;

/// The size of reads in bytes.
const AT_ONCE: usize = 16 << 10;

/// The packets of a connection.
pub(super) struct Packets {
    stream: Box<dyn Stream>,
    /// The received bytes, and the position of the next packet.
    received: Vec<u8>,
    begin: usize,
    /// A message of several packets.
    joined: Vec<u8>,
    /// The sequence number of the next packet, in either direction.
    number: u8,
    /// How many bytes the reply may still have.
    allowance: usize,
    /// Whether the server has ended the session.
    pub(super) is_over: bool,
}

impl Packets {
    pub(super) fn new(stream: Box<dyn Stream>, allowance: usize) -> Self {
        let (received, joined) = (Vec::new(), Vec::new());
        Self { stream, received, begin: 0, joined, number: 0, allowance, is_over: false }
    }

    /// Starts a command, whose reply may have up to this many bytes.
    pub(super) fn begin(&mut self, allowance: usize) {
        self.number = 0;
        self.allowance = allowance;
        // Memory of a long reply is freed.
        if self.received.capacity() + self.joined.capacity() > 64 * AT_ONCE {
            (self.received, self.joined) = (Vec::new(), Vec::new());
            self.begin = 0;
        }
    }

    /// Sends a message in as many packets as needed.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), ClientError> {
        let mut packets = Vec::with_capacity(message.len() + 4 * (message.len() / MOST + 1));
        let mut rest = message;
        loop {
            let (now, later) = rest.split_at(rest.len().min(MOST));
            let [low, middle, high, ..] = now.len().to_le_bytes();
            packets.extend_from_slice(&[low, middle, high, self.number]);
            packets.extend_from_slice(now);
            self.number = self.number.wrapping_add(1);
            rest = later;
            if now.len() < MOST {
                break;
            }
        }
        self.stream.write_all(&packets).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Reads the next message, which may be an error packet.
    pub(super) async fn message(&mut self) -> Result<&[u8], ClientError> {
        let message = self.any_message().await?;
        match message.split_first() {
            Some((0xFF, rest)) => Err(error(Fields::new(rest))?),
            _ => Ok(message),
        }
    }

    async fn any_message(&mut self) -> Result<&[u8], ClientError> {
        self.joined.clear();
        loop {
            let length = self.packet().await?;
            let packet = self.begin - length..self.begin;
            if length < MOST && self.joined.is_empty() {
                return Ok(&self.received[packet]);
            }
            self.joined.extend_from_slice(&self.received[packet]);
            if length < MOST {
                return Ok(&self.joined);
            }
        }
    }

    /// Reads a whole packet. Returns the length of its payload.
    async fn packet(&mut self) -> Result<usize, ClientError> {
        self.wait_for(4).await?;
        let mut header = Fields::new(&self.received[self.begin..]);
        let [low, middle, high, number] = header.u32()?.to_le_bytes();
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        self.allowance = self.allowance.checked_sub(length + 4).ok_or(ClientError::TooLong)?;
        self.wait_for(4 + length).await?;
        // A server that ends the session by itself sends this with an unexpected number.
        if number != self.number {
            self.is_over = length > 0 && self.received.get(self.begin + 4) == Some(&0xFF);
            if !self.is_over {
                return Err(ClientError::Protocol("packets are out of order"));
            }
        }
        self.number = number.wrapping_add(1);
        self.begin += 4 + length;
        Ok(length)
    }

    /// Waits until this many unread bytes have arrived.
    async fn wait_for(&mut self, count: usize) -> Result<(), ClientError> {
        if self.begin == self.received.len() {
            self.received.clear();
            self.begin = 0;
        }
        while self.received.len() - self.begin < count {
            if self.begin > 0 {
                self.received.drain(..self.begin);
                self.begin = 0;
            }
            self.received.reserve(AT_ONCE);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    /// Whether the connection is open and nothing is received, as far as is known without waiting.
    pub(super) fn is_silent(&mut self) -> bool {
        // A server that ends an idle session sends an error, or only closes the connection.
        self.begin == self.received.len()
            && self.stream.read_buf(&mut self.received).now_or_never().is_none()
    }

    /// The same connection, with encryption.
    pub(super) async fn encrypt(self, with: &Encryption) -> Result<Self, ClientError> {
        if self.begin < self.received.len() {
            return Err(ClientError::Protocol(
                "the server sends data before the encryption begins",
            ));
        }
        let stream = Box::new(with.begin(self.stream).await?);
        Ok(Self { stream, ..self })
    }

    pub(super) async fn shut_down(&mut self) {
        // The connection is closed in any case.
        let _ = self.stream.shutdown().await;
    }
}

/// Reads an error packet after its first byte.
fn error(mut fields: Fields<'_>) -> Result<ClientError, ClientError> {
    let code = fields.u16()?;
    // Before the login there is no SQLSTATE.
    let state = match fields.skip(b'#') {
        true => String::from_utf8_lossy(fields.take(5)?).into_owned(),
        false => "HY000".to_owned(),
    };
    let message = String::from_utf8_lossy(fields.rest()).into_owned();
    Ok(ClientError::Server { code, state, message, statement: 0 })
}
