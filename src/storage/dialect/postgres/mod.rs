//! PostgreSQL's SQL, for its own protocol and for an app's client. A store is a [`wire::Wire`].

mod access;
mod account;
mod books;
mod change;
pub mod error;
mod fit;
mod grants;
pub mod ids;
pub mod inline;
pub mod json;
mod ledger;
mod limits;
pub mod row;
pub mod schema;
mod statement;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod value;
mod views;
pub mod wire;
pub mod written;

/// An SQL statement for PostgreSQL.
pub type Statement = super::Statement<'static, value::Value>;
