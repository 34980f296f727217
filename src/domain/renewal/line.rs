//! Consecutive periods of subscriptions, and which credits each period carries over.
//!
//! The result depends on the set of periods, not on the order in which their calls arrive. A period carries
//! over the remaining credits of its line's grants that end before it does. So a later period carries
//! everything that an earlier one does; credits above the limit are written off, oldest grant first, and what
//! one period wrote off would not have been kept by another. This holds if the periods have the same grace
//! time: if an earlier period arrives late, a later one may already have written off older grants that it
//! would have carried.

use std::collections::HashMap;

use super::period::Period;
use crate::domain::metadata;
use crate::domain::regrant::granted_anew;
use crate::domain::revocation::{Held, State};

/// A new period.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'f> {
    /// The call's idempotency key.
    pub(super) number: &'f str,
    /// The subscription.
    pub(super) subscription: &'f str,
    /// The period's terms.
    pub(super) period: &'f Period,
    /// The credits that are granted for it.
    pub(super) credits: i64,
}

/// The state of a grant while a renewal is computed.
#[derive(Debug)]
pub(super) struct Lived<'f> {
    /// The grant's row; `None` for the new grant.
    pub(super) held: Option<&'f Held>,
    number: &'f str,
    subscription: &'f str,
    /// Its expiry without renewals.
    pub(super) end_ms: i64,
    /// Its expiry after the renewal.
    pub(super) until_ms: i64,
    pub(super) remaining: i64,
    /// The credits that were granted again in other grants. They are written off if this grant is carried
    /// over.
    anew: i64,
    /// Those of these credits that are written off.
    pub(super) left_behind: i64,
    /// Whether claims closed it. It is still carried over, for the case that the claims end, but nothing is
    /// written off.
    is_closed: bool,
    /// Whether the new period, or a later one, carries it over.
    pub(super) is_carried: bool,
}

impl<'f> Lived<'f> {
    /// A grant that can be carried over; `None` if it never expires or the app has withdrawn it.
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

    /// The expiry in its row.
    fn expires_at_ms(&self) -> i64 {
        self.held.and_then(|held| held.grant.expires_at_ms).unwrap_or(self.end_ms)
    }

    /// The change of its spendable credits.
    pub(super) fn moved(&self, now_ms: i64) -> i64 {
        let spendable = |is_so: bool, remaining: i64| if is_so { remaining.max(0) } else { 0 };
        let lives = self.until_ms > now_ms;
        let Some(held) = self.held else { return spendable(lives, self.remaining) };
        // A grant that gets another end is active then.
        let revives = held.state == State::Open && held.grant.expires_at_ms != Some(self.until_ms);
        let before = spendable(held.grant.is_spendable(now_ms), held.grant.remaining);
        spendable(lives && (held.grant.active || revives), self.remaining) - before
    }

    /// The credits that a period can carry over.
    fn left(&self) -> i64 {
        if self.is_closed { 0 } else { self.remaining.saturating_sub(self.anew).max(0) }
    }
}

/// A period, whatever the state of its grant.
struct Carrier<'f> {
    number: &'f str,
    subscription: &'f str,
    period: Period,
    /// When the period was recorded; or a later period of the subscription, if that was recorded first.
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

/// The user's subscription grants after the renewal, in order of expiry.
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

/// All periods, in order of their ends.
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

/// Applies a period to the grants that it carries over. For periods that end before the new one, credits
/// above the limit were written off before.
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

/// Subscriptions that replace one another, grouped into lines.
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

/// A line's representative: the `subscription_no` of one of its subscriptions.
fn line<'f>(lines: &HashMap<&'f str, &'f str>, subscription: &'f str) -> &'f str {
    lines.get(subscription).copied().unwrap_or(subscription)
}
