//! The options of a call, with what the connection sets for all calls.

use std::ops::{Deref, DerefMut};

use super::paying::{DrawOrder, Paying, Scenes};
use super::spending::Limits;
use super::value::Fields;
use crate::error::Result;

/// A call's options, for functions whose charges choose grants. They read like [`Fields`].
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The options as passed.
    pub passed: Fields,
    /// The passed spending limits. In `passed` they are null.
    pub limits: Limits,
    /// The connection's draw order.
    pub draw_order: DrawOrder,
}

impl CallOptions {
    /// Which grants may pay, and in which order.
    pub fn paying(&self) -> Result<Paying> {
        Ok(Paying { scenes: Scenes::parse(&self.passed)?, order: self.draw_order.clone() })
    }
}

impl From<Fields> for CallOptions {
    fn from(passed: Fields) -> Self {
        Self { passed, ..Self::default() }
    }
}

impl Deref for CallOptions {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.passed
    }
}

impl DerefMut for CallOptions {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.passed
    }
}
