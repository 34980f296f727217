//! What SQLite and PostgreSQL have in common with everything that speaks their SQL: the text of statements, how
//! values are bound, how rows become the domain's, and how the tables are read.
//!
//! A statement is text and values, a row is values. How they travel is a store's own: no file here may know a driver.

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::borrow::Cow;

/// A statement: its text, and a value for each place in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement<'s, V> {
    /// The SQL.
    pub text: Cow<'s, str>,
    /// The values, in the order of their places.
    pub values: Vec<V>,
}

impl<'s, V> Statement<'s, V> {
    /// A statement with its values.
    pub fn new(text: impl Into<Cow<'s, str>>, values: impl Into<Vec<V>>) -> Self {
        Self { text: text.into(), values: values.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The files of a folder and of the folders in it.
    fn sources(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| match path.is_dir() {
            true => sources(&path),
            false => vec![(path.display().to_string(), fs::read_to_string(&path).unwrap())],
        };
        entries.flat_map(read).collect()
    }

    #[test]
    fn no_dialect_knows_a_driver() {
        const DRIVERS: [&str; 6] = [
            concat!("rusq", "lite"),
            concat!("tokio", "_postgres"),
            concat!("postgres", "_types"),
            concat!("dead", "pool"),
            concat!("storage::", "sqlite"),
            concat!("storage::", "postgres"),
        ];
        let sources =
            sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/dialect")));
        assert!(sources.iter().any(|(file, _)| file.ends_with("cell.rs")));
        for (file, text) in sources {
            let known: Vec<_> = DRIVERS.iter().filter(|driver| text.contains(**driver)).collect();
            assert!(known.is_empty(), "{file} knows {known:?}");
        }
    }
}
