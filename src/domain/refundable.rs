//! The refundable part of a charge, and the facts that a refund needs.

use std::collections::{HashMap, HashSet};

use super::charge::Charge;
use super::detail::WrittenDraw;
use super::grant::Grant;
use super::options::RefundPolicy;
use super::plan::NewIds;
use super::value::Fields;
use crate::error::Result;

/// A charge whose draws are to be refunded, all or some of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Refundable {
    /// The charge's `id`.
    pub charge_id: String,
    /// The user's id.
    pub user_id: String,
    /// The draws to return, in this order.
    pub draws: Vec<WrittenDraw>,
    /// The grants of these draws that the user still has. They are loaded after the draws are known.
    pub grants: Vec<Grant>,
    /// The rows listed by [`Self::to_regrant`], by their ids. They are loaded after the grants are known.
    pub origins: HashMap<String, Origin>,
}

impl Refundable {
    /// Some draws of a charge. Grants are not loaded yet.
    pub(super) fn new(charge: &Charge, draws: Vec<WrittenDraw>) -> Self {
        let (charge_id, user_id) = (charge.id.clone(), charge.user_id.clone());
        Self { charge_id, user_id, draws, grants: Vec::new(), origins: HashMap::new() }
    }

    /// The refundable part of a charge: `None` if it was refunded before.
    pub fn of(charge: &Charge) -> Result<Option<Self>> {
        if !charge.active {
            return Ok(None);
        }
        Ok(Some(Self::new(charge, charge.draws()?)))
    }

    /// The `id`s of the rows that may have to be replaced by new grants, in the order of the draws: grants
    /// that can't be spent, and the charge itself in place of grants that no longer exist.
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

/// The row that a new grant is modelled on: the grant that can't be spent, or the charge if the grant no
/// longer exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Whether it is a withdrawn grant. Credits returned to one stay there.
    pub withdrawn: bool,
    /// The columns that a new grant copies: scene, order, subscription and the app's own columns.
    pub kept: Fields,
    /// The keys of the new grant, if one is made.
    pub ids: NewIds,
}
