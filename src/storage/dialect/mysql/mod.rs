//! MySQL's SQL, also for MariaDB and compatible servers: a store of it is a [`ledger::Ledger`] over a [`wire::Wire`].
//!
//! A statement has its values as literals: a prepared statement takes one more round trip, and each is sent alone.

pub mod access;
mod account;
mod books;
mod change;
pub mod error;
mod fit;
mod grants;
pub mod ids;
pub mod json;
pub mod ledger;
mod limits;
mod literal;
mod row;
pub mod schema;
pub mod tables;
mod views;
pub mod wire;
mod written;

/// A statement in MySQL's SQL, with its values.
pub type Statement = String;

/// How many rows there are: without the cast MariaDB makes text of it in JSON.
const COUNT: &str = "CAST(COUNT(*) AS SIGNED)";

/// A name in quotes.
fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
