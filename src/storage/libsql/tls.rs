//! TLS. The server needs a valid certificate for its name from a public authority.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};
use crate::storage::failure::{not_usable, unavailable};
use crate::storage::roots::system_roots;

/// The connector that starts encryption.
pub(super) fn connector() -> Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = system_roots("install them (ca-certificates)")?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the server's certificate must have.
pub(super) fn name(host: &str) -> Result<ServerName<'static>> {
    let none =
        |_| Error::InvalidUrl { reason: "its host is not a valid name of a TLS server".to_owned() };
    ServerName::try_from(host.to_owned()).map_err(none)
}

/// The error when encryption could not be started.
pub(super) fn refused(error: &std::io::Error) -> Error {
    let is_about_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    if !is_about_tls {
        return unavailable(&error.to_string());
    }
    const ADVICE: &str = "; check DATABASE_URL, and the certificates that this machine trusts";
    not_usable(error.to_string(), ADVICE)
}
