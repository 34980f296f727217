//! Encrypts a password with the server's public key: RSA with OAEP and SHA-1 (RFC 8017, 7.1.1), as MySQL uses
//! it.
//!
//! It is needed if a connection to MySQL 8 is not encrypted, and then once per user until the server
//! restarts. The crate `rsa` adds 147 kB to the binary and 40 crates for one exponentiation; this adds 30 kB,
//! and takes 6 ms with a key of 2,048 bits. There is no secret key here, and the base of the exponentiation
//! is random each time, so its duration reveals nothing.

use ring::digest::SHA1_FOR_LEGACY_USE_ONLY as SHA1;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::error::ClientError;
use super::hash::{hash, xor};

/// The length of a SHA-1 hash in bytes.
const HASH: usize = 20;

/// A public key: modulus and exponent.
pub(super) struct Key {
    pub(super) modulus: Number,
    /// The length of the modulus in bytes.
    pub(super) length: usize,
    exponent: Vec<u8>,
}

/// Encrypts a message with a public key in OpenSSL's PEM format.
pub(super) fn encrypt(message: &[u8], pem: &[u8]) -> Result<Vec<u8>, ClientError> {
    let key = Key::parse(pem).ok_or(ClientError::Protocol("its public key can't be read"))?;
    let mut seed = [0; HASH];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| ClientError::Auth("the system has no random numbers".to_owned()))?;
    let padded = pad(message, &seed, key.length).ok_or_else(|| {
        ClientError::Auth(
            "the password is too long for the server's key; encrypt the connection".to_owned(),
        )
    })?;
    let power = power(&Number::parse(&padded), &key.exponent, &key.modulus);
    Ok(power.to_bytes(key.length))
}

/// Pads a message to the length of a key, with random bytes.
fn pad(message: &[u8], seed: &[u8; HASH], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(message.len() + 2 * HASH + 2)?;
    let data = [&hash(&SHA1, &[])[..], &vec![0; zeros], &[1], message].concat();
    let data = xor(&data, &mask(seed, data.len()));
    let seed = xor(seed, &mask(&data, HASH));
    Some([&[0][..], &seed, &data].concat())
}

/// The mask generation function: pseudorandom bytes from a seed.
pub(super) fn mask(seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0..u32::MAX).flat_map(|at| hash(&SHA1, &[seed, &at.to_be_bytes()]));
    blocks.take(length).collect()
}

impl Key {
    /// The maximum length in bytes. A longer key would be slow, and no server has one.
    const LONGEST: usize = 1024;

    pub(super) fn parse(pem: &[u8]) -> Option<Self> {
        const SEQUENCE: u8 = 0x30;
        const BITS: u8 = 0x03;
        const INTEGER: u8 = 0x02;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        let mut outer = element(&mut der.as_ref(), SEQUENCE)?;
        let _algorithm = element(&mut outer, SEQUENCE)?;
        let mut bits = element(&mut outer, BITS)?.strip_prefix(&[0])?;
        let mut numbers = element(&mut bits, SEQUENCE)?;
        let modulus = without_zeros(element(&mut numbers, INTEGER)?);
        let exponent = without_zeros(element(&mut numbers, INTEGER)?);
        // The modulus must be odd; the exponent is nearly always 65537.
        let fits = modulus.len() <= Self::LONGEST && exponent.len() <= 4;
        let is_odd = modulus.last().is_some_and(|last| last % 2 == 1);
        (fits && is_odd).then(|| Self {
            modulus: Number::parse(modulus),
            length: modulus.len(),
            exponent: exponent.to_vec(),
        })
    }
}

/// The content of a DER element with this tag; advances past it.
fn element<'d>(der: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let rest = der.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..0x80 => (short, rest),
        // The number of bytes of the length.
        long => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80).filter(|_| long <= 0x84)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some(content)
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// An unsigned integer, least significant part first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(Vec<u64>);

impl Number {
    /// Reads big-endian bytes.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let part = |bytes: &[u8]| bytes.iter().fold(0, |part, byte| part << 8 | u64::from(*byte));
        Self(bytes.rchunks(8).map(part).collect())
    }

    pub(super) fn to_bytes(&self, length: usize) -> Vec<u8> {
        let lowest_first = self.0.iter().flat_map(|part| part.to_le_bytes());
        let mut bytes: Vec<u8> = lowest_first.chain(std::iter::repeat(0)).take(length).collect();
        bytes.reverse();
        bytes
    }

    /// Adds modulo `modulus`. Both numbers are below it.
    fn add(&mut self, other: &Self, modulus: &Self) {
        let mut carry = false;
        for (part, other) in self.0.iter_mut().zip(&other.0) {
            let (sum, first) = part.overflowing_add(*other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*part, carry) = (sum, first || second);
        }
        if carry || !self.is_below(modulus) {
            let mut borrow = false;
            for (part, other) in self.0.iter_mut().zip(&modulus.0) {
                let (difference, first) = part.overflowing_sub(*other);
                let (difference, second) = difference.overflowing_sub(u64::from(borrow));
                (*part, borrow) = (difference, first || second);
            }
        }
    }

    fn is_below(&self, other: &Self) -> bool {
        self.0.iter().rev().lt(other.0.iter().rev())
    }
}

/// Multiplies modulo `modulus`, bit by bit. Both factors are below it.
fn product(one: &Number, other: &Number, modulus: &Number) -> Number {
    let mut product = Number(vec![0; modulus.0.len()]);
    let mut same = product.clone();
    for part in other.0.iter().rev() {
        for bit in (0..64).rev() {
            same.0.clone_from(&product.0);
            product.add(&same, modulus);
            if part >> bit & 1 == 1 {
                product.add(one, modulus);
            }
        }
    }
    product
}

/// Raises to a power modulo `modulus`. The exponent has big-endian bytes.
pub(super) fn power(base: &Number, exponent: &[u8], modulus: &Number) -> Number {
    let mut power = Number(vec![0; modulus.0.len()]);
    power.0[0] = 1;
    for byte in exponent {
        for bit in (0..8).rev() {
            power = product(&power, &power, modulus);
            if byte >> bit & 1 == 1 {
                power = product(&power, base, modulus);
            }
        }
    }
    power
}
