//! TLS, as `sslmode` and related parameters set it.

use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Result;
use crate::storage::location::Tls;
use crate::storage::tls::{Names, config};

/// The TLS connector for a URL's settings.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    const NAMES: Names = Names { roots: "sslrootcert", certificate: "sslcert", key: "sslkey" };
    let mut config = config(tls, &NAMES)?;
    if tls.is_direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}
