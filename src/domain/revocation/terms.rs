//! The terms of a revocation, as its row's metadata records them.

use serde_json::{Value as Json, json};

/// The terms of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The `id`s of the grants.
    pub grants: Vec<String>,
    /// How many of their credits are to be withdrawn in total.
    pub total: i64,
    /// Whether spent credits are drawn from other grants.
    pub recovers: bool,
}

impl Terms {
    /// As JSON for the metadata.
    pub fn as_json(&self) -> Json {
        json!({ "total": self.total, "grants": self.grants, "recovers": self.recovers })
    }

    /// Parses the JSON of the metadata.
    pub fn read(written: &Json) -> Option<Self> {
        let id = |id: &Json| id.as_str().map(str::to_owned);
        Some(Self {
            grants: written.get("grants")?.as_array()?.iter().map(id).collect::<Option<_>>()?,
            total: written.get("total")?.as_i64()?,
            recovers: written.get("recovers")?.as_bool()?,
        })
    }
}
