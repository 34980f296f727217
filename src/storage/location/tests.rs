//! URLs and their parsed forms, as tables.

use super::*;

#[test]
fn a_url_names_a_file_or_a_server() {
    let file = |path: &str| Ok(Location::Sqlite(Place::File(PathBuf::from(path))));
    let rows = [
        ("file:data/local.db", file("data/local.db")),
        ("file:./local.db", file("./local.db")),
        ("file:/abs/local.db", file("/abs/local.db")),
        ("file:///abs/local.db", file("/abs/local.db")),
        ("file://localhost/abs/local.db", file("/abs/local.db")),
        ("file:///with%20space.db", file("/with space.db")),
        ("FILE:local.db", file("local.db")),
        ("data/local.db", file("data/local.db")),
        ("/abs/local.db", file("/abs/local.db")),
        ("100%.db", file("100%.db")),
        ("C:\\data\\local.db", file("C:\\data\\local.db")),
        ("C:\\data\\me@home\\local.db", file("C:\\data\\me@home\\local.db")),
        ("file:odd:name@home.db", file("odd:name@home.db")),
        (":memory:", Ok(Location::Sqlite(Place::Memory))),
        ("file::memory:", Ok(Location::Sqlite(Place::Memory))),
        ("", Err("INVALID_URL")),
        ("  ", Err("INVALID_URL")),
        ("file:", Err("INVALID_URL")),
        ("file://", Err("INVALID_URL")),
        ("file://server/share.db", Err("INVALID_URL")),
        ("file:local.db?mode=ro", Err("INVALID_URL")),
        ("file:100%.db", Err("INVALID_URL")),
        ("file:%ff.db", Err("INVALID_URL")),
        ("file:a%00b", Err("INVALID_URL")),
        ("a\0b", Err("INVALID_URL")),
        (" postgres://app:secret@db/app", Err("INVALID_URL")),
        ("\"postgres://app:secret@db/app\"", Err("INVALID_URL")),
        ("DATABASE_URL=postgres://app:secret@db/app", Err("INVALID_URL")),
        ("postgres//app:secret@db/app", Err("INVALID_URL")),
        ("//app:secret@db/app", Err("INVALID_URL")),
        ("host=db user=app password=secret", Err("INVALID_URL")),
        ("mysql://root:secret@db/app?ssl=secret", Err("INVALID_URL")),
        ("mongodb+srv://app:secret@db", Err("UNSUPPORTED_DATABASE")),
    ];
    for (url, expected) in rows {
        let parsed = Location::parse(url);
        if let Err(error) = &parsed {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(parsed.map_err(|error| error.code()), expected, "{url}");
    }
}

#[test]
fn a_provider_must_fit_its_url() {
    let rows =
        [("", true), ("sqlite", true), ("turso", true), ("postgresql", false), ("mysql", false)];
    for (provider, fits) in rows {
        assert_eq!(
            Location::Sqlite(Place::Memory).check_provider(provider).is_ok(),
            fits,
            "{provider}"
        );
        let postgres = Location::parse("postgres://db/app").unwrap();
        let fits = matches!(provider, "" | "postgresql");
        assert_eq!(postgres.check_provider(provider).is_ok(), fits, "{provider}");
        let mysql = Location::parse("mariadb://db/app").unwrap();
        let fits = matches!(provider, "" | "mysql");
        assert_eq!(mysql.check_provider(provider).is_ok(), fits, "{provider}");
    }
}

#[test]
fn a_url_in_place_of_a_provider_is_not_shown() {
    let rows = [("mysql", true), ("postgres://app:secret@db/app", false), ("secret@db", false)];
    for (provider, is_shown) in rows {
        let error = Location::Sqlite(Place::Memory).check_provider(provider).unwrap_err();
        assert_eq!(error.to_string().contains(provider), is_shown, "{error}");
    }
}

#[test]
fn a_url_names_the_database_system() {
    let rows = [
        ("postgres://db/app", "postgresql"),
        ("PostgreSQL://db/app?no=such", "postgresql"),
        ("mysql2://db/app", "mysql"),
        ("MariaDB://db/app", "mysql"),
        ("file:postgres.db", "sqlite"),
        (":memory:", "sqlite"),
        ("", "sqlite"),
    ];
    for (url, expected) in rows {
        assert_eq!(system(url), expected, "{url}");
    }
}
