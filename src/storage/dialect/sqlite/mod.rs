//! SQLite's SQL, for the file itself and for whatever else speaks it.
//!
//! `is_text(id)` in a statement is a function that its connection must have: whether a value is text in UTF-8. Where
//! SQL can't be given functions, and text can be nothing else, that is `typeof(id) = 'text'`.

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
