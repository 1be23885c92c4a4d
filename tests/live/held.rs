//! What is stopped, started and rolled back on purpose, on real ZooKeeper and Redis: it stays so through every plan, and a
//! controller that dies in the middle is continued by the same command, or by a plain run.

use crate::canary::{all_answer, journals, platform, redis, restarted};
use crate::lab::{Lab, Ran, alive, signal, until};
use std::fs;
use std::time::Duration;

const ENSEMBLE: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.10"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles { zookeeper on="node[1-3]"; }
"#;

/// `esapply COMMAND … --yes`
fn ask(lab: &Lab, args: &[&str]) -> Ran {
    lab.run("esapply", &[args, &["--yes"]].concat())
}

/// Nothing is left to do; what is held is shown.
#[track_caller]
fn settled(lab: &Lab, shows: &str) {
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(0).text();
    assert!(plan.contains(shows), "{shows} is not in\n{plan}");
}

#[test]
fn one_of_an_ensemble_is_stopped_and_a_second_one_is_refused() {
    let lab = Lab::new("held", ENSEMBLE);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let before = lab.pids("zookeeper");
    ask(&lab, &["stop", "zookeeper@node2", "--why", "a new disk"]).expect(0);
    assert!(!alive(before[1]) && alive(before[0]) && alive(before[2]), "one of them");
    settled(&lab, "a new disk");
    let status = lab.esplan(&["status"]).expect(4).text();
    assert!(status.contains("stopped") && status.contains("a new disk"), "{status}");
    lab.esapply(&[]).expect(0);
    assert!(!lab.prefix("node2").join("run/zookeeper.proc").exists(), "a plain run leaves it");
    for (target, name) in [("zookeeper@node1", "quorum"), ("zookeeper", "outage"), ("node3", "quorum")] {
        let refused = ask(&lab, &["stop", target]).expect(7).text();
        assert!(refused.contains(name), "{refused}");
    }
    assert!(alive(before[0]) && alive(before[2]));
    ask(&lab, &["start", "zookeeper"]).expect(0);
    settled(&lab, "nothing to do");
    assert_eq!(lab.pids("zookeeper")[0], before[0], "the others were not touched");
    lab.esplan(&["status"]).expect(0);
    ask(&lab, &["stop", "zookeeper", "--waive", "outage=the room is moved"]).expect(0);
    settled(&lab, "held");
    ask(&lab, &["start", "all"]).expect(0);
    settled(&lab, "nothing to do");
    lab.esplan(&["status"]).expect(0);
}

#[test]
fn what_is_held_outlives_its_controllers() {
    let mut lab = platform("holds");
    named_wrongly(&lab);
    stopped_and_released(&lab);
    rolled_back(&mut lab);
    for (round, moment) in ["hold", "stop", "await others"].into_iter().enumerate() {
        lost_stop(&mut lab, round, moment);
    }
    for (round, moment) in ["hold", "stop", "switch", "start"].into_iter().enumerate() {
        lost_rollback(&mut lab, round, moment);
    }
}

/// Selecting nothing is a mistake, for every command.
fn named_wrongly(lab: &Lab) {
    lab.edit(
        "hosts {",
        "hosts { spare address=\"{network}.4\" transport=\"local\"; ".replace("{network}", &lab.network).as_str(),
    );
    for args in [&["stop", "spare"][..], &["--only", "spare"][..], &["release", "no-such-role"][..]] {
        let failed = ask(lab, args).expect(1).text();
        assert!(failed.contains("spare") || failed.contains("no-such-role"), "{failed}");
    }
    let spare = format!("spare address=\"{}.4\" transport=\"local\"; ", lab.network);
    lab.edit(&spare, "");
}

/// A second one is refused while one is down; a process that is started by its supervisor again does not serve; a release
/// leaves the start to the next plan.
fn stopped_and_released(lab: &Lab) {
    ask(lab, &["stop", "redis@node3"]).expect(0);
    let refused = ask(lab, &["stop", "redis@node1"]).expect(7).text();
    assert!(refused.contains("max-unavailable"), "{refused}");
    assert!(redis(lab, 3, "PING").is_err() && redis(lab, 1, "PING").is_ok());
    ask(lab, &["release", "redis@node3"]).expect(0);
    assert!(redis(lab, 3, "PING").is_err(), "nothing else was done");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("does not run"), "{plan}");
    lab.esapply(&[]).expect(0);
    all_answer(lab);
    settled(lab, "nothing to do");
}

fn databases(lab: &Lab) -> Vec<String> {
    let of = |host| redis(lab, host, "CONFIG GET databases").expect("an answer");
    (1..=3)
        .map(of)
        .map(|text| text.lines().rev().find(|line| line.parse::<u32>().is_ok()).unwrap_or("").to_owned())
        .collect()
}

/// A change goes through, and back; the file that says so too ends the holds.
fn rolled_back(lab: &mut Lab) {
    lab.edit("databases 16;", "databases 17;");
    lab.esapply(&[]).expect(0);
    assert_eq!(databases(lab), ["17"; 3]);
    let before = lab.pids("redis");
    let done = ask(lab, &["rollback"]).expect(0).text();
    assert!(done.contains("goes back to its generation"), "{done}");
    assert_eq!(restarted(lab, &before), [1, 2, 3]);
    assert_eq!(databases(lab), ["16"; 3]);
    settled(lab, "rolled back by");
    let again = ask(lab, &["rollback", "redis"]).expect(0).text();
    assert_eq!(databases(lab), ["16"; 3], "{again}");
    lab.edit("databases 17;", "databases 16;");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("the file says something else than what it was rolled back from"), "{plan}");
    let before = lab.pids("redis");
    lab.esapply(&[]).expect(0);
    assert_eq!(lab.pids("redis"), before, "nothing was restarted");
    settled(lab, "nothing to do");
    let refused = ask(lab, &["rollback", "redis"]).expect(7).text();
    assert!(refused.contains("no-way-back"), "{refused}");
}

/// The controller dies in a stop.
fn lost_stop(lab: &mut Lab, round: usize, moment: &str) {
    killed_at(lab, &["stop", "redis@node2"], moment);
    lab.move_controller(&format!("controller-stop-{round}"));
    lab.esapply(&[]).expect(0);
    ask(lab, &["stop", "redis@node2"]).expect(0);
    assert!(redis(lab, 2, "PING").is_err(), "killed at {moment}");
    settled(lab, "held, stopped by");
    ask(lab, &["start", "redis@node2"]).expect(0);
    all_answer(lab);
    settled(lab, "nothing to do");
}

/// The controller dies in a rollback: half of the rounds are continued by the same command, half by a plain run before it.
fn lost_rollback(lab: &mut Lab, round: usize, moment: &str) {
    lab.edit("databases 16;", "databases 18;");
    lab.esapply(&[]).expect(0);
    killed_at(lab, &["rollback", "redis"], moment);
    lab.move_controller(&format!("controller-back-{round}"));
    if round.is_multiple_of(2) {
        lab.esapply(&[]).expect(0);
        all_answer(lab);
    }
    ask(lab, &["rollback"]).expect(0);
    all_answer(lab);
    assert_eq!(databases(lab), ["16"; 3], "killed at {moment}");
    settled(lab, "rolled back by");
    lab.edit("databases 18;", "databases 16;");
    lab.esapply(&[]).expect(0);
    settled(lab, "nothing to do");
    let held = (1..=3).map(|host| lab.prefix(&format!("node{host}")).join("run/redis.held"));
    assert!(held.into_iter().all(|path| fs::metadata(path).is_err()));
}

/// Starts a command, and kills it as soon as its journal says that this was begun.
fn killed_at(lab: &Lab, args: &[&str], moment: &str) {
    let args: Vec<&str> = args.iter().copied().chain(["--yes", "--quiet"]).collect();
    let mut apply = lab.command("esapply", &args).spawn().expect("esapply");
    let begun = format!("\"action\":\"{moment}\"");
    until(moment, Duration::from_mins(1), || journals(lab, apply.id()).contains(&begun));
    signal(apply.id(), "KILL");
    apply.wait().expect("gone");
}
