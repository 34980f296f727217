//! Encryption of a connection.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Host;
use super::error::ClientError;
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::storage::location::{SslMode, Tls};
use crate::storage::tls::{Names, config};

/// The encryption of connections to one host.
#[derive(Clone)]
pub struct Encryption {
    connector: TlsConnector,
    name: ServerName<'static>,
    /// Whether unencrypted connections are rejected.
    pub(super) is_required: bool,
    /// Whether the server's certificate is verified.
    pub(super) is_verified: bool,
}

impl Encryption {
    /// The encryption from a URL; `None` if it is disabled.
    pub fn new(tls: &Tls, host: &Host) -> Result<Option<Self>> {
        const NAMES: Names = Names { roots: "ssl-ca", certificate: "ssl-cert", key: "ssl-key" };
        let is_required = !matches!(tls.mode, SslMode::Disable | SslMode::Prefer);
        let name = match host {
            // A socket on this machine is faster without it.
            Host::Unix(_) if !is_required => return Ok(None),
            Host::Unix(_) => "localhost",
            Host::Tcp { host, .. } => host,
        };
        if tls.mode == SslMode::Disable {
            return Ok(None);
        }
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Error::InvalidUrl {
            reason: "its host is not a valid name of a TLS server".to_owned(),
        })?;
        let connector = TlsConnector::from(Arc::new(config(tls, &NAMES)?));
        let is_verified = matches!(tls.mode, SslMode::VerifyCa | SslMode::VerifyFull);
        Ok(Some(Self { connector, name, is_required, is_verified }))
    }

    pub(super) async fn begin(
        &self,
        stream: Box<dyn Stream>,
    ) -> Result<TlsStream<Box<dyn Stream>>, ClientError> {
        let encrypted = self.connector.connect(self.name.clone(), stream).await;
        encrypted.map_err(|error| {
            let is_about_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            if is_about_tls { ClientError::Tls(error.to_string()) } else { error.into() }
        })
    }
}
