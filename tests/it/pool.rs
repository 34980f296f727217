//! The pool of connections to a PostgreSQL server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media_credits::domain::table::TableName;
use media_credits::storage::location::Location;
use media_credits::storage::postgres::{self, Options};
use media_credits::storage::server::Server;

use crate::postgres_server::{database, sql, url};
use crate::servers::wait;

/// Identifies the connections to a database among later ones; `None` if there are none.
fn connections(database: &str) -> Option<String> {
    let statement = format!(
        "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity
         WHERE datname = '{database}' AND backend_type = 'client backend'"
    );
    sql(url(), &statement)
}

/// The server does not notice at once that a connection has ended.
fn until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn free_connections_that_are_not_used_are_closed() {
    const HOUR: Duration = Duration::from_secs(3600);
    let name = format!("pool_{}", std::process::id());
    let Location::Postgres(url) = Location::parse(&database(&name)).unwrap() else {
        panic!("another storage");
    };
    let server = Arc::new(postgres::Database::new(&url, Options::default()).unwrap());
    let take = || wait(server.session(server.deadline(Instant::now()))).unwrap();
    wait(server.create_tables(&TableName::ALL)).unwrap();
    until(|| connections(&name).is_none());

    drop(take());
    let first = connections(&name);
    assert!(first.is_some());
    server.close_idle(HOUR);
    let lent = take();
    assert_eq!(connections(&name), first, "it was taken a moment ago");

    drop(take());
    assert_ne!(connections(&name), first, "a second one, because the first is lent");
    server.close_idle(Duration::ZERO);
    until(|| connections(&name) == first);

    drop(lent);
    server.close_idle(Duration::ZERO);
    until(|| connections(&name).is_none());
}
