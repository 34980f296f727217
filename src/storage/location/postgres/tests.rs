//! PostgreSQL URLs and environments, and their parsed forms, as tables.

use super::*;
use crate::storage::location::parameters::{PARAMETERS, Support, VARIABLES};
use crate::storage::location::{ChannelBinding, SslMode, Versions};

fn environment(variables: &[(&str, &str)]) -> Variables {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(rest: &str, variables: &[(&str, &str)]) -> Result<PostgresUrl> {
    let parsed = PostgresUrl::parse(rest, &environment(variables));
    if let Err(error) = &parsed {
        assert!(!error.retryable(), "{error}");
        assert_eq!(error.code(), "INVALID_URL");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    parsed
}

/// Server, login and database: `user:password@host:port,host:port/database`.
fn place(url: &PostgresUrl) -> String {
    let hosts = url.hosts.iter().map(|Host { name, address, port }| match address {
        Some(address) => format!("{name}({address}):{port}"),
        None => format!("{name}:{port}"),
    });
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let (user, password, database) =
        (or_none(&url.user), or_none(&url.password), or_none(&url.database));
    format!("{user}:{password}@{hosts}/{database}")
}

#[test]
fn a_postgres_url_names_user_host_and_database() {
    type Row = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);
    const ALL: &[(&str, &str)] = &[
        ("PGHOST", "other"),
        ("PGPORT", "6000"),
        ("PGUSER", "bob"),
        ("PGPASSWORD", "pw"),
        ("PGDATABASE", "shop"),
    ];
    let rows: [Row; 55] = [
        // URL without its scheme, environment; the result
        ("//a:s@db/app", &[], Some("a:s@db:5432/app")),
        ("//a:s@db:6543/app", &[], Some("a:s@db:6543/app")),
        ("//a:s@db:6543/app \n", &[], Some("a:s@db:6543/app")),
        ("//a:s%40%2F%23%3F%25%3A@db/my%2Fapp", &[], Some("a:s@/#?%:@db:5432/my/app")),
        ("//a:x:y[z] w@db/app", &[], Some("a:x:y[z] w@db:5432/app")),
        ("//a@db", &[], Some("a:-@db:5432/-")),
        ("//:s@db/", &[], Some("-:s@db:5432/-")),
        ("//[::1]/app", &[], Some("-:-@::1:5432/app")),
        ("//[::1]:6543/app", &[], Some("-:-@::1:6543/app")),
        ("//db/?user=a&password=x%40y+z&dbname=app&port=6543", &[], Some("a:x@y+z@db:6543/app")),
        ("//b:t@other:1/shop?user=a&database=app&host=db&port=2", &[], Some("a:t@db:2/app")),
        ("//a@db:1/app?HOST=other", &[], Some("a:-@other:1/app")),
        ("//a@db/one?dbname=two&dbname=three", &[], Some("a:-@db:5432/three")),
        ("//a@x:1,y:2,z:3/app", &[], Some("a:-@x:1,y:2,z:3/app")),
        ("//a@x,y/app", &[], Some("a:-@x:5432,y:5432/app")),
        ("//a@x,y/app?port=7", &[], Some("a:-@x:7,y:7/app")),
        ("//a@x,y/app?port=7,8", &[], Some("a:-@x:7,y:8/app")),
        (
            "//a@x,y/app?hostaddr=10.0.0.1,10.0.0.2",
            &[],
            Some("a:-@x(10.0.0.1):5432,y(10.0.0.2):5432/app"),
        ),
        ("///app?hostaddr=::1", &[], Some("-:-@::1(::1):5432/app")),
        // Missing parts come from the environment, as in libpq or postgres.js, or have postgres.js's
        // defaults.
        ("///app", &[], Some("-:-@localhost:5432/app")),
        ("//", &[], Some("-:-@localhost:5432/-")),
        ("//", ALL, Some("bob:pw@other:6000/shop")),
        ("//db", ALL, Some("bob:pw@db:6000/shop")),
        ("//a:s@db:1/app", ALL, Some("a:s@db:1/app")),
        ("//a:s@/app", ALL, Some("a:s@other:6000/app")),
        ("//a@db/app", ALL, Some("a:pw@db:6000/app")),
        ("//db/app?user=a&password=s&port=1", ALL, Some("a:s@db:1/app")),
        ("//db/app", &[("PGUSER", "bob"), ("PGUSERNAME", "eve")], Some("eve:-@db:5432/app")),
        ("//db/app", &[("PGUSER", ""), ("PGPASSWORD", "")], Some("-:-@db:5432/app")),
        ("///app", &[("PGHOST", "x:1,y:2")], Some("-:-@x:1,y:2/app")),
        ("///app", &[("PGHOST", "x,y"), ("PGPORT", "1,2")], Some("-:-@x:1,y:2/app")),
        ("///app", &[("PGHOST", "fe80::1")], Some("-:-@fe80::1:5432/app")),
        // Values that libpq and postgres.js read differently
        ("//a@x:1,y/app", &[], None),
        ("//a:secret@/app", &[], None),
        // Ambiguous URLs
        ("a:secret@db/app", &[], None),
        ("/a:secret@db/app", &[], None),
        ("//a:secret@x@db/app", &[], None),
        ("//a:x@secret@db/app", &[], None),
        ("//a:secret/x@db/app", &[], None),
        ("//a:1/secret@db/app", &[], None),
        ("//a:x@y/secret@db/app", &[], None),
        ("//a:secret#x@db/app", &[], None),
        ("//a:x#secret@db/app", &[], None),
        ("//a:s@db/app#secret", &[], None),
        ("//a:1?secret@db/app", &[], None),
        ("//a:1?x=secret@db/app", &[], None),
        ("//a:secret%zz@db/app", &[], None),
        ("//a:secret%ff@db/app", &[], None),
        ("//a:secret%@db/app", &[], None),
        ("//a:secret%00@db/app", &[], None),
        ("//a:s@db:secret/app", &[], None),
        ("//a:s@db:65536/app", &[], None),
        ("//a:s@db:0/app", &[], None),
        ("//a:s@x,,y/app", &[], None),
        ("//a:s@x,y/app?hostaddr=10.0.0.1", &[], None),
    ];
    for (rest, variables, expected) in rows {
        let parsed = read(rest, variables);
        assert_eq!(parsed.as_ref().ok().map(place).as_deref(), expected, "{rest:?} {parsed:?}");
        if let Ok(parsed) = parsed {
            assert_eq!(format!("{parsed:?}"), "PostgresUrl(…)");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_postgres_url_can_name_a_socket() {
    let rows = [
        ("//%2Frun%2Fpostgresql/app", "-:-@/run/postgresql:5432/app"),
        ("//a@%2Frun:6543/app", "a:-@/run:6543/app"),
        ("//db:6543/app?host=/run", "-:-@/run:6543/app"),
    ];
    for (rest, expected) in rows {
        assert_eq!(read(rest, &[]).as_ref().ok().map(place).as_deref(), Some(expected), "{rest}");
    }
    let url = read("///app", &[("PGHOST", "/run/x"), ("PGPORT", "7")]);
    assert_eq!(url.as_ref().ok().map(place).as_deref(), Some("-:-@/run/x:7/app"));
}

#[test]
fn parameters_choose_the_kind_of_session() {
    let rows = [
        ("", "", Some(TargetSession::Any)),
        ("any", "standby", Some(TargetSession::Any)),
        ("read-write", "", Some(TargetSession::ReadWrite)),
        ("read-only", "", Some(TargetSession::ReadOnly)),
        ("primary", "", Some(TargetSession::Primary)),
        ("standby", "", Some(TargetSession::Standby)),
        ("prefer-standby", "", Some(TargetSession::PreferStandby)),
        ("", "read-write", Some(TargetSession::ReadWrite)),
        ("master", "", None),
        ("", "master", None),
    ];
    for (target, variable, expected) in rows {
        let parameter = if target.is_empty() { "" } else { "?target_session_attrs=" };
        let url = read(
            &format!("//a:5432,b:5433/app{parameter}{target}"),
            &[("PGTARGETSESSIONATTRS", variable)],
        );
        assert_eq!(url.ok().map(|url| url.target()), expected, "{target:?} {variable:?}");
    }
}

#[test]
fn parameters_choose_the_encryption() {
    use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        Option<(SslMode, Option<&'static str>)>,
    );
    let rows: [Row; 44] = [
        // parameters, environment; mode, authorities' file
        ("", &[], Some((Prefer, None))),
        ("sslmode=disable", &[], Some((Disable, None))),
        ("sslmode=allow", &[], Some((Prefer, None))),
        ("sslmode=prefer", &[], Some((Prefer, None))),
        ("sslmode=require", &[], Some((Require, None))),
        ("SSLMODE=require", &[], Some((Require, None))),
        ("sslmode=verify-ca", &[], Some((VerifyFull, None))),
        ("sslmode=verify-full", &[], Some((VerifyFull, None))),
        ("sslmode=", &[], None),
        ("sslmode=no", &[], None),
        ("sslmode=no-verify", &[], None),
        ("sslmode=verify_full", &[], None),
        // postgres.js
        ("ssl=require", &[], Some((Require, None))),
        ("ssl=allow", &[], Some((Require, None))),
        ("ssl=prefer", &[], Some((Prefer, None))),
        ("ssl=true", &[], Some((VerifyFull, None))),
        ("ssl=verify-ca", &[], Some((VerifyFull, None))),
        ("ssl=verify-full", &[], Some((VerifyFull, None))),
        ("ssl=false", &[], Some((Disable, None))),
        ("ssl=disable", &[], Some((Disable, None))),
        ("ssl=no-verify", &[], None),
        ("ssl=0", &[], None),
        ("ssl=", &[], None),
        ("ssl=true&sslmode=require", &[], Some((Require, None))),
        // authorities' files
        ("sslrootcert=system", &[], Some((VerifyFull, None))),
        ("sslrootcert=system&sslmode=require", &[], Some((VerifyFull, None))),
        ("sslrootcert=/ca.pem", &[], Some((VerifyCa, Some("/ca.pem")))),
        ("sslrootcert=%2Fc%20a+.pem&sslmode=require", &[], Some((VerifyCa, Some("/c a+.pem")))),
        ("sslrootcert=/ca.pem&sslmode=verify-ca", &[], Some((VerifyCa, Some("/ca.pem")))),
        ("sslrootcert=/ca.pem&sslmode=verify-full", &[], Some((VerifyFull, Some("/ca.pem")))),
        ("sslrootcert=/ca.pem&ssl=true", &[], Some((VerifyFull, Some("/ca.pem")))),
        ("sslrootcert=/ca.pem&sslmode=prefer", &[], Some((Prefer, Some("/ca.pem")))),
        // from the environment
        ("", &[("PGSSLMODE", "verify-full")], Some((VerifyFull, None))),
        ("", &[("PGSSL", "require")], Some((Require, None))),
        ("", &[("PGSSLMODE", "disable"), ("PGSSL", "require")], Some((Require, None))),
        (
            "sslmode=require",
            &[("PGSSLMODE", "disable"), ("PGSSL", "prefer")],
            Some((Require, None)),
        ),
        ("ssl=true", &[("PGSSLMODE", "disable")], Some((VerifyFull, None))),
        ("", &[("PGSSLROOTCERT", "system")], Some((VerifyFull, None))),
        ("", &[("PGSSLROOTCERT", "/ca.pem")], Some((Prefer, Some("/ca.pem")))),
        ("sslmode=disable", &[("PGSSLROOTCERT", "system")], Some((Disable, None))),
        ("sslmode=require", &[("PGSSLROOTCERT", "/ca.pem")], Some((VerifyCa, Some("/ca.pem")))),
        ("", &[("PGSSLMODE", "secret")], None),
        ("sslnegotiation=direct", &[], None),
        ("sslnegotiation=direct&sslmode=require", &[], Some((Require, None))),
    ];
    for (parameters, variables, expected) in rows {
        let tls = read(&format!("//db/app?{parameters}"), variables).map(|url| url.tls);
        let found = tls.as_ref().ok().map(|tls| (tls.mode, tls.written_roots()));
        assert_eq!(found, expected, "{parameters:?} {variables:?}");
    }
}

#[test]
fn more_parameters_choose_how_to_encrypt() {
    let rows = [
        // parameters; direct, sends the host name, versions, channel binding, client certificate
        ("", Some((false, true, Versions::Both, ChannelBinding::Prefer, false))),
        (
            "sslmode=require&sslnegotiation=direct",
            Some((true, true, Versions::Both, ChannelBinding::Prefer, false)),
        ),
        ("sslsni=0", Some((false, false, Versions::Both, ChannelBinding::Prefer, false))),
        (
            "ssl_min_protocol_version=TLSv1.3",
            Some((false, true, Versions::Tls13, ChannelBinding::Prefer, false)),
        ),
        (
            "ssl_max_protocol_version=tlsv1.2",
            Some((false, true, Versions::Tls12, ChannelBinding::Prefer, false)),
        ),
        (
            "ssl_min_protocol_version=TLSv1",
            Some((false, true, Versions::Both, ChannelBinding::Prefer, false)),
        ),
        (
            "channel_binding=require",
            Some((false, true, Versions::Both, ChannelBinding::Require, false)),
        ),
        (
            "channel_binding=disable",
            Some((false, true, Versions::Both, ChannelBinding::Disable, false)),
        ),
        ("sslcert=c&sslkey=k", Some((false, true, Versions::Both, ChannelBinding::Prefer, true))),
        (
            "sslcert=c&sslkey=k&sslcertmode=disable",
            Some((false, true, Versions::Both, ChannelBinding::Prefer, false)),
        ),
        ("sslcert=c", None),
        ("sslkey=k", None),
        ("sslcertmode=require", None),
        ("sslnegotiation=secret", None),
        ("sslsni=2", None),
        ("ssl_max_protocol_version=TLSv1.1", None),
        ("ssl_min_protocol_version=SSLv3", None),
        ("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", None),
        ("channel_binding=secret", None),
    ];
    for (parameters, expected) in rows {
        let tls = read(&format!("//db/app?{parameters}"), &[]).map(|url| url.tls);
        let found = tls.ok().map(|tls| {
            (
                tls.is_direct,
                tls.names_host,
                tls.versions,
                tls.channel_binding,
                tls.certificate.is_some(),
            )
        });
        assert_eq!(found, expected, "{parameters}");
    }
}

#[test]
fn parameters_choose_the_settings_of_a_session() {
    let rows = [
        // parameters, PGAPPNAME, PGOPTIONS; options, name, settings
        ("", "", "", Some((None, None, ""))),
        (
            "options=-c%20a%3Db&application_name=my+app",
            "x",
            "",
            Some((Some("-c a=b"), Some("my app"), "")),
        ),
        (
            "options=-c+a%3Db",
            "worker",
            "-c search_path=tenant",
            Some((Some("-c a=b"), Some("worker"), "")),
        ),
        ("fallback_application_name=x", "", "-c work_mem=1MB", Some((None, Some("x"), ""))),
        ("role=app&a.b=c&pgbouncer=true&max=5&x=", "", "", Some((None, None, "role=app a.b=c"))),
        ("", "", "-c search_path=tenant", None),
        ("", "", "-c ROLE=tenant", None),
        ("no%20name=1", "", "", None),
        ("secret", "", "", None),
        ("secret&x=1", "", "", None),
        ("a=%zz", "", "", None),
        ("connect_timeout=secret", "", "", None),
        ("load_balance_hosts=secret", "", "", None),
        ("search_path=a,,b", "", "", None),
    ];
    for (parameters, name, options, expected) in rows {
        let variables = [("PGAPPNAME", name), ("PGOPTIONS", options)];
        let url = read(&format!("//db/app?{parameters}"), &variables);
        let found = url.ok().map(|url| {
            let settings: Vec<_> =
                url.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (url.options, url.application_name, settings.join(" "))
        });
        let expected =
            expected.map(|(options, name, settings): (Option<&str>, Option<&str>, &str)| {
                (options.map(str::to_owned), name.map(str::to_owned), settings.to_owned())
            });
        assert_eq!(found, expected, "{parameters} {name} {options}");
    }
}

#[test]
fn parameters_choose_the_settings_of_the_network() {
    let url = "//db/app?connect_timeout=3&load_balance_hosts=random&keepalives=0&keepalives_idle=4\
               &keepalives_interval=5&keepalives_count=6&tcp_user_timeout=7000";
    let network = Network {
        connect_timeout: Some(Duration::from_secs(3)),
        any_order: true,
        keepalives: Some(false),
        keepalives_idle: Some(Duration::from_secs(4)),
        keepalives_interval: Some(Duration::from_secs(5)),
        keepalives_count: Some(6),
        user_timeout: Some(Duration::from_secs(7)),
    };
    assert_eq!(read(url, &[]).map(|url| url.network), Ok(network));
    let none = "//db/app?connect_timeout=0&keepalives_idle=-1&tcp_user_timeout=0";
    assert_eq!(read(none, &[]).map(|url| url.network), Ok(Network::default()));
}

/// All parameters of libpq 18 and postgres.js 3.4 are in the table, and are handled as it says.
#[test]
fn every_parameter_is_decided() {
    const LIBPQ: &str = "service servicefile user password passfile channel_binding connect_timeout dbname host \
        hostaddr port client_encoding options application_name fallback_application_name keepalives keepalives_idle \
        keepalives_interval keepalives_count tcp_user_timeout sslmode sslnegotiation sslcompression sslcert sslkey \
        sslcertmode sslpassword sslrootcert sslcrl sslcrldir sslsni requirepeer require_auth min_protocol_version \
        max_protocol_version ssl_min_protocol_version ssl_max_protocol_version gssencmode krbsrvname gsslib \
        gssdelegation replication target_session_attrs load_balance_hosts scram_client_key scram_server_key \
        oauth_issuer oauth_client_id oauth_client_secret oauth_scope sslkeylogfile";
    const POSTGRES_JS: &str = "max ssl sslnegotiation idle_timeout connect_timeout max_lifetime max_pipeline backoff \
        keep_alive prepare debug fetch_types publications target_session_attrs database";
    let answer = |name: &str| PARAMETERS.iter().find(|(known, _)| *known == name).map(|row| row.1);
    for name in LIBPQ.split_whitespace().chain(POSTGRES_JS.split_whitespace()) {
        assert!(answer(name).is_some(), "{name}");
    }
    for (name, answer) in PARAMETERS {
        let outcome = PostgresUrl::parse(&format!("//db/app?{name}=hidden"), &Variables::new());
        match answer {
            Support::Ignored => assert!(outcome.is_ok_and(|url| url.settings.is_empty()), "{name}"),
            Support::Refused(_) | Support::Only(..) => {
                let error = outcome.unwrap_err().to_string();
                assert!(error.contains(name) && !error.contains("hidden"), "{error}");
            }
            Support::Obeyed | Support::Same(_) => {
                let plain = read("//db/app", &[]).unwrap();
                assert!(outcome.is_err() || outcome.is_ok_and(|url| url != plain), "{name}");
            }
        }
        if let Support::Only(values, _) = answer {
            for value in *values {
                assert!(read(&format!("//db/app?{name}={value}"), &[]).is_ok(), "{name}={value}");
            }
        }
    }
    assert_eq!(PARAMETERS.len(), {
        let mut names: Vec<_> = PARAMETERS.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names.len()
    });
}

#[test]
fn every_variable_is_decided() {
    const LIBPQ: &str = "PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGREQUIREAUTH \
        PGCHANNELBINDING PGSERVICE PGSERVICEFILE PGOPTIONS PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLNEGOTIATION \
        PGSSLCOMPRESSION PGSSLCERT PGSSLKEY PGSSLCERTMODE PGSSLROOTCERT PGSSLCRL PGSSLCRLDIR PGSSLSNI PGREQUIREPEER \
        PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION PGGSSENCMODE \
        PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS \
        PGLOADBALANCEHOSTS PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR PGLOCALEDIR";
    const POSTGRES_JS: &str = "PGHOST PGPORT PGUSERNAME PGUSER PGDATABASE PGPASSWORD PGAPPNAME PGSSL PGSSLNEGOTIATION \
        PGCONNECT_TIMEOUT PGTARGETSESSIONATTRS";
    for name in LIBPQ.split_whitespace().chain(POSTGRES_JS.split_whitespace()) {
        assert!(VARIABLES.iter().any(|(known, _)| *known == name), "{name}");
    }
    let refusals = [
        ("//db/app", "PGHOSTADDR", "10.0.0.1", true),
        ("//db/app?hostaddr=10.0.0.2", "PGHOSTADDR", "10.0.0.1", false),
        ("//db/app", "PGSERVICE", "secret", true),
        ("//a@db/app", "PGSERVICE", "secret", false),
        ("//db/app", "PGREQUIREAUTH", "secret", true),
        ("//db/app", "PGSSLCRL", "secret", true),
        ("//db/app", "PGSSLMODE", "secret", true),
        ("//db/app?sslmode=require", "PGSSLMODE", "secret", false),
        ("//db/app", "PGGSSENCMODE", "require", true),
        ("//db/app", "PGGSSENCMODE", "prefer", false),
        ("//db/app", "PGPASSFILE", "secret", false),
    ];
    for (rest, variable, value, is_refused) in refusals {
        let outcome = read(rest, &[(variable, value)]);
        assert_eq!(outcome.is_err(), is_refused, "{rest} {variable}={value}");
    }
}

/// The table in the documentation equals this one.
#[test]
fn the_documentation_names_every_parameter() {
    const PAGE: &str = include_str!("../../../../docs/database-url.md");
    for (name, _) in PARAMETERS.iter().chain(VARIABLES) {
        assert!(PAGE.contains(&format!("`{name}`")), "docs/database-url.md lacks {name}");
    }
}
