//! TLS from a URL's `sslmode` and related parameters, as libpq defines them
//! (<https://www.postgresql.org/docs/current/libpq-ssl.html>); MySQL's have the same meanings.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

use super::location::{ChannelBinding, Roots, SslMode, Tls, Versions};
use super::roots::system_roots;
use crate::error::{Error, Result};

/// The names of a URL's parameters for TLS files.
pub(super) struct Names {
    pub(super) roots: &'static str,
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
}

/// What is verified in the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    /// That a trusted authority has signed it.
    Signature,
    /// That too, and that it names the host.
    SignatureAndHost,
}

/// The configuration from a URL.
pub(super) fn config(tls: &Tls, names: &Names) -> Result<ClientConfig> {
    let check = match tls.mode {
        SslMode::VerifyFull => Check::SignatureAndHost,
        SslMode::VerifyCa => Check::Signature,
        SslMode::Disable | SslMode::Prefer | SslMode::Require => Check::Nothing,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authority = match check {
        Check::Nothing => None,
        Check::Signature | Check::SignatureAndHost => {
            let trusted = Arc::new(trusted(tls.roots.as_ref(), names.roots)?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(trusted, Arc::clone(&provider));
            Some(verifier.build().map_err(|error| unusable(&error.to_string()))?)
        }
    };
    let takes_any_key = check == Check::Nothing && tls.channel_binding == ChannelBinding::Disable;
    let verifier = Verifier { check, takes_any_key, authority, provider: Arc::clone(&provider) };
    let versions: &[&SupportedProtocolVersion] = match tls.versions {
        Versions::Both => &[&TLS13, &TLS12],
        Versions::Tls12 => &[&TLS12],
        Versions::Tls13 => &[&TLS13],
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| Error::Internal(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => config
            .with_client_auth_cert(
                certificates(names.certificate, certificate)?,
                private_key(names.key, key)?,
            )
            .map_err(|error| unusable(&format!("{}, {}: {error}", names.certificate, names.key)))?,
    };
    config.enable_sni = tls.names_host;
    Ok(config)
}

/// The certificates in a file.
fn certificates(parameter: &str, file: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error| unusable(&format!("{parameter}: {error}"));
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect();
    some(parameter, all.map_err(unreadable)?, "the file")
}

/// The certificates in a text.
fn certificates_of(text: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|error| unusable(&format!("{CA}: {error}")))?;
    some(CA, all, "the text; a + in it is written %2B")
}

/// At least one certificate.
fn some(
    parameter: &str,
    certificates: Vec<CertificateDer<'static>>,
    place: &str,
) -> Result<Vec<CertificateDer<'static>>> {
    match certificates.is_empty() {
        true => Err(unusable(&format!("{parameter}: there is no certificate in {place}"))),
        false => Ok(certificates),
    }
}

/// Where mysql2's URLs have the text of certificates.
const CA: &str = "ca in ssl";

fn private_key(parameter: &str, file: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(&format!(
            "{parameter}: there is no key in the file, or it is encrypted; decrypt it"
        )),
        error => unusable(&format!("{parameter}: {error}")),
    })
}

fn trusted(roots: Option<&Roots>, parameter: &str) -> Result<RootCertStore> {
    let (certificates, parameter) = match roots {
        None => return system_roots(&format!("see {parameter}")),
        Some(Roots::File(file)) => (certificates(parameter, file)?, parameter),
        Some(Roots::Text(text)) => (certificates_of(text)?, CA),
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| unusable(&format!("{parameter}: {error}")))?;
    }
    Ok(store)
}

fn unusable(reason: &str) -> Error {
    Error::InvalidUrl { reason: reason.to_owned() }
}

/// Verifies a certificate as far as the mode requires.
#[derive(Debug)]
struct Verifier {
    check: Check,
    /// If any certificate is accepted and no login is bound to it, the server's signature need not be
    /// verified. Old certificates (X.509 version 1), as described in MySQL's manual, could not be parsed for
    /// that.
    takes_any_key: bool,
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
        if self.takes_any_key {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        if self.takes_any_key {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
