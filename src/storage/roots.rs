//! The certificates that this machine trusts.

use rustls::RootCertStore;

use crate::error::{Error, Result};

/// Loads the certificates that this machine trusts. `advice` is for the error if there are none.
pub(super) fn system_roots(advice: &str) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        let reason = format!("no root certificates were found on this machine; {advice}");
        return Err(Error::InvalidUrl { reason });
    }
    Ok(store)
}
