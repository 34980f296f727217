//! What of a charge can be refunded, and the facts that a refund needs.

use std::collections::{HashMap, HashSet};

use super::charge::Charge;
use super::detail::WrittenDraw;
use super::grant::Grant;
use super::options::RefundPolicy;
use super::plan::NewIds;
use super::value::Fields;
use crate::error::Result;

/// A charge whose draws, or some of them, are to go back.
#[derive(Debug, Clone, PartialEq)]
pub struct Refundable {
    /// The charge's `id`.
    pub charge_id: String,
    /// Whose credits it took.
    pub user_id: String,
    /// What is to go back, in this order.
    pub draws: Vec<WrittenDraw>,
    /// The grants of these draws that the user still has. They are loaded when the draws are known.
    pub grants: Vec<Grant>,
    /// The rows that [`Self::to_regrant`] asks for, by their ids. They are loaded when the grants are known.
    pub origins: HashMap<String, Origin>,
}

impl Refundable {
    /// Some draws of a charge. Its grants are not loaded.
    pub(super) fn new(charge: &Charge, draws: Vec<WrittenDraw>) -> Self {
        let (charge_id, user_id) = (charge.id.clone(), charge.user_id.clone());
        Self { charge_id, user_id, draws, grants: Vec::new(), origins: HashMap::new() }
    }

    /// What there is to refund of a charge: nothing if it was refunded already.
    pub fn of(charge: &Charge) -> Result<Option<Self>> {
        if !charge.active {
            return Ok(None);
        }
        Ok(Some(Self::new(charge, charge.draws()?)))
    }

    /// The rows of which new grants may have to be made, in the order of the draws: grants that can't be spent
    /// any more, and the charge if a grant is gone.
    pub fn to_regrant(&self, policy: RefundPolicy, now_ms: i64) -> Vec<&str> {
        if policy == RefundPolicy::Source {
            return Vec::new();
        }
        let grants = self.grants.iter();
        let spendable: HashMap<&str, bool> =
            grants.map(|grant| (grant.id.as_str(), grant.is_spendable(now_ms))).collect();
        let mut seen = HashSet::new();
        let drawn = self.draws.iter().filter(|draw| draw.credits_consumed > 0);
        let origins = drawn.filter_map(|draw| match spendable.get(draw.credit_id.as_str()) {
            Some(true) => None,
            Some(false) => Some(draw.credit_id.as_str()),
            None => Some(self.charge_id.as_str()),
        });
        origins.filter(|id| seen.insert(*id)).collect()
    }
}

/// A row that credits go back to which can't be spent there: a grant, or in place of grants that are gone
/// the charge.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Whether it is a grant that was withdrawn: what goes back to it stays there.
    pub withdrawn: bool,
    /// What a new grant has of it: its scene, order and subscription, and columns of the app's own.
    pub kept: Fields,
    /// The names of the new grant, if one is made of it.
    pub ids: NewIds,
}
