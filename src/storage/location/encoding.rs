//! Percent-encoding, and its errors.

use crate::error::Error;

/// The error for an invalid URL.
pub(super) fn invalid(reason: &str) -> Error {
    Error::InvalidUrl { reason: reason.to_owned() }
}

/// The error for a part that is not encoded, most likely a character in the password with a meaning in URLs.
pub(super) fn encode(what: &str, how: &str) -> Error {
    invalid(&format!("{what}; special characters of the password must be percent-encoded ({how})"))
}

/// Decodes a part of a URL; `None` if it is not text.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}
