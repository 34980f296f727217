//! MySQL's SQL, also for MariaDB and compatible servers. A store is a [`ledger::Ledger`] over a
//! [`wire::Wire`].
//!
//! Statements contain their values as literals: a prepared statement would take one more round trip, and
//! can't be sent together with others.

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

/// An SQL statement for MySQL, including its values.
pub type Statement = String;

/// The number of rows. Without the cast, MariaDB writes it as text in JSON.
const COUNT: &str = "CAST(COUNT(*) AS SIGNED)";

/// A quoted name.
fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
