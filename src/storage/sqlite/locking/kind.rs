//! Which locks this process takes.

/// Whose locks this process takes, for diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// Open file description locks: safe beside another copy of SQLite in this process.
    OpenFileDescription,
    /// The system's own way.
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
