//! Random steps: mostly valid ones, so that many effects combine, and some that an app should not try.

use media_credits::domain::credits::Credits;
use media_credits::domain::expiring::ExpiringQuery;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::paying::Paying;
use media_credits::domain::statement::Query;
use media_credits::domain::table::TableName::{self, Credit, Tasks, User};
use media_credits::domain::table::TaskKind::{self, Ai, Media};
use media_credits::domain::top_up::State;
use media_credits::domain::value::Value;
use media_credits::engine::{Read, UserRead};
use media_credits::storage::books::UserRange;
use media_credits::storage::{Filter, Page, StuckFilter, Window};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::charging::{Choice, Key, New, Spend, Task};
use super::steps::{Changed, Guard, Names, Paid, Request, Settled, Step, USERS};

const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn user() -> impl Strategy<Value = &'static str> {
    prop_oneof![10 => Just(USERS[0]), 6 => Just(USERS[1]), 1 => Just(USERS[2])]
}

fn kind() -> impl Strategy<Value = TaskKind> {
    prop_oneof![2 => Just(Media), 1 => Just(Ai)]
}

/// Few keys, so that some are taken.
fn task() -> impl Strategy<Value = Task> {
    (kind(), 0..8_usize).prop_map(|(kind, number)| Task { kind, number })
}

fn changed() -> impl Strategy<Value = Changed> {
    option::weighted(0.95, any::<Index>())
}

fn status() -> impl Strategy<Value = &'static str> {
    let both = ["pending", "processing", "failed", "failed", "failed"];
    select([&both[..], &["translating", "extracted", "completed", "success", "canceled"]].concat())
}

fn credits() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..30_i64, 4 => 30..90_i64, 1 => Just(Credits::MAX), 1 => Just(-1_i64)]
}

fn number() -> impl Strategy<Value = Option<usize>> {
    option::weighted(0.5, 0..9_usize)
}

fn key() -> impl Strategy<Value = Key> {
    (number(), prop::bool::weighted(0.7)).prop_map(|(number, replay)| Key { number, replay })
}

fn policy() -> impl Strategy<Value = RefundPolicy> {
    select(vec![RefundPolicy::Source, RefundPolicy::RegrantDays(3)])
}

fn choice() -> impl Strategy<Value = Option<Choice>> {
    option::weighted(0.3, select(Choice::ALL.to_vec())).boxed()
}

fn spend() -> impl Strategy<Value = Vec<Spend>> {
    let per = select(vec![
        Value::Text("day".to_owned()),
        Value::Text("week".to_owned()),
        Value::Integer(2 * SECOND_MS),
        Value::Integer(2 * DAY_MS),
    ]);
    let limit =
        (0..60_i64, per, choice()).prop_map(|(credits, per, scene)| Spend { credits, per, scene });
    prop_oneof![3 => Just(Vec::new()), 2 => vec(limit, 1..3)].boxed()
}

fn paying() -> impl Strategy<Value = Paying> {
    choice().prop_map(|choice| choice.map(Choice::paying).unwrap_or_default()).boxed()
}

fn guard() -> impl Strategy<Value = Guard> {
    (option::weighted(0.15, status()), option::weighted(0.15, -1..3_i64)).prop_map(
        |(status, seconds)| Guard {
            status,
            updated_before_ms: seconds.map(|seconds| seconds * SECOND_MS),
        },
    )
}

fn new() -> impl Strategy<Value = New> {
    let pays = option::weighted(0.15, any::<Index>());
    let limits = (option::weighted(0.3, 0..4_i64), option::weighted(0.3, 0..4_i64));
    let status = prop_oneof![6 => Just("pending"), 1 => status()];
    let task = (task(), user(), credits(), pays, status, any::<bool>(), limits);
    let task = task.prop_map(|(task, user, cost, pays, status, replay, (max_active, trials))| {
        New::Task { task, user, cost, pays, status, replay, max_active, trials }
    });
    let held_ms = option::weighted(0.4, (0..48_i64).prop_map(|hours| hours * HOUR_MS));
    let consume = (user(), credits(), held_ms, key(), choice(), spend());
    let consume = consume.prop_map(|(user, credits, held_ms, key, choice, spend)| New::Consume {
        user,
        credits,
        held_ms,
        key,
        choice,
        spend,
    });
    prop_oneof![2 => task, 1 => consume].boxed()
}

fn page() -> impl Strategy<Value = Page> {
    (1..4_i64, 1..5_i64).prop_map(|(page, limit)| Page::whole(page, limit))
}

fn filter() -> impl Strategy<Value = Filter> {
    let of = |table: TableName, column: &'static str, value: &'static str| {
        (Just(table), user(), any::<bool>()).prop_map(move |(table, user, narrow)| {
            let narrower = narrow.then(|| (column, value.to_owned()));
            let equal = [("user_id", user.to_owned())].into_iter().chain(narrower).collect();
            Filter { table, equal }
        })
    };
    prop_oneof![
        of(Credit, "transaction_type", "grant"),
        of(Credit, "status", "deleted"),
        of(Tasks(Ai), "status", "pending"),
        of(Tasks(Media), "status", "failed"),
    ]
}

fn stuck() -> impl Strategy<Value = StuckFilter> {
    (kind(), 0..3 * DAY_MS, 1..4_u32, 0..2_u32).prop_map(|(kind, older_than_ms, limit, skip)| {
        let statuses = kind.statuses_at_risk().iter().map(|status| (*status).to_owned()).collect();
        StuckFilter { kind, statuses, older_than_ms, limit, skip }
    })
}

fn expiring() -> impl Strategy<Value = ExpiringQuery> {
    let after = option::weighted(0.3, user().prop_map(str::to_owned));
    (1..5 * DAY_MS, 1..60_i64, after, 1..3_u32)
        .prop_map(|(within_ms, at_least, after, limit)| ExpiringQuery {
            within_ms,
            at_least,
            after,
            limit,
        })
        .boxed()
}

fn query() -> impl Strategy<Value = Query> {
    (option::weighted(0.2, 0..9_i64), option::weighted(0.2, 0..9_i64), 1..8_usize).prop_map(
        |(from, to, limit)| {
            let time_ms = |days: Option<i64>| days.map(|days| super::START_MS + days * DAY_MS);
            Query { from_ms: time_ms(from), to_ms: time_ms(to), after: None, limit }
        },
    )
}

fn read() -> impl Strategy<Value = Read> {
    let user = || user().prop_map(str::to_owned);
    let statuses = || vec(status().prop_map(str::to_owned), 1..4);
    let amount = (1..90_i64)
        .prop_map(|credits| Credits::parse("credits", Some(&Value::Integer(credits))).unwrap());
    let row = prop_oneof![
        task().prop_map(|task| (Tasks(task.kind), task.id())),
        user().prop_map(|user| (User, user)),
        (0..6_usize).prop_map(|number| (Credit, format!("grant-{number}"))),
    ];
    let of_user = prop_oneof![
        statuses().prop_map(UserRead::HasActiveTask),
        statuses().prop_map(UserRead::ActiveTasks),
        page().prop_map(UserRead::TaskHistory),
        paying().prop_map(UserRead::BalanceTotal),
        paying().prop_map(UserRead::Balance),
        (amount, paying()).prop_map(|(credits, paying)| UserRead::Quote(credits, paying)),
        query().prop_map(UserRead::Statement),
    ];
    prop_oneof![
        1 => row.prop_map(|(table, id)| Read::Find(table, id)),
        7 => (user(), of_user).prop_map(|(user, read)| Read::OfUser(user, read)),
        1 => (filter(), page()).prop_map(|(filter, page)| Read::List(filter, page)),
        1 => (filter(), page()).prop_map(|(filter, page)| Read::ListWithUsers(filter, page)),
        1 => filter().prop_map(Read::Count),
        1 => task().prop_map(|task| Read::TaskCharges(task.kind, task.id())),
        1 => stuck().prop_map(Read::StuckTasks),
        1 => (1..4_i64, 0..2_i64).prop_map(|(limit, offset)| Read::EndedHolds(Window { limit, offset })),
        1 => (0..3 * DAY_MS, 1..4_usize).prop_map(|(ago_ms, limit)| Read::OpenTopUps(ago_ms, limit)),
        1 => expiring().prop_map(Read::Expiring),
        1 => user().prop_map(|user| Read::Audit(UserRange::User(user))),
        1 => (option::weighted(0.3, user()), 1..3_u32)
            .prop_map(|(after, users)| Read::Audit(UserRange::Next { after, users })),
        1 => Just(Read::Fixes(USERS.map(str::to_owned).to_vec())),
    ]
    .boxed()
}

fn grant() -> impl Strategy<Value = Request> {
    let granted = prop_oneof![8 => 1..90_i64, 1 => Just(Credits::MAX)];
    let days = prop_oneof![1 => -1..9_i64, 1 => 1..3_i64];
    let lives_ms = option::weighted(0.7, days.prop_map(|days| days * DAY_MS));
    let sold = (select(vec!["payment", "gift"]), option::weighted(0.3, 0..2_usize));
    (user(), granted, lives_ms, sold, key())
        .prop_map(|(user, credits, lives_ms, sold, key)| Request::Grant {
            user,
            credits,
            lives_ms,
            sold,
            key,
        })
        // Nested strategies take more of a thread's stack than it has.
        .boxed()
}

fn top_up() -> impl Strategy<Value = Request> {
    let end = select(vec![State::Confirmed, State::Confirmed, State::Abandoned]);
    let cooldown_ms = option::of((0..48_i64).prop_map(|hours| hours * HOUR_MS));
    prop_oneof![
        (user(), 1..40_i64, 0..4_usize, cooldown_ms, option::of(1..90_i64)).prop_map(
            |(user, credits, number, cooldown_ms, at_most)| Request::ClaimTopUp {
                user,
                credits,
                number,
                cooldown_ms,
                at_most,
            }
        ),
        (0..4_usize, end).prop_map(|(number, end)| Request::EndTopUp { number, end }),
    ]
    .boxed()
}

fn settle() -> impl Strategy<Value = Request> {
    let of = prop_oneof![
        2 => changed().prop_map(Settled::Task),
        1 => any::<Index>().prop_map(Settled::Charge),
    ];
    let over = select(vec!["refuse", "available"]);
    (of, credits(), over, policy())
        .prop_map(|(of, credits, over, policy)| Request::Settle { of, credits, over, policy })
        .boxed()
}

fn renew() -> impl Strategy<Value = Request> {
    let of = (0..2_usize, proptest::bool::weighted(0.3));
    (user(), 1..60_i64, -2..6_i64, 0..6_usize, of, option::weighted(0.7, 0..90_i64))
        .prop_map(|(user, credits, days, number, of, at_most)| Request::Renew {
            user,
            credits,
            ends_ms: days * DAY_MS,
            number,
            of,
            at_most,
        })
        .boxed()
}

fn paid() -> impl Strategy<Value = Paid> {
    prop_oneof![
        2 => (0..2_usize).prop_map(Paid::Order),
        1 => (0..2_usize).prop_map(Paid::Subscription),
        2 => any::<Index>().prop_map(Paid::Grant),
    ]
    .boxed()
}

fn revoke() -> impl Strategy<Value = Request> {
    let total = option::weighted(0.7, 0..90_i64);
    (paid(), total, 0..5_usize, any::<bool>())
        .prop_map(|(of, total, number, recovers)| Request::Revoke { of, total, number, recovers })
        .boxed()
}

fn request() -> impl Strategy<Value = Request> {
    let names = prop_oneof![
        5 => Just(Names::Nothing),
        1 => Just(Names::Null),
        2 => any::<Index>().prop_map(Names::Charge),
    ];
    let update =
        (changed(), option::weighted(0.8, status()), names, guard(), policy(), any::<bool>());
    let step_charge = (
        changed(),
        credits(),
        option::weighted(0.7, status()),
        number(),
        guard(),
        choice(),
        spend(),
    );
    let refund = (any::<Index>(), option::weighted(0.6, 1..30_i64), policy());
    prop_oneof![
        5 => grant(),
        10 => new().prop_map(Request::Charge),
        3 => vec(new(), 0..4).prop_map(Request::AtomicBatch),
        9 => update.prop_map(|(task, status, names, guard, policy, allow_refunded)| {
            Request::Update { task, status, names, guard, policy, allow_refunded }
        }),
        4 => step_charge.prop_map(|(task, credits, status, number, guard, choice, spend)| {
            Request::StepCharge { task, credits, status, number, guard, choice, spend }
        }),
        5 => settle(),
        3 => top_up(),
        1 => any::<Index>().prop_map(|charge| Request::Keep { charge }),
        3 => (any::<Index>(), policy()).prop_map(|(charge, policy)| Request::Release { charge, policy }),
        6 => refund.prop_map(|(charge, credits, policy)| {
            Request::Refund { charge, credits, policy }
        }),
        3 => renew(),
        1 => (any::<Index>(), option::weighted(0.8, -1..5_i64)).prop_map(|(grant, days)| {
            Request::Extend { grant, lives_ms: days.map(|days| days * DAY_MS) }
        }),
        4 => revoke(),
        2 => (0..5_usize, option::of(paid()))
            .prop_map(|(number, of)| Request::Restore { number, of }),
        9 => read().prop_map(Request::Read),
        1 => Just(Request::Repair),
    ]
}

/// Some grants, and the steps after them.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let grants = vec(grant().prop_map(Step::Ask), 2..6);
    (grants, vec(step(), 1..60)).prop_map(|(grants, steps)| [grants, steps].concat())
}

fn step() -> impl Strategy<Value = Step> {
    let wait_ms = prop_oneof![
        1 => (0..3_i64).prop_map(|seconds| seconds * SECOND_MS),
        2 => (1..4_i64).prop_map(|days| days * DAY_MS),
    ];
    let end = select(vec!["expired", "deleted", "revoked"]);
    prop_oneof![
        24 => request().prop_map(Step::Ask),
        3 => vec(new(), 2..7).prop_map(Step::ChargeEach),
        2 => (any::<Index>(), end).prop_map(|(grant, status)| Step::End { grant, status }),
        1 => any::<Index>().prop_map(|task| Step::FailAndRepair { task }),
        4 => wait_ms.prop_map(|ms| Step::Wait { ms }),
    ]
}
