use super::{Journal, JournalText, PastRun, runs};
use crate::model::HostName;
use std::time::Duration;

fn host(name: &str) -> HostName {
    HostName::new(name).expect("a name")
}

fn header(run: &str) -> String {
    let plan = "ab".repeat(32);
    format!(
        r#"{{"record":"run","cluster":"logs","plan":"{plan}","steps":2,"who":"ops@ctl","why":"esapply {run}","since":"2026-01-31T12:00:00Z","waived":[["quorum","a test"]]}}"#
    )
}

fn began(at: u64, step: &str, subject: &str, action: &str) -> String {
    format!(r#"{{"record":"begin","at":{at},"step":"{step}","subject":"{subject}","action":"{action}"}}"#)
}

fn ended(at: u64, step: &str, subject: &str, action: &str, took: u64, failed: Option<&str>) -> String {
    let failed = failed.map(|why| format!(r#","failed":"{why}""#)).unwrap_or_default();
    format!(
        r#"{{"record":"end","at":{at},"step":"{step}","subject":"{subject}","action":"{action}","took":{took}{failed}}}"#
    )
}

fn outcome(at: u64, end: &str, exit: u8) -> String {
    format!(r#"{{"record":"outcome","at":{at},"end":"{end}","exit":{exit},"done":1,"steps":2}}"#)
}

fn journal(name: &str, run: &str, lines: &[String]) -> Journal {
    let text = JournalText { run: run.to_owned(), lines: lines.to_vec(), whole: true };
    Journal::read(&host(name), &text)
}

fn one(journals: Vec<Journal>) -> PastRun {
    let mut all = runs(journals);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn journals_of_several_hosts_are_one_run_in_the_order_of_its_steps() {
    let first = [
        header("a"),
        began(10, "roll q@node1", "q@node1", "stop"),
        ended(1010, "roll q@node1", "q@node1", "stop", 1000, None),
        began(1010, "roll q@node1", "q@node1", "await ready"),
        ended(9010, "roll q@node1", "q@node1", "await ready", 8000, None),
        began(9010, "roll q@node1", "q@node1", "soak"),
        ended(99_010, "roll q@node1", "q@node1", "soak", 90_000, None),
        outcome(100_000, "failed", 4),
    ];
    let second = [
        header("a"),
        began(5, "prepare node2", "node2", "prepare"),
        ended(25, "prepare node2", "node2", "prepare", 20, None),
        began(99_010, "roll q@node2", "q@node2", "stop"),
        ended(99_900, "roll q@node2", "q@node2", "stop", 890, Some("no")),
        outcome(100_000, "failed", 4),
    ];
    let run = one(vec![journal("node2", "r1", &second), journal("node1", "r1", &first)]);
    assert_eq!(run.problems, [""; 0]);
    let steps: Vec<(&str, Option<Duration>)> = run.steps.iter().map(|step| (step.step.as_str(), step.took())).collect();
    let millis = |millis| Some(Duration::from_millis(millis));
    assert_eq!(steps, [("prepare node2", millis(20)), ("roll q@node1", millis(99_000)), ("roll q@node2", millis(890))]);
    assert_eq!(run.steps[2].failed().and_then(|entry| entry.failed.as_deref()), Some("no"));
    let slowest: Vec<&str> = run.slowest(2).into_iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(slowest, ["await ready", "stop"], "a soak is no wait");
    let header = run.header.expect("a header");
    assert_eq!(header.waived, [("quorum".to_owned(), "a test".to_owned())]);
    assert_eq!(run.outcome.map(|outcome| (outcome.exit, outcome.took)), Some((4, Duration::from_secs(100))));
}

#[test]
fn newest_runs_come_first_and_one_that_was_lost_has_no_outcome() {
    let old = journal("node1", "20260101T000000Z-9", &[header("a"), outcome(1, "done", 0)]);
    let new = journal("node1", "20260202T000000Z-1", &[header("b"), began(5, "prepare node1", "node1", "prepare")]);
    let all = runs(vec![old, new]);
    let told: Vec<(&str, bool)> = all.iter().map(|run| (run.run.as_str(), run.outcome.is_some())).collect();
    assert_eq!(told, [("20260202T000000Z-1", false), ("20260101T000000Z-9", true)]);
    assert_eq!((all[0].steps[0].took(), all[0].problems.len()), (None, 0));
}

#[test]
fn garbage_and_what_was_cut_off_is_told_and_the_rest_is_read() {
    let lines = [
        header("a"),
        "{\"record\":\"begin\",\"at\":1,\"st".to_owned(),
        "\u{1b}[2J".to_owned(),
        ended(30, "prepare node1", "node1", "prepare", 20, None),
        r#"{"record":"outcome","at":-1}"#.to_owned(),
    ];
    let run = one(vec![journal("node1", "r1", &lines), journal("node2", "r1", &[String::new()])]);
    assert_eq!(run.problems, ["node1: line 2 is cut off (and 2 more)", "node2: it does not say which run it is of"]);
    assert_eq!((run.steps.len(), run.outcome), (1, None));
    assert_eq!(run.steps[0].at(), Duration::from_millis(10));
    let run = one(vec![journal("node1", "r\u{1b}1", &["no JSON".to_owned()])]);
    assert_eq!((run.run.as_str(), run.problems.len()), ("r\\u{1b}1", 1));
    assert!(run.problems[0].starts_with("node1: the first line is no record: "), "{:?}", run.problems);
}

#[test]
fn hosts_that_tell_different_stories_are_named() {
    let first = journal("node1", "r1", &[header("a"), outcome(1, "done", 0)]);
    let second = journal("node2", "r1", &[header("b"), outcome(1, "failed", 4)]);
    let run = one(vec![second, first]);
    assert_eq!(run.header.expect("a header").why, "esapply a");
    assert_eq!(
        run.problems,
        ["node2: its first line is of another run", "node2: it says that the run ended as failed"]
    );
}

fn took(times: &[(u64, &str, &str, &str, u64)]) -> PastRun {
    let lines: Vec<String> =
        times.iter().map(|(at, step, subject, action, took)| ended(*at, step, subject, action, *took, None)).collect();
    one(vec![journal("node1", "r1", &[vec![header("a")], lines].concat())])
}

#[test]
fn what_things_take_is_the_median_of_the_newest_times_by_role_software_and_kind_of_step() {
    let times = |seconds: &[u64]| {
        let all: Vec<_> = seconds.iter().map(|took| (0, "roll q@node1", "q@node1", "stop", *took)).collect();
        took(&all)
    };
    let newest: Vec<u64> = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let durations = super::durations(&[times(&newest), times(&[900; 20])]);
    let stop = durations.of("q", "stop").expect("known");
    assert_eq!((stop.millis, stop.of), (6, 10), "older times do not count any more");
    let run = took(&[
        (9, "fetch jdk-11.0.13-0123456789ab on node1", "node1", "fetch", 700),
        (9, "prepare node1", "node1", "prepare", 30),
        (9, "q healthy", "q", "healthy", 5000),
        (9, "render q@node1", "q@node1", "render", 40),
    ]);
    let durations = super::durations(&[run]);
    let known = [("jdk", "fetch"), ("", "prepare"), ("q", "healthy"), ("q", "render")];
    let millis = known.map(|(about, action)| durations.of(about, action).map(|typical| typical.millis));
    assert_eq!(millis, [Some(700), Some(30), Some(5000), Some(40)]);
    assert_eq!(durations.of("q", "stop"), None);
    // What failed says nothing about how long it takes.
    let failed = ended(9, "roll q@node1", "q@node1", "await ready", 60_000, Some("no"));
    let run = one(vec![journal("node1", "r1", &[header("a"), failed])]);
    assert!(super::durations(&[run]).is_empty());
}

#[test]
fn what_went_back_was_not_switched_by_that_run() {
    let lines = [
        began(10, "roll q@node1", "q@node1", "switch"),
        began(20, "roll q@node2", "q@node2", "hold"),
        began(30, "roll q@node2", "q@node2", "switch"),
        began(40, "roll q@node3", "q@node3", "hold"),
    ];
    let run = one(vec![journal("node1", "a", &lines)]);
    assert_eq!(run.switched(), std::collections::BTreeSet::from(["q@node1".to_owned()]));
}
