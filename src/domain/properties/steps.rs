//! Random requests, for the in-memory ledger.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::domain::options::RefundPolicy;
use crate::domain::table::TaskKind::{self, Ai, Media};

/// A request of the app, or the passing of time. Tasks and charges are picked from the existing ones.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Grant {
        user: usize,
        credits: i64,
        days: Option<i64>,
        scene: &'static str,
    },
    Consume {
        user: usize,
        credits: i64,
    },
    /// A task with a charge of its own or an earlier one.
    Create {
        kind: TaskKind,
        id: usize,
        user: usize,
        cost: i64,
        names: Option<Index>,
    },
    Update {
        task: Index,
        status: Option<&'static str>,
        names: Names,
        policy: RefundPolicy,
    },
    Further {
        task: Index,
        credits: i64,
        status: Option<&'static str>,
    },
    Settle {
        task: Index,
        credits: i64,
        /// Whether a higher cost is drawn in addition.
        over: bool,
        policy: RefundPolicy,
    },
    Refund {
        charge: Index,
        credits: Option<i64>,
        policy: RefundPolicy,
    },
    /// The app itself marks a grant as expired, or withdraws it.
    End {
        grant: Index,
        status: &'static str,
    },
    Wait {
        days: i64,
    },
}

/// The `creditId` in a patch.
#[derive(Debug, Clone)]
pub(super) enum Names {
    Nothing,
    Null,
    Charge(Index),
}

/// Mostly valid steps, so that many rows interact.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let user = || prop_oneof![10 => Just(0_usize), 10 => Just(1), 1 => Just(2)];
    let pick = any::<Index>;
    let kind = select(vec![Media, Ai]);
    let status =
        || select(vec!["processing", "failed", "failed", "completed", "success", "canceled"]);
    let names = prop_oneof![
        5 => Just(Names::Nothing),
        1 => Just(Names::Null),
        2 => pick().prop_map(Names::Charge),
    ];
    let policy = || select(vec![RefundPolicy::Source, RefundPolicy::RegrantDays(3)]);
    let granted = prop_oneof![8 => 1..80_i64, 1 => Just(i64::from(i32::MAX))];
    let scene = select(vec!["payment", "gift"]);
    let end = select(vec!["expired", "deleted", "revoked"]);
    let credits = || prop_oneof![20 => 0..30_i64, 1 => Just(i64::from(i32::MAX))];
    prop_oneof![
        8 => (user(), granted, prop::option::of(-1..9_i64), scene)
            .prop_map(|(user, credits, days, scene)| Step::Grant { user, credits, days, scene }),
        4 => (user(), 1..30_i64).prop_map(|(user, credits)| Step::Consume { user, credits }),
        8 => (kind, 0..20_usize, user(), credits(), prop::option::weighted(0.2, pick()))
            .prop_map(|(kind, id, user, cost, names)| Step::Create { kind, id, user, cost, names }),
        8 => (pick(), prop::option::weighted(0.7, status()), names, policy())
            .prop_map(|(task, status, names, policy)| Step::Update { task, status, names, policy }),
        5 => (pick(), credits(), prop::option::of(status()))
            .prop_map(|(task, credits, status)| Step::Further { task, credits, status }),
        6 => (pick(), credits(), any::<bool>(), policy())
            .prop_map(|(task, credits, over, policy)| Step::Settle { task, credits, over, policy }),
        5 => (pick(), prop::option::of(1..30_i64), policy())
            .prop_map(|(charge, credits, policy)| Step::Refund { charge, credits, policy }),
        2 => (pick(), end).prop_map(|(grant, status)| Step::End { grant, status }),
        4 => (0..3_i64).prop_map(|days| Step::Wait { days }),
    ]
}
