//! MySQL URLs and their parsed forms, as tables.

use super::*;

fn read(rest: &str) -> Result<MysqlUrl> {
    let parsed = MysqlUrl::parse(rest);
    match &parsed {
        Ok(url) => assert_eq!(format!("{url:?}"), "MysqlUrl(…)"),
        Err(error) => {
            assert!(!error.retryable(), "{error}");
            assert_eq!(error.code(), "INVALID_URL");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
    parsed
}

/// Server, login and database: `user:password@host:port,host:port/database`.
fn place(url: &MysqlUrl) -> String {
    let hosts = url.hosts.iter().map(|host| match host {
        MysqlHost::Tcp { host, port } => format!("{host}:{port}"),
        MysqlHost::Unix(path) => path.display().to_string(),
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!("{}:{}@{hosts}/{}", url.user, or_none(&url.password), or_none(&url.database))
}

#[test]
fn a_mysql_url_names_user_host_and_database() {
    let rows = [
        ("//a:s@db/app", Some("a:s@db:3306/app")),
        ("//a:s@db:3307/app \n", Some("a:s@db:3307/app")),
        ("//a:s%40%2F%23%3F%25%3A+@db/my%2Fapp", Some("a:s@/#?%:+@db:3306/my/app")),
        ("//a:x:y@db/app", Some("a:x:y@db:3306/app")),
        ("//a@db", Some("a:-@db:3306/-")),
        ("//db/", Some(":-@db:3306/-")),
        ("//", Some(":-@localhost:3306/-")),
        ("///app", Some(":-@localhost:3306/app")),
        ("//a@[::1]:3307/app", Some("a:-@::1:3307/app")),
        ("//a@x:1,y,z:3/app", Some("a:-@x:1,y:3306,z:3/app")),
        ("//a@db/app?socketPath=/run/mysqld/mysqld.sock", Some("a:-@/run/mysqld/mysqld.sock/app")),
        ("//a:s@/app?socket=%2Frun%2Fm.sock", Some("a:s@/run/m.sock/app")),
        ("///app?unix_socket=/a+b", Some(":-@/a b/app")),
        (
            "//a:s@db/app?connection_limit=5&charset=utf8mb4&timezone=%2B00:00",
            Some("a:s@db:3306/app"),
        ),
        ("//a:s@db/app?multipleStatements=true&pool_timeout=1&flags=-X", Some("a:s@db:3306/app")),
        ("//a:s@db/app?allowPublicKeyRetrieval=true", Some("a:s@db:3306/app")),
        // Unsupported and unknown parameters
        ("//a:secret@db/app?host=other", None),
        ("//a:secret@db/app?password=secret", None),
        ("//a:secret@db/app?localAddress=10.0.0.1", None),
        ("//a:secret@db/app?allowPublicKeyRetrieval=false", None),
        ("//a:secret@db/app?readOnlyPlease=1", None),
        ("//a:secret@db/app?se%20cret=1", None),
        ("//a:secret@db/app?secret", None),
        // Ambiguous URLs
        ("a:secret@db/app", None),
        ("//a:secret@/app", None),
        ("//a:secret@x@db/app", None),
        ("//a:secret/x@db/app", None),
        ("//a:1?x=secret@db/app", None),
        ("//a:x#secret@db/app", None),
        ("//a:secret%zz@db/app", None),
        ("//a:secret%00@db/app", None),
        ("//a:s@db:secret/app", None),
        ("//a:s@db:0/app", None),
        ("//a:s@x,,y/app", None),
        ("//a:s@d b/app", None),
    ];
    for (rest, expected) in rows {
        let parsed = read(rest);
        assert_eq!(parsed.as_ref().ok().map(place).as_deref(), expected, "{rest:?} {parsed:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_mysql_url_can_name_a_socket() {
    let url = read("//a@%2Frun%2Fmysqld.sock/app");
    assert_eq!(url.as_ref().ok().map(place).as_deref(), Some("a:-@/run/mysqld.sock/app"));
}

#[test]
fn mysql_parameters_choose_the_encryption() {
    use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let rows = [
        // the parameters; the mode, the authorities' file, whether there is a client certificate
        ("", Some((Prefer, None, false))),
        // MySQL's and MariaDB's own clients
        ("ssl-mode=DISABLED", Some((Disable, None, false))),
        ("ssl-mode=PREFERRED", Some((Prefer, None, false))),
        ("ssl-mode=REQUIRED", Some((Require, None, false))),
        ("sslMode=VERIFY_CA", Some((VerifyFull, None, false))),
        ("ssl_mode=verify_identity", Some((VerifyFull, None, false))),
        ("sslmode=verify-full", Some((VerifyFull, None, false))),
        ("sslMode=trust", Some((Require, None, false))),
        ("ssl-mode=secret", None),
        ("ssl-ca=/ca.pem", Some((VerifyCa, Some("/ca.pem"), false))),
        ("ssl-ca=/ca.pem&ssl-mode=REQUIRED", Some((VerifyCa, Some("/ca.pem"), false))),
        ("ssl_ca=/ca.pem&ssl-mode=VERIFY_IDENTITY", Some((VerifyFull, Some("/ca.pem"), false))),
        ("sslca=/ca.pem&ssl-mode=DISABLED", Some((Disable, Some("/ca.pem"), false))),
        ("ssl-cert=c&ssl-key=k&ssl-mode=REQUIRED", Some((Require, None, true))),
        ("ssl-key=k", None),
        ("ssl-crl=secret", None),
        ("tls-versions=TLSv1.2,TLSv1.3", Some((Prefer, None, false))),
        ("tls-versions=TLSv1.1", None),
        // mysql2
        ("ssl={}", Some((VerifyFull, None, false))),
        (r#"ssl={"rejectUnauthorized":true}"#, Some((VerifyFull, None, false))),
        ("ssl=%7B%22rejectUnauthorized%22%3Atrue%7D", Some((VerifyFull, None, false))),
        (r#"ssl={"rejectUnauthorized":false}"#, Some((Require, None, false))),
        (r#"ssl={"minVersion":"TLSv1.2"}&ssl-ca=c"#, Some((VerifyCa, Some("c"), false))),
        (r#"ssl={"verifyIdentity":true}&ssl-ca=c"#, Some((VerifyFull, Some("c"), false))),
        (r#"ssl={"ca":"A\nB"}"#, Some((VerifyCa, Some("A\nB"), false))),
        (r#"ssl={"ca":"A%2BB","verifyIdentity":true}"#, Some((VerifyFull, Some("A+B"), false))),
        (r#"ssl={"ca":"A"}&ssl-ca=/ca.pem"#, Some((VerifyCa, Some("/ca.pem"), false))),
        (r#"ssl={"ca":["secret"]}"#, None),
        (r#"ssl={"cert":"secret"}"#, None),
        (r#"ssl={"minVersion":"secret"}"#, None),
        ("ssl=Amazon+RDS", None),
        ("ssl=secret", None),
        ("ssl=0", None),
        // MariaDB's client for Node and others
        ("ssl=true", Some((VerifyFull, None, false))),
        ("ssl=false", Some((Disable, None, false))),
        ("ssl=required", Some((Require, None, false))),
        // Prisma
        ("sslaccept=strict", Some((VerifyFull, None, false))),
        ("sslaccept=accept_invalid_certs", Some((Require, None, false))),
        ("sslaccept=secret", None),
        ("sslcert=/ca.pem", Some((VerifyCa, Some("/ca.pem"), false))),
        ("sslidentity=secret", None),
        // Java and Python
        ("useSSL=true", Some((Require, None, false))),
        ("useSSL=false", Some((Disable, None, false))),
        ("requireSSL=false", Some((Prefer, None, false))),
        ("useSSL=true&verifyServerCertificate=true", Some((VerifyFull, None, false))),
        ("ssl_verify_identity=true&ssl_ca=c", Some((VerifyFull, Some("c"), false))),
        ("ssl_disabled=1", Some((Disable, None, false))),
        ("useSSL=secret", None),
        // several parameters: the safest counts
        (r#"useSSL=false&ssl-mode=REQUIRED"#, Some((Require, None, false))),
    ];
    for (parameters, expected) in rows {
        let tls = read(&format!("//db/app?{parameters}")).map(|url| url.tls);
        let found =
            tls.as_ref().ok().map(|tls| (tls.mode, tls.written_roots(), tls.certificate.is_some()));
        assert_eq!(found, expected, "{parameters}");
    }
    let newest = read(r#"//db/app?ssl={"minVersion":"TLSv1.3"}"#).map(|url| url.tls.versions);
    assert_eq!(newest.ok(), Some(Versions::Tls13));
}

#[test]
fn mysql_parameters_choose_the_timeout() {
    let rows = [
        // the parameters; the timeout in milliseconds
        ("", Some(None)),
        ("connectTimeout=500", Some(Some(500))),
        ("connect-timeout=500", Some(Some(500))),
        ("connect_timeout=5", Some(Some(5000))),
        ("connect_timeout=5&connectTimeout=500", Some(Some(500))),
        ("connectTimeout=0", Some(None)),
        ("connectTimeout=secret", None),
    ];
    for (parameters, expected) in rows {
        let timeout = read(&format!("//db/app?{parameters}")).map(|url| url.connect_timeout);
        let expected = expected.map(|time_ms| time_ms.map(Duration::from_millis));
        assert_eq!(timeout.ok(), expected, "{parameters}");
    }
}

#[test]
fn whether_the_password_itself_may_be_sent() {
    let rows = [
        ("", Some(true)),
        ("enableCleartextPlugin=true", Some(true)),
        ("enableCleartextPlugin=1", Some(true)),
        ("enableCleartextPlugin=false", Some(false)),
        ("enable-cleartext-plugin=0", Some(false)),
        ("enableCleartextPlugin=secret", None),
        ("enableCleartextPlugin=", Some(true)),
    ];
    for (parameters, expected) in rows {
        let may = read(&format!("//db/app?{parameters}")).map(|url| url.may_send_password);
        assert_eq!(may.ok(), expected, "{parameters}");
    }
}

#[test]
fn a_refused_ssl_names_what_to_write() {
    let rows = [
        ("ssl=Amazon+RDS", "write ssl-ca, that PEM file"),
        (r#"ssl={"key":"secret"}"#, "ssl-cert and ssl-key"),
    ];
    for (parameters, expected) in rows {
        let refused = read(&format!("//db/app?{parameters}"));
        let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("ssl") && message.contains(expected), "{message}");
    }
}

/// Each name is in its normalized form, and occurs once.
#[test]
fn the_table_of_parameters() {
    for (at, (name, answer)) in PARAMETERS.iter().enumerate() {
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "{name}"
        );
        assert!(!PARAMETERS[..at].iter().any(|(other, _)| other == name), "{name} twice");
        if let crate::storage::location::parameters::Support::Same(other) = answer {
            assert!(PARAMETERS.iter().any(|(known, _)| known == other), "{name}");
        }
    }
}
