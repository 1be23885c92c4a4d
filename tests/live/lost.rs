//! A5: the controller is killed while its canary is on trial, or while it rolls it back; another controller, which has
//! none of the first one's files, finishes what was begun. Real Redis, which starts in no time.

use crate::canary::{all_answer, journals, platform, redis, restarted};
use crate::lab::{Lab, signal, until};
use std::time::Duration;

#[test]
fn a_controller_that_dies_over_its_canary() {
    whoever_comes_finishes(platform("lost"));
}

/// The same wherever the hosts are.
pub fn whoever_comes_finishes(mut lab: Lab) {
    dies_in_the_soak(&mut lab);
    for (round, moment) in ["hold", "roll back: stop", "roll back: switch", "roll back: start"].iter().enumerate() {
        dies_in_the_rollback(&mut lab, round, moment);
    }
}

/// The canary serves, its controller dies in the soak, and then the canary sickens its service.
fn dies_in_the_soak(lab: &mut Lab) {
    let before = lab.pids("redis");
    lab.edit("soak=\"1s\"", "soak=\"20s\"");
    lab.edit("databases 16;", "databases 17;");
    killed_at(lab, "soak");
    let canary = restarted(lab, &before);
    assert_eq!(canary.len(), 1);
    redis(lab, u8::try_from(canary[0]).expect("small"), "CONFIG SET requirepass x").expect("an answer");
    lab.move_controller("controller-soak");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("seen to be healthy"), "the plan says what is the matter:\n{}", plan.stdout);
    let ended = lab.esapply(&[]).expect(4);
    assert!(ended.text().contains("rolled back"), "{}", ended.text());
    assert_eq!(restarted(lab, &before), canary, "the others were never touched");
    all_answer(lab);
    lab.edit("databases 17;", "databases 16;");
    lab.edit("soak=\"20s\"", "soak=\"1s\"");
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// The canary fails, and its controller dies while it is rolled back.
fn dies_in_the_rollback(lab: &mut Lab, round: usize, moment: &str) {
    let before = lab.pids("redis");
    // Another one each time: what failed once is not tried again.
    let bad = format!(" config {{ no-such-directive {round}; }};");
    lab.edit("databases 16;", &format!("databases 16;{bad}"));
    killed_at(lab, moment);
    lab.move_controller(&format!("controller-rollback-{round}"));
    let next = lab.esapply(&[]);
    println!("killed at {moment}: the next run ends with {}", next.code);
    assert!([0, 4].contains(&next.code), "{}", next.text());
    all_answer(lab);
    assert_eq!(restarted(lab, &before).len(), 1, "the others were never touched");
    let held = lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert!(held.stdout.contains("held"), "it is said that it was rolled back:\n{}", held.stdout);
    lab.edit(&bad, "");
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Starts a run, and kills it as soon as its journal says that this was begun.
fn killed_at(lab: &Lab, moment: &str) {
    let mut apply = lab.command("esapply", &["--yes", "--quiet"]).spawn().expect("esapply");
    let begun = format!("\"action\":\"{moment}\"");
    until(moment, Duration::from_mins(1), || journals(lab, apply.id()).contains(&begun));
    signal(apply.id(), "KILL");
    apply.wait().expect("gone");
}
