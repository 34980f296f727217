//! The length of a limit's window, as errors name it.

use std::fmt::{Display, Formatter, Result};

/// The length of a limit's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A unit of the calendar, such as `day`.
    Unit(&'static str),
    /// This many milliseconds.
    Ms(i64),
}

impl Display for Period {
    fn fmt(&self, text: &mut Formatter<'_>) -> Result {
        match self {
            Self::Unit(unit) => text.write_str(unit),
            Self::Ms(ms) => write!(text, "{ms} ms"),
        }
    }
}
