//! Logins, with a server that verifies the proof of the password.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::super::auth::{Login, Plugin};
use super::super::hash::{hash, xor};
use super::rsa::{PUBLIC_KEY, decrypt};
use super::*;

const PASSWORD: &str = "pässword";

/// The client's login packet.
#[derive(Debug)]
struct Said {
    abilities: u32,
    user: Vec<u8>,
    proof: Vec<u8>,
    rest: Vec<u8>,
}

fn said(message: &[u8]) -> Said {
    let (head, rest) = message.split_at(32);
    let user_end = rest.iter().position(|byte| *byte == 0).unwrap();
    let (user, rest) = rest.split_at(user_end);
    let proof_end = 2 + usize::from(rest[1]);
    Said {
        abilities: u32::from_le_bytes(head[..4].try_into().unwrap()),
        user: user.to_vec(),
        proof: rest[2..proof_end].to_vec(),
        rest: rest[proof_end..].to_vec(),
    }
}

/// Whether a proof is valid, for a server that knows the hash of the password's hash.
fn is_right(plugin: &str, proof: &[u8], nonce: &[u8]) -> bool {
    match plugin {
        "mysql_native_password" => {
            let stored = hash(&SHA1, &[&hash(&SHA1, &[PASSWORD.as_bytes()])]);
            let once = xor(proof, &hash(&SHA1, &[nonce, &stored]));
            hash(&SHA1, &[&once]) == stored
        }
        _ => {
            let stored = hash(&SHA256, &[&hash(&SHA256, &[PASSWORD.as_bytes()])]);
            let once = xor(proof, &hash(&SHA256, &[&stored, nonce]));
            hash(&SHA256, &[&once]) == stored
        }
    }
}

/// The result of a login with a server that sends these packets, each with the expected reply.
fn log_in(settings: &Settings, first: Vec<u8>, steps: Vec<(Vec<u8>, Expected)>) -> Answer<Client> {
    wait(async {
        let (ours, theirs) = duplex(1 << 20);
        let mut server = Server(theirs);
        let serve = async {
            server.send(0, &[first]).await;
            let (mut number, message) = server.receive().await;
            assert_eq!(said(&message).user, b"app");
            for (message, expected) in steps {
                server.send(number + 1, &[message]).await;
                number += 1;
                match expected {
                    Expected::Nothing => {}
                    Expected::Bytes(bytes) => {
                        assert_eq!(server.receive().await, (number + 1, bytes));
                        number += 1;
                    }
                    Expected::Proof(check) => {
                        let (_, proof) = server.receive().await;
                        assert!(check(&proof));
                        number += 1;
                    }
                }
            }
            server.send(number + 1, &[ok(0, 2)]).await;
            // The server exists as long as the client.
            server
        };
        let (client, _) = join(Client::begin(Box::new(ours), settings), serve).await;
        client
    })
}

/// The client's expected reply.
enum Expected {
    Nothing,
    Bytes(Vec<u8>),
    Proof(fn(&[u8]) -> bool),
}

fn switch(plugin: &str, nonce: &[u8]) -> Vec<u8> {
    [&[0xFE][..], plugin.as_bytes(), &[0], nonce].concat()
}

#[test]
fn a_login_uses_the_method_that_the_server_names() {
    let rows = [
        // the server's method; the client's method
        ("mysql_native_password", "mysql_native_password"),
        ("caching_sha2_password", "caching_sha2_password"),
        ("auth_gssapi_client", "mysql_native_password"),
        ("mysql_clear_password", "mysql_native_password"),
    ];
    for (plugin, answered) in rows {
        wait(async {
            let (ours, theirs) = duplex(1 << 20);
            let mut server = Server(theirs);
            let settings = settings(PASSWORD);
            let serve = async {
                server.send(0, &[greeting(WITH_ENCRYPTION, plugin)]).await;
                let (number, message) = server.receive().await;
                let said = said(&message);
                assert!(is_right(answered, &said.proof, NONCE), "{plugin}");
                assert_eq!(said.rest, format!("shop\0{answered}\0").into_bytes());
                // No local files, no encryption, no compression.
                assert_eq!(said.abilities & (1 << 7 | 1 << 11 | 1 << 5), 0);
                assert_eq!(number, 1);
                server.send(2, &[ok(0, 2)]).await;
            };
            let (client, ()) = join(Client::begin(Box::new(ours), &settings), serve).await;
            let client = client.unwrap();
            let expected = ServerInfo {
                version: "10.11.14-MariaDB-log".to_owned(),
                is_mariadb: true,
                thread_id: 7,
                is_encrypted: false,
                max_allowed_packet: None,
            };
            assert_eq!(client.server(), &expected);
        });
    }
}

#[test]
fn an_empty_password_is_sent_as_no_proof() {
    for plugin in ["mysql_native_password", "caching_sha2_password"] {
        let steps = vec![(switch(plugin, NONCE), Expected::Bytes(Vec::new()))];
        log_in(&settings(""), greeting(ABILITIES, "mysql_native_password"), steps).unwrap();
    }
}

#[test]
fn a_login_goes_on_with_another_plugin() {
    const OTHER: &[u8; 21] = b"other bytes of luck!\0";
    fn native(proof: &[u8]) -> bool {
        is_right("mysql_native_password", proof, &OTHER[..20])
    }
    fn sha2(proof: &[u8]) -> bool {
        is_right("caching_sha2_password", proof, &OTHER[..20])
    }
    // MariaDB asks for all methods of a user, one after the other.
    let steps = vec![
        (switch("mysql_native_password", OTHER), Expected::Proof(native)),
        (switch("caching_sha2_password", OTHER), Expected::Proof(sha2)),
        (vec![1, 3], Expected::Nothing),
    ];
    log_in(&settings(PASSWORD), greeting(ABILITIES, "caching_sha2_password"), steps).unwrap();
}

#[test]
fn a_password_that_the_server_has_not_cached() {
    let greeting = || greeting(ABILITIES, "caching_sha2_password");
    let clear = format!("{PASSWORD}\0").into_bytes();
    // The connection can't be read by others.
    let steps = vec![(vec![1, 4], Expected::Bytes(clear))];
    log_in(&local_settings(PASSWORD), greeting(), steps).unwrap();
    // Encrypted with the server's key.
    fn encrypted(message: &[u8]) -> bool {
        xor(&decrypt(message), NONCE) == format!("{PASSWORD}\0").into_bytes()
    }
    let key = [&[1], PUBLIC_KEY.as_bytes()].concat();
    let steps =
        || vec![(vec![1, 4], Expected::Bytes(vec![2])), (key.clone(), Expected::Proof(encrypted))];
    log_in(&settings(PASSWORD), greeting(), steps()).unwrap();
}

#[test]
fn a_login_signs_with_the_method_that_mariadb_has_of_its_own() {
    const OTHER: &[u8; 32] = b"thirty-two bytes of luck, or so!";
    const KEY: &str = "a password of thirty-two letters";
    // With a 32-byte password, it is an Ed25519 signature with that key.
    fn signed(proof: &[u8]) -> bool {
        let key = Ed25519KeyPair::from_seed_unchecked(KEY.as_bytes()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
        public.verify(OTHER, proof).is_ok() && key.sign(OTHER).as_ref() == proof
    }
    let steps = vec![(switch("client_ed25519", OTHER), Expected::Proof(signed))];
    log_in(&settings(KEY), greeting(ABILITIES, "mysql_native_password"), steps).unwrap();
}

#[test]
fn the_plain_password_is_sent_only_if_that_is_allowed() {
    let clear = || (switch("mysql_clear_password", b""), Expected::Bytes(b"secret\0".to_vec()));
    let native = || greeting(ABILITIES, "mysql_native_password");
    log_in(&local_settings("secret"), native(), vec![clear()]).unwrap();
    // Not if the operator forbids it, or if the server is not authenticated.
    let rows = [(true, false, "not checked"), (true, true, "is false"), (false, false, "is false")];
    for (may_send_password, is_proven, word) in rows {
        let may_send_password = may_send_password && !is_proven;
        let login = Login { password: "secret", is_private: true, is_proven, may_send_password };
        let error = login.prove(Plugin::Clear, b"").unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// Requests of the server that the client rejects.
#[test]
fn a_refused_login_says_why() {
    let pam = switch("dialog", b"\x02password: ");
    let rows: [(Vec<u8>, &str); 11] = [
        // the server's packet after the greeting; a word of the error
        (switch("mysql_clear_password", b""), "not encrypted"),
        (pam, "\"dialog\""),
        (switch("sha256_password", NONCE), "\"sha256_password\""),
        (switch("parsec", NONCE), "\"parsec\""),
        (vec![0xFE], "mysql_old_password"),
        (switch("mysql_native_password", b"short"), "can't be read"),
        (switch("client_ed25519", NONCE), "can't be read"),
        (vec![1, 4], "can't be read"),
        (vec![], "can't be read"),
        (vec![7], "can't be read"),
        (error(1045, "#28000", "Access denied for user 'app'"), "Access denied"),
    ];
    for (message, word) in rows {
        let failed = wait(async {
            let (ours, theirs) = duplex(1 << 20);
            let mut server = Server(theirs);
            let settings = settings("secret");
            let serve = async {
                server.send(0, &[greeting(ABILITIES, "mysql_native_password")]).await;
                server.receive().await;
                server.send(2, &[message]).await;
                server
            };
            let (client, mut server) = join(Client::begin(Box::new(ours), &settings), serve).await;
            let mut more = Vec::new();
            // The client sent nothing else, in particular not the password.
            server.0.read_to_end(&mut more).await.unwrap();
            assert!(more.is_empty());
            client.err().unwrap().to_string()
        });
        assert!(failed.contains(word) && !failed.contains("secret"), "{failed}");
    }
}

#[test]
fn an_invalid_public_key_is_refused() {
    for key in ["", "\u{4}\u{4}", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        let settings = settings("secret");
        let failed = wait(async {
            let (ours, theirs) = duplex(1 << 20);
            let mut server = Server(theirs);
            let serve = async {
                server.send(0, &[greeting(ABILITIES, "caching_sha2_password")]).await;
                server.receive().await;
                server.send(2, &[vec![1, 4]]).await;
                assert_eq!(server.receive().await, (3, vec![2]));
                server.send(4, &[[&[1], key.as_bytes()].concat()]).await;
            };
            join(Client::begin(Box::new(ours), &settings), serve).await.0
        });
        assert!(matches!(failed.err(), Some(ClientError::Protocol(_))), "{key}");
    }
}

/// Packets that a server may send instead of a greeting.
#[test]
fn a_server_that_refuses_before_the_login_is_quoted() {
    let greeting = |abilities| greeting(abilities, "mysql_native_password");
    let rows = [
        // the server's first packet; the error
        (error(1040, "", "Too many connections"), "Too many connections (1040)"),
        (error(1129, "#HY000", "Host 'x' is blocked"), "Host 'x' is blocked (1129)"),
        (vec![9, b'3', 0], "it does not begin as MySQL's protocol does"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "it does not begin as MySQL's protocol does"),
        (greeting(ABILITIES & !(1 << 9)), "it is too old"),
        (greeting(ABILITIES & !(1 << 16)), "one statement at a time"),
        (greeting(ABILITIES)[..40].to_vec(), "a packet ends too early"),
    ];
    for (first, word) in rows {
        let failed = wait(async {
            let (ours, theirs) = duplex(1 << 20);
            let mut server = Server(theirs);
            server.send(0, &[first]).await;
            drop(server);
            Client::begin(Box::new(ours), &settings("secret")).await.err().unwrap().to_string()
        });
        assert!(failed.contains(word), "{failed}");
    }
}
