//! Encryption of the connection, by `sslmode` as libpq means it
//! (<https://www.postgresql.org/docs/current/libpq-ssl.html>).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};
use crate::storage::location::SslMode;

/// What is checked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    /// That an authority we trust has signed it.
    Signature,
    /// And that it is for the host that we connect to.
    SignatureAndHost,
}

/// A connector for this mode; `roots` is a file of certificates to trust instead of the system's.
pub(super) fn connector(mode: SslMode, roots: Option<&str>) -> Result<MakeRustlsConnect> {
    let check = match (mode, roots) {
        (SslMode::VerifyFull, _) => Check::SignatureAndHost,
        // As libpq: who names the authority wants it checked.
        (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Check::Signature,
        (SslMode::Disable | SslMode::Prefer | SslMode::Require, _) => Check::Nothing,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authority = match check {
        Check::Nothing => None,
        Check::Signature | Check::SignatureAndHost => {
            let trusted = Arc::new(trusted(roots)?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(trusted, Arc::clone(&provider));
            Some(verifier.build().map_err(|error| unusable(&error.to_string()))?)
        }
    };
    let verifier = Arc::new(Verifier { check, authority, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(roots: Option<&str>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match roots {
        None | Some("system") => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file)
                .map_err(|error| unusable(&format!("sslrootcert: {error}")))?;
            for certificate in certificates {
                certificate
                    .and_then(|certificate| {
                        store
                            .add(certificate)
                            .map_err(|_| rustls::pki_types::pem::Error::NoItemsFound)
                    })
                    .map_err(|error| unusable(&format!("sslrootcert: {error}")))?;
            }
        }
    }
    if store.is_empty() {
        return Err(unusable(match roots {
            None | Some("system") => {
                "no root certificates were found on this machine; see sslrootcert"
            }
            Some(_) => "sslrootcert: there is no certificate in the file",
        }));
    }
    Ok(store)
}

fn unusable(reason: &str) -> Error {
    Error::InvalidUrl { reason: reason.to_owned() }
}

/// Checks as much of a certificate as the mode asks for.
#[derive(Debug)]
struct Verifier {
    check: Check,
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        let verified = authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let other_host = matches!(
            verified,
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            ))
        );
        if self.check == Check::Signature && other_host {
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
