//! TLS, with a server that has a test certificate.

use std::sync::Arc;

use futures_util::future::Either;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::storage::location::{Location, SslMode};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/mysql/client/tests");
/// Certificates signed by the test authority, with one key.
const OF_DB: &[u8] = include_bytes!("db.pem");
const OF_ANOTHER: &[u8] = include_bytes!("other.pem");
const KEY: &[u8] = include_bytes!("db.key");

const PLUGIN: &str = "mysql_native_password";

/// The settings from a URL with these parameters.
fn url(host: &str, parameters: &str) -> Settings {
    let url = format!("mysql://app:secret@{host}/shop?{parameters}");
    let Ok(Location::Mysql(url)) = Location::parse(&url) else { panic!("{url}") };
    Settings::of(&url, Duration::from_secs(5)).unwrap().remove(0)
}

fn acceptor(certificate: &[u8]) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Runs a server that accepts a login, encrypted if the client asks for it. Returns whether it was.
async fn serve<S>(stream: S, certificate: &[u8]) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = Server(stream);
    server.send(0, &[greeting(WITH_ENCRYPTION, PLUGIN)]).await;
    let (number, message) = server.receive().await;
    if message.len() > 32 {
        server.send(number + 1, &[ok(0, 2)]).await;
        return false;
    }
    // If the client rejects the certificate, the client's error is checked.
    let Ok(encrypted) = acceptor(certificate).accept(server.0).await else { return true };
    let mut server = Server(encrypted);
    let (number, message) = server.receive().await;
    assert!(message.windows(6).any(|part| part == b"\0app\0\x14"), "{message:?}");
    server.send(number + 1, &[ok(0, 2)]).await;
    true
}

#[test]
fn a_certificate_is_checked_as_the_parameters_say() {
    let authority = format!("ssl-ca={FOLDER}/authority.pem");
    let with = |more: &str| format!("{authority}&{more}");
    let rows = [
        // the parameters, the server's certificate; whether the connection is encrypted, or rejected
        ("ssl-mode=DISABLED".to_owned(), OF_DB, Some(false)),
        (String::new(), OF_DB, Some(true)),
        (String::new(), OF_ANOTHER, Some(true)),
        ("ssl-mode=REQUIRED".to_owned(), OF_ANOTHER, Some(true)),
        // The certificate is not signed by the trusted authority.
        (format!("ssl-ca={FOLDER}/db.pem"), OF_ANOTHER, None),
        (authority.clone(), OF_DB, Some(true)),
        (authority.clone(), OF_ANOTHER, Some(true)),
        (with("ssl-mode=VERIFY_IDENTITY"), OF_DB, Some(true)),
        (with("ssl-mode=VERIFY_IDENTITY"), OF_ANOTHER, None),
    ];
    for (parameters, certificate, expected) in rows {
        let settings = url("db", &parameters);
        let (client, is_encrypted) = wait(async {
            let (ours, theirs) = duplex(1 << 16);
            join(Client::begin(Box::new(ours), &settings), serve(theirs, certificate)).await
        });
        assert_eq!(is_encrypted, expected != Some(false), "{parameters}");
        match (client, expected) {
            (Ok(client), Some(expected)) => assert_eq!(client.server().is_encrypted, expected),
            (Err(ClientError::Tls(_)), None) => {}
            (client, _) => panic!("{parameters}: {:?}", client.err()),
        }
    }
}

/// Runs a server that asks for the plain password over TLS. Returns the password; empty if the client
/// disconnects.
async fn ask_for_password(stream: DuplexStream, certificate: &[u8]) -> Vec<u8> {
    let mut server = Server(stream);
    server.send(0, &[greeting(WITH_ENCRYPTION, PLUGIN)]).await;
    server.receive().await;
    let mut server = Server(acceptor(certificate).accept(server.0).await.unwrap());
    let (number, _) = server.receive().await;
    server.send(number + 1, &[b"\xFEmysql_clear_password\0".to_vec()]).await;
    let Ok(head) = server.0.read_u32().await else { return Vec::new() };
    let [length, .., number] = head.to_be_bytes();
    let mut password = vec![0; usize::from(length)];
    server.0.read_exact(&mut password).await.unwrap();
    server.send(number + 1, &[ok(0, 2)]).await;
    password
}

#[test]
fn the_plain_password_is_sent_only_to_a_server_that_is_known() {
    let authority = format!("ssl-ca={FOLDER}/authority.pem");
    let with = |more: &str| format!("{authority}&{more}");
    let rows = [
        // the parameters, the server's certificate; why it does not get the password
        (authority.clone(), OF_DB, None),
        (with("ssl-mode=VERIFY_IDENTITY"), OF_DB, None),
        (with("ssl-mode=VERIFY_IDENTITY&enableCleartextPlugin=true"), OF_DB, None),
        (with("enableCleartextPlugin=false"), OF_DB, Some("enableCleartextPlugin is false")),
        (String::new(), OF_DB, Some("its certificate is not checked")),
        ("ssl-mode=REQUIRED".to_owned(), OF_DB, Some("its certificate is not checked")),
        ("ssl-mode=REQUIRED".to_owned(), OF_ANOTHER, Some("its certificate is not checked")),
    ];
    for (parameters, certificate, refusal) in rows {
        let settings = url("db", &parameters);
        let (client, got) = wait(async {
            let (ours, theirs) = duplex(1 << 16);
            let server = ask_for_password(theirs, certificate);
            join(Client::begin(Box::new(ours), &settings), server).await
        });
        let expected: &[u8] = if refusal.is_none() { b"secret\0" } else { b"" };
        assert_eq!(got, expected, "{parameters}");
        let said = client.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(refusal.unwrap_or_default()), "{parameters}: {said}");
        assert_eq!(said.is_empty(), refusal.is_none(), "{parameters}: {said}");
    }
}

#[test]
fn a_server_without_encryption() {
    for (parameters, connects) in [("", true), ("ssl-mode=REQUIRED", false)] {
        let settings = url("db", parameters);
        let client = wait(async {
            let (ours, theirs) = duplex(1 << 16);
            let serve = async {
                let mut server = Server(theirs);
                server.send(0, &[greeting(ABILITIES, PLUGIN)]).await;
                // A client that disconnects sends nothing.
                if server.0.read_u32().await.is_ok() {
                    server.send(2, &[ok(0, 2)]).await;
                }
            };
            join(Client::begin(Box::new(ours), &settings), serve).await.0
        });
        assert_eq!(client.is_ok(), connects, "{parameters}");
        assert!(connects || matches!(client.err(), Some(ClientError::Tls(_))), "{parameters}");
    }
}

/// Packets before the TLS handshake may come from an attacker.
#[test]
fn packets_before_encryption_are_refused() {
    let settings = url("db", "ssl-mode=REQUIRED");
    let client = wait(async {
        let (ours, theirs) = duplex(1 << 16);
        let mut server = Server(theirs);
        let words = [greeting(WITH_ENCRYPTION, PLUGIN), vec![0], ok(0, 2)];
        server.send(0, &words).await;
        Client::begin(Box::new(ours), &settings).await
    });
    assert!(matches!(client.err(), Some(ClientError::Protocol(_))));
}

/// A server with outdated TLS: the client connects without TLS if it is only preferred, otherwise not at all.
#[test]
fn a_failed_handshake_falls_back_only_if_that_is_allowed() {
    for (parameters, connects) in [("", true), ("ssl-mode=REQUIRED", false)] {
        wait(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let settings = url(&listener.local_addr().unwrap().to_string(), parameters);
            let serve = async {
                let mut server = Server(listener.accept().await.unwrap().0);
                server.send(0, &[greeting(WITH_ENCRYPTION, PLUGIN)]).await;
                server.receive().await;
                // A fatal alert: protocol_version.
                server.0.write_all(&[21, 3, 1, 0, 2, 2, 70]).await.unwrap();
                assert!(!serve(listener.accept().await.unwrap().0, OF_DB).await);
            };
            let connect = Client::connect(&settings);
            let client =
                match futures_util::future::select(std::pin::pin!(connect), std::pin::pin!(serve))
                    .await
                {
                    Either::Left((client, _)) => client,
                    Either::Right(((), client)) => client.await,
                };
            assert_eq!(client.is_ok(), connects, "{:?}", client.err());
        });
    }
}

#[test]
fn mode_and_host_decide_whether_a_connection_is_encrypted() {
    let settings = |host: &str, mode| {
        let Ok(Location::Mysql(mut url)) = Location::parse(&format!("mysql://{host}/shop")) else {
            panic!("{host}")
        };
        url.tls.mode = mode;
        Settings::of(&url, Duration::from_secs(5)).map(|all| all[0].encryption.is_some())
    };
    let rows = [
        ("db", SslMode::Prefer, Some(true)),
        ("10.0.0.1", SslMode::Require, Some(true)),
        ("db", SslMode::Disable, Some(false)),
        ("%2Frun%2Fdb.sock", SslMode::Prefer, Some(false)),
        ("%2Frun%2Fdb.sock", SslMode::Require, Some(true)),
        ("-.-", SslMode::Disable, Some(false)),
        ("-.-", SslMode::Require, None),
    ];
    for (host, mode, expected) in rows {
        assert_eq!(settings(host, mode).ok(), expected, "{host} {mode:?}");
    }
}
