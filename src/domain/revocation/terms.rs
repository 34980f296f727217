//! The terms of a revocation, as the metadata of its row records them.

use serde_json::{Value as Json, json};

/// What a call claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The grants, by their ids.
    pub grants: Vec<String>,
    /// How many of their credits are to be withdrawn in all.
    pub total: i64,
    /// Whether what was spent already is taken from other grants.
    pub recovers: bool,
}

impl Terms {
    /// As they stand in metadata.
    pub fn as_json(&self) -> Json {
        json!({ "total": self.total, "grants": self.grants, "recovers": self.recovers })
    }

    /// Reads them.
    pub fn read(written: &Json) -> Option<Self> {
        let id = |id: &Json| id.as_str().map(str::to_owned);
        Some(Self {
            grants: written.get("grants")?.as_array()?.iter().map(id).collect::<Option<_>>()?,
            total: written.get("total")?.as_i64()?,
            recovers: written.get("recovers")?.as_bool()?,
        })
    }
}
