//! Password hashes of the login methods.

use ring::digest::{Algorithm, Context};

/// The hash of these parts, concatenated.
pub(super) fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

/// XORs the bytes with a repeated key.
pub(super) fn xor(bytes: &[u8], with: &[u8]) -> Vec<u8> {
    bytes.iter().zip(with.iter().cycle()).map(|(one, other)| one ^ other).collect()
}
