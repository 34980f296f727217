//! The fields of a packet (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_data_types.html>).

use super::error::ClientError;

/// The unread bytes of a packet.
#[derive(Clone, Copy)]
pub(super) struct Fields<'p>(&'p [u8]);

const SHORT: ClientError = ClientError::Protocol("a packet ends too early");

/// Marks NULL in place of a length.
const NULL: u8 = 0xFB;

impl<'p> Fields<'p> {
    pub(super) fn new(packet: &'p [u8]) -> Self {
        Self(packet)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The rest of the packet.
    pub(super) fn rest(self) -> &'p [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'p [u8], ClientError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Skips this byte if it is the next one.
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    pub(super) fn u8(&mut self) -> Result<u8, ClientError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ClientError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ClientError> {
        self.array().map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ClientError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A number in a variable number of bytes.
    pub(super) fn number(&mut self) -> Result<u64, ClientError> {
        let width = match self.u8()? {
            small @ 0..NULL => return Ok(small.into()),
            0xFC => 2,
            0xFD => 3,
            0xFE => 8,
            NULL | 0xFF => return Err(ClientError::Protocol("a number is none")),
        };
        let mut number = [0; 8];
        number[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(number))
    }

    /// Bytes with a length prefix.
    pub(super) fn bytes(&mut self) -> Result<&'p [u8], ClientError> {
        let length = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        self.take(length)
    }

    /// Bytes with a length prefix, or NULL.
    pub(super) fn cell(&mut self) -> Result<Option<&'p [u8]>, ClientError> {
        if self.skip(NULL) { Ok(None) } else { self.bytes().map(Some) }
    }

    /// Bytes up to a zero. Old servers omit the zero at the end of a packet.
    pub(super) fn until_zero(&mut self) -> &'p [u8] {
        let (text, rest) = match self.0.iter().position(|byte| *byte == 0) {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_length() {
        let rows: [(&[u8], Option<u64>); 9] = [
            (&[0], Some(0)),
            (&[250], Some(250)),
            (&[0xFC, 1, 2], Some(0x0201)),
            (&[0xFD, 1, 2, 3], Some(0x03_0201)),
            (&[0xFE, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[0xFE, 1, 2, 3], None),
            (&[0xFB], None),
            (&[0xFF], None),
            (&[], None),
        ];
        for (bytes, expected) in rows {
            let mut fields = Fields::new(bytes);
            assert_eq!(fields.number().ok(), expected, "{bytes:?}");
            assert!(expected.is_none() || fields.is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn cells_are_read_up_to_their_end() {
        type Row = (&'static [u8], Result<Option<&'static [u8]>, ClientError>);
        let rows: [Row; 5] = [
            (&[0xFB], Ok(None)),
            (&[0], Ok(Some(b""))),
            (&[2, b'a', b'b'], Ok(Some(b"ab"))),
            (&[3, b'a', b'b'], Err(SHORT)),
            (&[0xFE, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(SHORT)),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Fields::new(bytes).cell(), expected, "{bytes:?}");
        }
    }
}
