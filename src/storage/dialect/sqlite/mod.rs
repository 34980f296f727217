//! SQLite's SQL, for files and for other connections.
//!
//! `is_text(id)` in a statement is a function that the connection must provide: whether a value is text in
//! UTF-8. Where functions can't be registered and text is always UTF-8, it becomes `typeof(id) = 'text'`.

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

/// An SQL statement for SQLite.
pub type Statement<'s> = super::Statement<'s, cell::Cell<'s>>;

impl Statement<'_> {
    /// The same statement, without borrowed data.
    pub fn to_owned(&self) -> Statement<'static> {
        let values = self.values.iter().map(|value| value.clone().into_owned());
        Statement::new(self.text.as_ref().to_owned(), values.collect::<Vec<_>>())
    }
}
