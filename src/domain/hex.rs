//! Bytes in hexadecimal digits.

use std::fmt::Write as _;

/// Encodes each byte as two digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a String can't fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Decodes pairs of digits; `None` if the text is not hexadecimal.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_encode_bytes() {
        let rows: [(&str, Option<&[u8]>); 6] = [
            ("", Some(&[])),
            ("00ff", Some(&[0, 255])),
            ("0A", Some(&[10])),
            ("abc", None),
            ("+1", None),
            ("ü0", None),
        ];
        for (digits, expected) in rows {
            assert_eq!(from_hex(digits).as_deref(), expected, "{digits}");
        }
        assert_eq!(to_hex(&[0, 10, 255]), "000aff");
    }
}
