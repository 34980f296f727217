//! The private key's side: decrypts what the client encrypted.

use ring::digest::SHA1_FOR_LEGACY_USE_ONLY as SHA1;

use super::super::hash::{hash, xor};
use super::super::rsa::{Key, Number, encrypt, mask, power};

/// A short key, so that decryption is fast.
pub(super) const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDNPiju+XKx9KL3e5vy1sDhYnXP
rd1aEuiJzd8Nj7NTI0Ddn52oY5q7vjLlf3HpMJkB3tP07KUEH0lEiYV6BsA7Rhzs
UHXLRZAmBNsGtP57nGYwQ7oc+4Si31VnvY5PJnW4y7zxQRKCgiJMtZBRmeAxmsMV
Ft0lh7JmKVEM3cyT7wIDAQAB
-----END PUBLIC KEY-----
";

/// Its private exponent.
const SECRET: &str = "37f2aee3ddf9e70ac1f5e6ab2f3a5d5fd3203c59afd262ff22b98d093c57ecdcda4ccfbb01710d780a34039d87\
26c309a299e47b8a9abd11ee3e11a2e20dbf0eac58a93cdc122be0df72bfb0b52447a0e812d82b8ad7d1eca61eb9340c17a0279aa6c008c545591e\
b41ee0353d94b19e894091f2612587c3d7d57a753a53def1";

/// Decrypts a message; its padding must conform to RFC 8017.
pub(super) fn decrypt(message: &[u8]) -> Vec<u8> {
    let key = Key::parse(PUBLIC_KEY.as_bytes()).unwrap();
    let byte = |at: usize| u8::from_str_radix(&SECRET[at..at + 2], 16).unwrap();
    let secret: Vec<u8> = (0..SECRET.len()).step_by(2).map(byte).collect();
    let padded = power(&Number::parse(message), &secret, &key.modulus).to_bytes(key.length);
    assert_eq!((message.len(), padded[0]), (key.length, 0));
    let (seed, data) = padded[1..].split_at(20);
    let seed = xor(seed, &mask(data, 20));
    let data = xor(data, &mask(&seed, data.len()));
    let (label, data) = data.split_at(20);
    assert_eq!(label, hash(&SHA1, &[]));
    let zeros = data.iter().take_while(|byte| **byte == 0).count();
    assert_eq!(data[zeros], 1);
    data[zeros + 1..].to_vec()
}

#[test]
fn encrypted_messages_can_be_decrypted() {
    // The longest possible message: the key's 128 bytes less two hashes and two bytes.
    let message = [7; 86];
    let encrypted = encrypt(&message, PUBLIC_KEY.as_bytes()).unwrap();
    assert_eq!(decrypt(&encrypted), message);
    assert_ne!(encrypt(&message, PUBLIC_KEY.as_bytes()).unwrap(), encrypted);
    assert!(encrypt(&[0; 87], PUBLIC_KEY.as_bytes()).is_err());
}

#[test]
fn powers_are_computed_modulo_a_number() {
    let rows = [
        // base, exponent, modulus; the power
        (0_u64, 5_u8, 7_u64, 0_u64),
        (3, 0, 7, 1),
        (3, 5, 7, 5),
        (2, 200, 1_000_003, 973_692),
        (u64::MAX - 1, 2, u64::MAX, 1),
        (u64::MAX - 2, 3, u64::MAX, u64::MAX - 8),
    ];
    for (base, exponent, modulus, expected) in rows {
        let number = |number: u64| Number::parse(&number.to_be_bytes());
        let power = power(&number(base), &[exponent], &number(modulus));
        assert_eq!(power, number(expected), "{base} {exponent} {modulus}");
        assert_eq!(power.to_bytes(8), expected.to_be_bytes());
    }
}
