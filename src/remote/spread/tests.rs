use super::{Schedule, Source, Spread};
use crate::model::{Digest, HostName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ONE: Duration = Duration::from_secs(5);

fn host(number: usize) -> HostName {
    HostName::new(&format!("node{number}")).expect("a name")
}

fn artifact() -> Digest {
    Digest::of(b"artifact")
}

/// What happened: who got it from whom, and when.
#[derive(Debug, Default)]
struct Told {
    from: BTreeMap<HostName, Source>,
    sent: u32,
    took: Duration,
}

/// Brings it to `hosts` hosts. `takes` says how long a transfer takes, and whether it arrives.
async fn spread(hosts: usize, takes: fn(&Source, &HostName) -> (Duration, bool), passes: bool) -> Told {
    let spread = Arc::new(Spread::default());
    let begin = Instant::now();
    let tasks: Vec<_> = (1..=hosts)
        .map(|number| {
            let spread = Arc::clone(&spread);
            tokio::spawn(async move {
                let to = host(number);
                for _ in 0..5 {
                    let turn = spread.turn(artifact(), &to, |_| passes).await;
                    let from = turn.from().clone();
                    let (time, arrives) = takes(&from, &to);
                    sleep(time).await;
                    if arrives {
                        turn.arrived();
                        return Some((to, from, begin.elapsed()));
                    }
                    turn.failed();
                }
                None
            })
        })
        .collect();
    let mut told = Told::default();
    for task in tasks {
        if let Some((to, from, at)) = task.await.expect("it ends") {
            told.from.insert(to, from);
            told.took = told.took.max(at);
        }
    }
    told.sent = spread.schedule().sent(&artifact());
    told
}

#[tokio::test(start_paused = true)]
async fn sixteen_hosts_take_no_longer_than_six_transfers_and_three_copies() {
    let told = spread(16, |_, _| (ONE, true), true).await;
    assert_eq!(told.from.len(), 16);
    assert!(told.sent <= 3, "{told:?}");
    assert!(told.took <= ONE * 6, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_never_sends_to_two_at_a_time() {
    let told = spread(40, |_, _| (ONE, true), true).await;
    let mut last: BTreeSet<&Source> = BTreeSet::new();
    last.extend(told.from.values());
    assert!(last.len() > 10, "many send: {told:?}");
    assert!(told.took <= ONE * 8, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_holds_nobody_up() {
    let slow = |_: &Source, to: &HostName| if to.as_str() == "node1" { (ONE * 100, true) } else { (ONE, true) };
    let told = spread(16, slow, true).await;
    let others = told.from.iter().filter(|(to, _)| to.as_str() != "node1").count();
    assert_eq!((others, told.took), (15, ONE * 100), "the slow one is the last");
    let without = spread(16, |_, to| (ONE * if to.as_str() == "node1" { 20 } else { 1 }, true), true).await;
    assert_eq!(without.took, ONE * 20, "and everybody else has it long before: {without:?}");
}

#[tokio::test(start_paused = true)]
async fn where_hosts_can_not_reach_each_other_the_controller_sends_it_itself() {
    let told = spread(6, |_, _| (ONE, true), false).await;
    assert!(told.from.values().all(|from| *from == Source::Controller), "{told:?}");
    assert_eq!((told.from.len(), told.sent), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_can_not_send_is_left_out() {
    let bad = |from: &Source, _: &HostName| (ONE, !matches!(from, Source::Host(host) if host.as_str() == "node1"));
    let told = spread(12, bad, true).await;
    assert_eq!(told.from.len(), 12, "{told:?}");
    assert!(told.sent <= 3, "others send: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_can_send_the_controller_serves_everybody() {
    let told = spread(5, |from, _| (ONE, *from == Source::Controller), true).await;
    assert_eq!(told.from.len(), 5, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_has_failed_and_blocks_nobody() {
    let spread = Spread::default();
    drop(spread.turn(artifact(), &host(1), |_| true).await);
    let turn = spread.turn(artifact(), &host(2), |_| true).await;
    assert_eq!(turn.from(), &Source::Controller);
}

#[test]
fn what_is_there_already_is_passed_on_without_the_controller() {
    let mut schedule = Schedule::default();
    schedule.has(&host(9), artifact());
    let from = schedule.next(artifact(), &host(1), Duration::ZERO, &|_| true);
    assert_eq!(from, Some(Source::Host(host(9))));
    assert_eq!(schedule.next(artifact(), &host(2), Duration::ZERO, &|_| true), Some(Source::Controller));
    assert_eq!(schedule.next(artifact(), &host(3), Duration::ZERO, &|_| true), None, "it waits for one of them");
}
