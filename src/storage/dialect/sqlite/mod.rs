//! SQLite's SQL, for the file itself and for other carriers of it.
//!
//! `is_text(id)` in a statement is a function that the connection must have: whether a value is text in UTF-8. Where
//! no function can be registered, and text is always UTF-8, it is `typeof(id) = 'text'`.

pub mod account;
pub mod books;
pub mod cell;
pub mod declared;
pub mod error;
pub mod facts;
pub mod guard;
pub mod inline;
pub mod look;
pub mod memory;
pub mod over_wire;
pub mod rows;
pub mod schema;
pub mod spent;
mod units;
pub mod views;
pub mod wire;

/// A statement in SQLite's SQL.
pub type Statement<'s> = super::Statement<'s, cell::Cell<'s>>;

impl Statement<'_> {
    /// The same statement, which borrows nothing.
    pub fn to_owned(&self) -> Statement<'static> {
        let values = self.values.iter().map(|value| value.clone().into_owned());
        Statement::new(self.text.as_ref().to_owned(), values.collect::<Vec<_>>())
    }
}
