use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::domain::paying::Paying;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::books::UserRange;
use crate::storage::{Filter, Page};

const CAPACITY: usize = 100;

fn balance(user: &str) -> Read {
    Read::OfUser(user.to_owned(), UserRead::BalanceTotal(Paying::default()))
}

fn list(user: &str) -> Read {
    let equal = vec![("status", "x".to_owned()), ("user_id", user.to_owned())];
    Read::List(Filter { table: TableName::Credit, equal }, Page::whole(1, 30))
}

fn charges(task: &str) -> Read {
    Read::TaskCharges(TaskKind::Media, task.to_owned())
}

fn audit() -> Read {
    Read::Audit(UserRange::Next { after: None, users: 100 })
}

fn queue(lane: Lane, questions: Vec<Read>) -> LaneQueue {
    let reads = Arc::new(Reads::new(CAPACITY));
    for question in questions {
        reads.push(question, ReplySender::new(|_| {}));
    }
    LaneQueue { reads, lane }
}

fn requests(commands: Vec<Command>) -> Vec<Request> {
    let request = |command| match command {
        Command::Run(request) => Some(*request),
        _ => None,
    };
    commands.into_iter().filter_map(request).collect()
}

fn next(queue: &LaneQueue, most: usize) -> Vec<Request> {
    requests(queue.next(&mut queue.reads.lock(), most, true))
}

fn groups(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(group_of).collect()
}

#[test]
fn users_take_turns_in_each_lane() {
    let asked = || {
        let mine = ["u", "u", "u", "v", "u", "w"];
        let all = mine.into_iter().flat_map(|user| [balance(user), list(user)]);
        all.chain([charges("t"), audit()]).collect::<Vec<_>>()
    };
    let rows: [(Lane, &[&str]); 3] = [
        // the lane; the users in the order in which their reads are taken
        (Lane::Points, &["u", "v", "w", "u", "u", "u"]),
        (Lane::Pages, &["u", "v", "w", "", "u", "u", "u"]),
        (Lane::Long, &[""]),
    ];
    for (lane, expected) in rows {
        let all = queue(lane, asked());
        assert_eq!(groups(&next(&all, CAPACITY)), expected, "{lane:?}");
        assert_eq!(groups(&next(&all, CAPACITY)), [""; 0], "{lane:?}");
        // Requeued reads come first.
        let some = queue(lane, asked());
        let taken = next(&some, 2);
        assert!(some.left_over(taken).is_empty());
        assert_eq!(groups(&next(&some, CAPACITY)), expected, "{lane:?}");
    }
}

/// A reader takes all waiting reads, and requeues those that it has no time for.
#[test]
fn a_new_request_does_not_wait_for_all_requeued_ones() {
    let pages = queue(Lane::Pages, ["u", "u", "w", "u", "u"].map(list).to_vec());
    let mut taken = next(&pages, CAPACITY);
    assert_eq!(groups(&taken), ["u", "w", "u", "u", "u"]);
    let rest = taken.split_off(1);
    assert!(pages.left_over(rest).is_empty());
    pages.reads.push(list("v"), ReplySender::new(|_| {}));
    assert_eq!(groups(&next(&pages, CAPACITY)), ["w", "u", "v", "u", "u"]);
}

#[test]
fn interrupted_reads_continue_in_the_slowest_lane() {
    let points = queue(Lane::Points, vec![balance("u")]);
    let long = LaneQueue { reads: Arc::clone(&points.reads), lane: Lane::Long };
    next(&points, CAPACITY).into_iter().for_each(|request| points.reads.put_off(request));
    assert_eq!(groups(&next(&points, CAPACITY)), [""; 0]);
    assert_eq!(groups(&next(&long, CAPACITY)), ["u"]);
}

#[test]
fn no_long_read_starts_while_a_checkpoint_waits() {
    let long = queue(Lane::Long, vec![audit()]);
    assert!(long.next(&mut long.reads.lock(), CAPACITY, false).is_empty());
    long.reads.shut_down(Done::new(|| {}));
    assert_eq!(requests(long.next(&mut long.reads.lock(), CAPACITY, false)).len(), 1);
}

#[test]
fn a_full_queue_rejects_new_requests_and_keeps_waiting_ones() {
    let refused = Arc::new(AtomicUsize::new(0));
    let points = queue(Lane::Points, Vec::new());
    for at in 0..CAPACITY * 2 {
        let refused = Arc::clone(&refused);
        let reply = ReplySender::new(move |outcome| {
            let overloaded = matches!(outcome, Err(Error::Overloaded { waiting: CAPACITY }));
            refused.fetch_add(usize::from(overloaded), Relaxed);
        });
        points.reads.push(if at % 2 == 0 { balance("u") } else { list("u") }, reply);
    }
    assert_eq!(refused.load(Relaxed), CAPACITY);
    assert_eq!(next(&points, CAPACITY).len(), CAPACITY / 2);
    assert_eq!(points.reads.lock().queued, CAPACITY / 2);
}

#[test]
fn closing_completes_when_all_readers_have_ended() {
    let told = Arc::new(AtomicUsize::new(0));
    let points = queue(Lane::Points, vec![balance("u")]);
    let tell = Arc::clone(&told);
    points.reads.shut_down(Done::new(move || {
        tell.fetch_add(1, Relaxed);
    }));
    assert_eq!(requests(points.take(CAPACITY, None)).len(), 1);
    for lane in Lane::ALL {
        assert_eq!(told.load(Relaxed), 0);
        if lane != Lane::Long {
            // The other lanes may still move reads to this one.
            let long = LaneQueue { reads: Arc::clone(&points.reads), lane: Lane::Long };
            assert!(long.next(&mut long.reads.lock(), CAPACITY, true).is_empty());
        }
        let reader = LaneQueue { reads: Arc::clone(&points.reads), lane };
        assert!(matches!(reader.take(CAPACITY, None).as_slice(), [Command::Shutdown(_)]));
    }
    assert_eq!(told.load(Relaxed), 1);
}

#[test]
fn each_reader_is_asked_once_to_release() {
    let points = queue(Lane::Points, vec![balance("u")]);
    points.reads.let_go(Some(Lane::Long));
    for lane in [Lane::Points, Lane::Pages] {
        let reader = LaneQueue { reads: Arc::clone(&points.reads), lane };
        assert!(matches!(reader.take(CAPACITY, None).as_slice(), [Command::LetGo]));
    }
    assert_eq!(requests(points.take(CAPACITY, None)).len(), 1);
    let long = LaneQueue { reads: Arc::clone(&points.reads), lane: Lane::Long };
    assert!(long.next(&mut long.reads.lock(), CAPACITY, true).is_empty());
}
