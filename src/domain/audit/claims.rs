//! Audits of revocations: a revocation that was only partly carried out is a finding.

use super::{Audit, Finding, FindingKind};
use crate::domain::books::{Books, ChargeEntry, GrantEntry};
use crate::domain::grant::Grant;
use crate::domain::renewal::WriteOff;
use crate::domain::revocation::{Claim, Claims, Held, State};
use crate::domain::table::TableName::Credit;

impl Audit<'_> {
    /// Reports claims that hold fewer credits than they could, and grants that are closed without a claim.
    pub(super) fn audit_claims(&self, found: &mut Vec<Finding>) {
        let is_claimed = |grant: &GrantEntry| matches!(grant.state, State::Closed(_));
        let books = self.books;
        if !books.charges.iter().any(|charge| charge.claim.is_some())
            && !books.grants.iter().any(is_claimed)
        {
            return;
        }
        let claims = claims_of(books);
        for (claim, grant) in claims.unmet() {
            let (id, of) = (&claim.id, &grant.grant.id);
            let message = match claims.owed(claim) {
                0 => format!("revocation {id} claims all of grant {of}, which is not withdrawn"),
                owed => format!(
                    "revocation {id} is owed {owed} credits more, but grant {of} is not withdrawn"
                ),
            };
            let rows = vec![(Credit, id.clone()), (Credit, of.clone())];
            let numbers = vec![("claimed", claim.terms.total)];
            found.push(self.finding(FindingKind::RevocationDiffers, rows, numbers, message));
        }
        for grant in books.grants.iter().filter(|grant| is_claimed(grant)) {
            if !claims.claims.iter().any(|claim| claim.stands && claim.names(&grant.id)) {
                let message =
                    format!("grant {} was withdrawn, but no revocation refers to it", grant.id);
                let rows = vec![(Credit, grant.id.clone())];
                let numbers = vec![("remaining", grant.remaining)];
                found.push(self.finding(FindingKind::RevocationDiffers, rows, numbers, message));
            }
        }
    }
}

fn claims_of(books: &Books) -> Claims {
    let claim = |charge: &ChargeEntry| {
        Some(Claim {
            id: charge.id.clone(),
            transaction_no: String::new(),
            user_id: books.user_id.clone(),
            terms: charge.claim.clone()?,
            stands: charge.active,
            draws: charge.readable_draws().to_vec(),
            detail: None,
            metadata: None,
        })
    };
    let mut grants: Vec<Held> =
        books.grants.iter().map(|grant| held(grant, &books.user_id)).collect();
    for charge in books.active_charges() {
        if let Some(anew) = charge.written_off.clone() {
            WriteOff { draws: charge.readable_draws().to_vec(), anew }.tell(&mut grants);
        }
    }
    Claims { grants, claims: books.charges.iter().filter_map(claim).collect() }
}

fn held(grant: &GrantEntry, user_id: &str) -> Held {
    Held {
        grant: Grant {
            id: grant.id.clone(),
            transaction_no: String::new(),
            credits: grant.credits,
            remaining: grant.remaining,
            expires_at_ms: grant.times.expires_at_ms,
            active: grant.active,
            provenance: None,
        },
        user_id: user_id.to_owned(),
        state: grant.state.clone(),
        metadata: None,
        order_no: None,
        subscription_no: None,
        created_at_ms: grant.times.created_at_ms,
        made_of: Vec::new(),
        has_deleted_at: true,
        moved: 0,
        written_off: 0,
    }
}
