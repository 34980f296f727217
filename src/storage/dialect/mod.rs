//! The SQL of SQLite, PostgreSQL and MySQL: statements, encoding of values, decoding of rows, and reading the
//! schema.
//!
//! A statement is text and values, a row is values. Stores send and receive them: no file here depends on a
//! driver.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod entries;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod facts;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod fit;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod groups;
#[cfg(any(feature = "libsql", feature = "sqlite", feature = "postgres"))]
mod inline;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub mod pipeline;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub mod privileges;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub mod row;
#[cfg(any(feature = "libsql", feature = "sqlite"))]
pub mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub mod times;

use std::borrow::Cow;

/// A statement: its text, and a value for each placeholder.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement<'s, V> {
    /// The SQL.
    pub text: Cow<'s, str>,
    /// The values, in the order of the placeholders.
    pub values: Vec<V>,
}

impl<'s, V> Statement<'s, V> {
    /// Creates a statement with values.
    pub fn new(text: impl Into<Cow<'s, str>>, values: impl Into<Vec<V>>) -> Self {
        Self { text: text.into(), values: values.into() }
    }
}
