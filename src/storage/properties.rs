//! Properties of `DATABASE_URL`: any text is a database or an error, and no message contains its password.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;

use super::location::{Location, Place, SslMode};
use crate::domain::properties::generators::{cases, edited, edits, text};

/// A password that no message contains by chance.
const PASSWORD: &str = "hunter2";

fn url_with_password() -> impl Strategy<Value = String> {
    let scheme = select(vec!["postgres", "postgresql", "mysql", "mariadb", "libsql", "sqlserver"]);
    let user = prop_oneof![3 => Just("app".to_owned()), 1 => text()];
    let rest = select(vec![
        "db/app",
        "db:5432/app?sslmode=require",
        "db/app?sslmode=no",
        "db/app?sslmode=verify-full&sslrootcert=%2Fca.pem&pgbouncer=true",
        "[::1]/app",
        "/app?host=/run&user=app",
        "",
    ]);
    (scheme, user, rest)
        .prop_map(|(scheme, user, rest)| format!("{scheme}://{user}:{PASSWORD}@{rest}"))
}

/// A valid URL, possibly with a prefix or a typing error.
fn slipped() -> impl Strategy<Value = String> {
    let prefix = select(vec!["", "", "", " ", "\"", "'", "DATABASE_URL=", "psql ", "\u{feff}"]);
    (prefix, url_with_password(), edits(1)).prop_map(|(prefix, url, edits)| {
        let url = edited(format!("{prefix}{url}").into_bytes(), &edits);
        String::from_utf8_lossy(&url).into_owned()
    })
}

/// A path that can't be mistaken for parameters or a scheme.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => "[a-z .é%+-]{1,6}", 1 => any::<String>()];
    let path = (any::<bool>(), proptest::collection::vec(part, 1..4));
    let path = path.prop_map(|(absolute, parts)| {
        let path = parts.join("/").replace('\0', "");
        let path = path.trim_start_matches('/');
        format!("{}{path}", if absolute { "/" } else { "" })
    });
    path.prop_filter("a file", |path| !matches!(path.trim(), "" | "/" | ":memory:"))
}

fn encoded(path: &str, all: bool) -> String {
    let plain = |byte: u8| !all && byte.is_ascii_alphanumeric() || byte == b'/';
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn file(path: &str) -> Location {
    Location::Sqlite(Place::File(PathBuf::from(path)))
}

const PARAMETERS: [&str; 6] = ["host", "options", "role", "sslrootcert", "pgbouncer", "max"];
/// Parameters that other libraries read.
const OTHERS: [&str; 2] = ["pgbouncer", "max"];

proptest! {
    #![proptest_config(cases(4096))]

    #[test]
    fn a_password_is_never_shown(url in slipped()) {
        let parsed = Location::parse(&url);
        let shown = match &parsed {
            Ok(location) => {
                let provider = location.check_provider("mysql").err();
                format!("{location:?} {provider:?}")
            }
            Err(error) => format!("{error} {error:?} {:?}", error.details()),
        };
        prop_assert!(!shown.contains(PASSWORD), "{}", shown);
    }

    #[test]
    fn any_text_is_a_database_or_an_error(url in prop_oneof![any::<String>(), "[a-z:/@?#%. ]{0,20}"]) {
        match Location::parse(&url) {
            Err(error) => {
                prop_assert!(matches!(error.code(), "INVALID_URL" | "UNSUPPORTED_DATABASE"));
            }
            Ok(Location::Sqlite(Place::File(path))) => prop_assert!(!path.as_os_str().is_empty()),
            Ok(Location::Sqlite(Place::Memory)) => prop_assert!(url.ends_with(":memory:") || url.contains('%')),
            Ok(Location::Postgres(found)) => prop_assert!(!found.hosts.is_empty()),
            Ok(Location::Libsql(found)) => prop_assert!(!found.host.is_empty()),
            Ok(Location::Mysql(found)) => prop_assert!(!found.hosts.is_empty()),
        }
    }

    #[test]
    fn a_file_is_found_under_its_own_name(path in path(), all in any::<bool>()) {
        let url = encoded(&path, all);
        prop_assert_eq!(Location::parse(&format!("file:{url}")), Ok(file(&path)));
        if path.starts_with('/') {
            prop_assert_eq!(Location::parse(&format!("file://{url}")), Ok(file(&path)));
            prop_assert_eq!(Location::parse(&format!("FILE://localhost{url}")), Ok(file(&path)));
        }
        if !path.contains(':') {
            prop_assert_eq!(Location::parse(&path), Ok(file(&path)));
        }
    }

    /// Any user, password, database and setting survive encoding and parsing.
    #[test]
    fn parts_of_a_url_come_through(
        parts in proptest::collection::vec("[^\0]{1,8}", 4),
        all in any::<bool>(),
    ) {
        let code = |at: usize| encoded(&parts[at], all).replace('/', "%2F");
        let url = format!("postgres://{}:{}@db/{}?a.b={}", code(0), code(1), code(2), code(3));
        let Ok(Location::Postgres(found)) = Location::parse(&url) else { panic!("{url}") };
        prop_assert_eq!(found.user.as_ref(), Some(&parts[0]));
        prop_assert_eq!(found.password.as_ref(), Some(&parts[1]));
        prop_assert_eq!(found.database.as_ref(), Some(&parts[2]));
        prop_assert_eq!(found.settings, vec![("a.b".to_owned(), parts[3].clone())]);
        let url = format!("mysql://{}:{}@db/{}", code(0), code(1), code(2));
        let Ok(Location::Mysql(found)) = Location::parse(&url) else { panic!("{url}") };
        prop_assert_eq!(&found.user, &parts[0]);
        prop_assert_eq!(found.password.as_ref(), Some(&parts[1]));
        prop_assert_eq!(found.database.as_ref(), Some(&parts[2]));
    }

    /// Other clients' parameters have no effect, at any position.
    #[test]
    fn parameters_go_where_they_belong(
        parameters in proptest::collection::vec((select(PARAMETERS.to_vec()), "[a-z0-9]{1,6}"), 0..6),
    ) {
        let write = |pairs: &[&(&str, String)]| {
            let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Location::parse(&format!("postgres://app:{PASSWORD}@db/app?{}", pairs.join("&")))
        };
        let ours: Vec<_> = parameters.iter().filter(|(name, _)| !OTHERS.contains(name)).collect();
        prop_assert_eq!(write(&parameters.iter().collect::<Vec<_>>()), write(&ours));
        let Ok(Location::Postgres(found)) = write(&ours) else { panic!("{ours:?}") };
        let of = |name| ours.iter().rfind(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        prop_assert_eq!(found.hosts[0].name.as_str(), of("host").unwrap_or("db"));
        prop_assert_eq!(found.options.as_deref(), of("options"));
        prop_assert_eq!(found.tls.written_roots(), of("sslrootcert"));
        let mode = if of("sslrootcert").is_some() { SslMode::VerifyCa } else { SslMode::Prefer };
        prop_assert_eq!(found.tls.mode, mode);
        let role = of("role").map(|role| ("role".to_owned(), role.to_owned()));
        prop_assert_eq!(found.settings, role.into_iter().collect::<Vec<_>>());
    }
}
