//! MySQL's SQL, as MariaDB and what speaks like them understand it too: a store of it is a [`ledger::Ledger`] over a
//! [`wire::Wire`].
//!
//! A statement carries its values in its text: the protocol's other way takes a round trip to prepare one, and sends
//! one at a time.

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
