//! The kind of locks that this process takes.

/// The kind of locks that this process takes, for diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// Open file description locks, which are safe beside another copy of SQLite in this process.
    OpenFileDescription,
    /// SQLite's default locks on this system.
    System,
}

impl Locking {
    /// The name in diagnostics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenFileDescription => "ofd",
            Self::System => "system",
        }
    }
}
