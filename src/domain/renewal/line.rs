//! Periods of subscriptions that follow each other, and what lives on of each.
//!
//! What is decided depends on which periods there are, not on the order in which they came. A period lets live on what is
//! left of those of its line that end before it does. So a later one carries all that an earlier one does, and what is too
//! much is taken from the oldest: what one of them wrote off, the other would not have kept. That is so as long as both
//! reach back equally far: one that carries older grants than an earlier one does may have written these off when that one
//! comes late.

use std::collections::HashMap;

use super::period::Period;
use crate::domain::metadata;
use crate::domain::regrant::granted_anew;
use crate::domain::revocation::{Held, State};

/// A period that is new.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'f> {
    /// The key of its call.
    pub(super) number: &'f str,
    /// Its subscription.
    pub(super) subscription: &'f str,
    /// What is said of it.
    pub(super) period: &'f Period,
    /// What is granted for it.
    pub(super) credits: i64,
}

/// A grant on its way through a renewal.
#[derive(Debug)]
pub(super) struct Lived<'f> {
    /// Its row; the new one has none yet.
    pub(super) held: Option<&'f Held>,
    number: &'f str,
    subscription: &'f str,
    /// When it ends by itself.
    pub(super) end_ms: i64,
    /// When it ends now.
    pub(super) until_ms: i64,
    pub(super) remaining: i64,
    /// What of that other grants have, which stays behind if it lives on.
    anew: i64,
    /// What has stayed behind.
    pub(super) left_behind: i64,
    /// Whether claims have withdrawn it: it lives on, should they end, and nothing else becomes of it.
    is_closed: bool,
    /// Whether the new period, or a later one, lets it live on.
    pub(super) is_carried: bool,
}

impl<'f> Lived<'f> {
    /// A grant that may live on: not one that never ends, or was withdrawn by the app.
    fn of(held: &'f Held, others: &[Held]) -> Option<Self> {
        let is_closed = matches!(held.state, State::Closed(_));
        let may_live = is_closed || held.state == State::Open;
        let expires_at_ms = held.grant.expires_at_ms.filter(|_| may_live)?;
        let metadata = held.metadata.as_deref();
        let own_ms = metadata::own_end(metadata)
            .or_else(|| metadata::period(metadata).map(|period| period.end_ms));
        let end_ms = own_ms.unwrap_or(expires_at_ms);
        Some(Self {
            held: Some(held),
            number: &held.grant.transaction_no,
            subscription: held.subscription_no.as_deref()?,
            end_ms,
            until_ms: end_ms.min(expires_at_ms),
            remaining: held.grant.remaining,
            anew: granted_anew(held, others),
            left_behind: 0,
            is_closed,
            is_carried: false,
        })
    }

    fn new(new: New<'f>) -> Self {
        let end_ms = new.period.end_ms;
        Self {
            held: None,
            number: new.number,
            subscription: new.subscription,
            end_ms,
            until_ms: end_ms,
            remaining: new.credits,
            anew: 0,
            left_behind: 0,
            is_closed: false,
            is_carried: false,
        }
    }

    /// When its row says that it ends.
    fn expires_at_ms(&self) -> i64 {
        self.held.and_then(|held| held.grant.expires_at_ms).unwrap_or(self.end_ms)
    }

    /// What of it a period may let live on.
    fn left(&self) -> i64 {
        if self.is_closed { 0 } else { self.remaining.saturating_sub(self.anew).max(0) }
    }
}

/// A period, whatever has become of its grant.
struct Carrier<'f> {
    number: &'f str,
    subscription: &'f str,
    period: Period,
    /// When it came; when a later one of the subscription did, if that was before.
    came_ms: i64,
}

impl<'f> Carrier<'f> {
    fn of(held: &'f Held, now_ms: i64) -> Option<Self> {
        Some(Self {
            number: &held.grant.transaction_no,
            subscription: held.subscription_no.as_deref()?,
            period: metadata::period(held.metadata.as_deref())?,
            came_ms: held.created_at_ms.unwrap_or(now_ms),
        })
    }
}

/// The grants of a user's subscriptions, older ones first, as they are after a renewal.
pub(super) fn carried<'f>(new: New<'f>, held: &'f [Held], now_ms: i64) -> Vec<Lived<'f>> {
    let mut grants: Vec<Lived<'_>> = held.iter().filter_map(|one| Lived::of(one, held)).collect();
    grants.push(Lived::new(new));
    grants.sort_by_key(|lived| (lived.end_ms, lived.number));
    let carriers = carriers(new, held, now_ms);
    let mut lines = Lines::default();
    for of_one_end in carriers.chunk_by(|one, other| one.period.end_ms == other.period.end_ms) {
        for carrier in of_one_end {
            lines.join(carrier.subscription, carrier.period.replaces.as_deref());
        }
        for carrier in of_one_end {
            carry(&mut grants, carrier, &lines, new.period.end_ms);
        }
    }
    for lived in &mut grants {
        lived.until_ms = lived.until_ms.max(lived.expires_at_ms());
    }
    grants
}

/// All periods, in the order of their ends.
fn carriers<'f>(new: New<'f>, held: &'f [Held], now_ms: i64) -> Vec<Carrier<'f>> {
    let New { number, subscription, period, .. } = new;
    let new = Carrier { number, subscription, period: period.clone(), came_ms: now_ms };
    let made = held.iter().filter_map(|held| Carrier::of(held, now_ms));
    let mut all: Vec<Carrier<'_>> = made.chain([new]).collect();
    all.sort_by_key(|carrier| (carrier.period.end_ms, carrier.number));
    let mut came: HashMap<&str, i64> = HashMap::new();
    for carrier in all.iter_mut().rev() {
        let first_ms = came.entry(carrier.subscription).or_insert(carrier.came_ms);
        *first_ms = carrier.came_ms.min(*first_ms);
        carrier.came_ms = *first_ms;
    }
    all
}

/// Lets live on what a period carries. What is too much of it is known already of one that ends before the new one does.
fn carry(grants: &mut [Lived<'_>], carrier: &Carrier<'_>, lines: &Lines<'_>, new_end_ms: i64) {
    let Period { end_ms, rollover: Some(rollover), .. } = carrier.period else { return };
    let is_past = end_ms < new_end_ms;
    let since_ms = carrier.came_ms.saturating_sub(rollover.grace_ms);
    let mut carried: Vec<&mut Lived<'_>> = grants
        .iter_mut()
        .filter(|lived| lived.end_ms < end_ms && lived.until_ms >= since_ms)
        .filter(|lived| lived.number != carrier.number)
        .filter(|lived| lines.are_one(lived.subscription, carrier.subscription))
        .collect();
    for lived in &mut carried {
        let lives_to_ms = if is_past { lived.expires_at_ms().min(end_ms) } else { end_ms };
        lived.until_ms = lived.until_ms.max(lives_to_ms);
        lived.is_carried |= !is_past && !lived.is_closed;
        if !is_past && !lived.is_closed && end_ms > lived.expires_at_ms() {
            let behind = std::mem::take(&mut lived.anew);
            lived.remaining -= behind;
            lived.left_behind += behind;
        }
    }
    if is_past {
        return;
    }
    let left = carried.iter().fold(0, |sum: i64, lived| sum.saturating_add(lived.left()));
    let mut excess = left.saturating_sub(rollover.at_most).max(0);
    for lived in carried {
        let off = excess.min(lived.left());
        lived.remaining -= off;
        excess -= off;
    }
}

/// Subscriptions that replace each other.
#[derive(Default)]
struct Lines<'f>(HashMap<&'f str, &'f str>);

impl<'f> Lines<'f> {
    fn join(&mut self, subscription: &'f str, replaced: Option<&'f str>) {
        let Some(replaced) = replaced else { return };
        let (one, other) = (line(&self.0, subscription), line(&self.0, replaced));
        self.0.entry(subscription).or_insert(one);
        self.0.entry(replaced).or_insert(other);
        self.0.values_mut().filter(|line| **line == other).for_each(|line| *line = one);
    }

    fn are_one(&self, one: &str, other: &str) -> bool {
        line(&self.0, one) == line(&self.0, other)
    }
}

/// The line of a subscription: one of them has its name.
fn line<'f>(lines: &HashMap<&'f str, &'f str>, subscription: &'f str) -> &'f str {
    lines.get(subscription).copied().unwrap_or(subscription)
}
