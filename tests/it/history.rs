//! `esplan history`: journals that hosts have, as a list of runs and as a report of one.

use crate::platform::declare::host;
use crate::platform::drive::{converged, paused};
use crate::platform::spec::example;
use crate::saved::Sandbox;
use es_cluster::history::{Journal, PastRun, runs};
use es_cluster::host::{Platform as _, WantedJournals};
use es_cluster::sim::{Behaviour, Cluster};
use std::fs;

const OLD: &str = "20260131T120000Z-7";
const NEW: &str = "20260201T120000Z-8";

fn header(why: &str, since: &str) -> String {
    let plan = "ab".repeat(32);
    format!(
        "{{\"record\":\"run\",\"cluster\":\"sandbox\",\"plan\":\"{plan}\",\"steps\":3,\"who\":\"ops@ctl pid 7\",\
         \"why\":\"{why}\",\"since\":\"{since}\",\"waived\":[[\"quorum-outage\",\"the night of Sunday\"]]}}\n"
    )
}

fn action(at: u64, step: &str, subject: &str, action: &str, took: u64, failed: &str) -> String {
    let about = format!("\"step\":\"{step}\",\"subject\":\"{subject}\",\"action\":\"{action}\"");
    let failed = if failed.is_empty() { String::new() } else { format!(",\"failed\":\"{failed}\"") };
    let end = at + took;
    format!(
        "{{\"record\":\"begin\",\"at\":{at},{about}}}\n{{\"record\":\"end\",\"at\":{end},{about},\"took\":{took}{failed}}}\n"
    )
}

fn outcome(at: u64, end: &str, exit: u8, done: u8) -> String {
    format!("{{\"record\":\"outcome\",\"at\":{at},\"end\":\"{end}\",\"exit\":{exit},\"done\":{done},\"steps\":3}}\n")
}

fn put(sandbox: &Sandbox, number: u8, run: &str, text: &str) {
    let folder = sandbox.prefix(number).join("log/history");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("{run}.jsonl")), text).expect("a journal");
}

/// Two runs: an older one that is done, and the newest, which failed on node2.
fn with_two_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    let old = header("esapply", "2026-01-31T12:00:00Z");
    put(
        &sandbox,
        1,
        OLD,
        &(old.clone() + &action(5, "prepare node1", "node1", "prepare", 300, "") + &outcome(400, "done", 0, 3)),
    );
    put(&sandbox, 2, OLD, &(old + &outcome(400, "done", 0, 3)));
    let new = header("esapply --yes", "2026-02-01T12:00:00Z");
    let first = action(10, "canary queue", "queue@node1", "stop", 1500, "")
        + &action(1510, "canary queue", "queue@node1", "await ready", 42_000, "")
        + &action(43_510, "canary queue", "queue@node1", "soak", 60_000, "");
    put(&sandbox, 1, NEW, &(new.clone() + &first + &outcome(150_000, "failed", 4, 1)));
    let second =
        action(103_600, "rest queue", "queue@node2", "await ready", 20_000, "queue@node2 was not ready: \\u001b[31mno");
    put(&sandbox, 2, NEW, &(new + &second + &outcome(150_000, "failed", 4, 1)));
    sandbox
}

#[test]
fn runs_are_listed_with_who_when_and_how_they_ended() {
    let sandbox = with_two_runs();
    let before = sandbox.everything();
    let did = sandbox.run("esplan", &["history"]);
    let expected = "\
20260201T120000Z-8  failed (4), 1 of 3 steps in 2m30s on node[1-2]
  2026-02-01T12:00:00Z ops@ctl pid 7: esapply --yes
  waived quorum-outage: the night of Sunday
20260131T120000Z-7  done, 3 of 3 steps in 0.4s on node[1-2]
  2026-01-31T12:00:00Z ops@ctl pid 7: esapply
  waived quorum-outage: the night of Sunday
";
    assert_eq!((did.code, did.stdout.as_str()), (0, expected), "{did:?}");
    let one = sandbox.run("esplan", &["history", "--newest", "1"]).stdout;
    assert!(one.contains(NEW) && !one.contains(OLD), "{one}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run("esplan", &["history", "--format", "json"]).stdout).expect("JSON");
    assert_eq!((&json["runs"][1]["run"], &json["runs"][0]["outcome"]["exit_code"]), (&OLD.into(), &4.into()));
    assert_eq!(before, sandbox.everything(), "nothing was written");
}

#[test]
fn the_report_of_a_run_says_what_was_slow_and_what_failed() {
    let sandbox = with_two_runs();
    let did = sandbox.run("esplan", &["history", "last"]);
    let expected = format!(
        "\
20260201T120000Z-8: failed (4)
  done: 1 of 3 steps in 2m30s
  when: 2026-02-01T12:00:00Z
  by: ops@ctl pid 7: esapply --yes
  plan: sha256:{}
  waived: quorum-outage: the night of Sunday
  hosts: node[1-2]
  failed: queue@node2, await ready: queue@node2 was not ready: \\u{{1b}}[31mno

slowest
      42s  queue@node1: await ready
      20s  queue@node2: await ready
     1.5s  queue@node1: stop

steps
     0.0s    1m43s  canary queue
                    stop 1.5s, await ready 42s, soak 1m
    1m43s      20s  rest queue
",
        "ab".repeat(32)
    );
    assert_eq!((did.code, did.stdout.as_str()), (0, expected.as_str()), "{}", did.stdout);
    // By the beginning of its name, and not by one that several have.
    assert!(sandbox.run("esplan", &["history", "20260131"]).stdout.starts_with("20260131T120000Z-7: done"));
    let several = sandbox.run("esplan", &["history", "2026"]);
    assert!(several.code == 1 && several.stderr.contains("2 runs begin with 2026"), "{several:?}");
    for name in ["nonsense", "../../etc/passwd", ""] {
        let none = sandbox.run("esplan", &["history", name]);
        assert!(
            none.code == 1 && none.stderr.contains("no host of sandbox has a journal")
                || none.stderr.contains("runs begin with"),
            "{none:?}"
        );
    }
    let json = sandbox.run("esplan", &["history", "last", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["slowest"][0]["took"], &json["steps"][0]["actions"][2]["action"]),
        (&42_000.into(), &"soak".into())
    );
    let markdown = sandbox.run("esplan", &["history", "last", "--format", "markdown"]).stdout;
    assert!(markdown.contains("| `1m43s` | `20s` | `rest queue` | `await ready 20s FAILED` |"), "{markdown}");
}

#[test]
fn a_journal_that_is_garbage_is_told_and_the_rest_is_shown() {
    let sandbox = with_two_runs();
    let whole = fs::read_to_string(sandbox.prefix(2).join(format!("log/history/{NEW}.jsonl"))).expect("a journal");
    put(&sandbox, 2, NEW, &whole[..whole.len() - 20]);
    put(&sandbox, 3, "20260202T000000Z-1", "\u{0}\u{1b}]0;evil\u{7}\n\u{202e}{\n");
    put(&sandbox, 3, "20260203T000000Z-1", "");
    fs::create_dir(sandbox.prefix(3).join("log/history/20260204T000000Z-1.jsonl")).expect("a folder");
    let list = sandbox.run("esplan", &["history"]);
    assert_eq!(list.code, 0, "{list:?}");
    for part in [
        "20260203T000000Z-1  no end recorded on node3\n  can't be read whole: node3: it does not say which run it is of\n",
        "20260202T000000Z-1  no end recorded on node3\n  can't be read whole: node3: the first line is no record",
        "20260201T120000Z-8  failed (4), 1 of 3 steps in 2m30s on node[1-2]\n",
        "  can't be read whole: node2: the last line is cut off\n",
        "20260131T120000Z-7  done",
    ] {
        assert!(list.stdout.contains(part), "{part}:\n{}", list.stdout);
    }
    let report = sandbox.run("esplan", &["history", "20260202T000000Z-1"]);
    assert_eq!(report.code, 0, "{report:?}");
    let shown = list.stdout + &report.stdout;
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{shown:?}");
}

#[test]
fn hosts_that_can_not_be_asked_are_named_and_the_others_tell() {
    let sandbox = with_two_runs();
    let prefix = sandbox.prefix(2).display().to_string();
    let (local, ssh) = (format!("transport=\"local\" prefix=\"{prefix}\""), format!("prefix=\"{prefix}\""));
    sandbox.edit("cluster.kdl", &local, &ssh);
    let did = sandbox.run("esplan", &["history"]);
    assert_eq!(did.code, 3, "{did:?}");
    assert!(did.stdout.contains("20260201T120000Z-8  failed (4), 1 of 3 steps in 2m30s on node1\n"), "{}", did.stdout);
    assert!(did.stdout.contains("node2 could not be asked: "), "{}", did.stdout);
    let did = sandbox.run("esplan", &["history", "last", "--without", "node2"]);
    assert_eq!((did.code, did.stdout.contains("queue@node1: await ready")), (0, true), "{did:?}");
}

async fn past(cluster: &Cluster) -> Vec<PastRun> {
    let mut journals = Vec::new();
    for name in cluster.hosts() {
        let texts = cluster.host(&name).expect("a host").journals("", &WantedJournals::Newest(9)).await;
        journals.extend(texts.expect("journals").iter().map(|text| Journal::read(&name, text)));
    }
    runs(journals)
}

#[test]
fn what_a_run_writes_down_is_what_its_history_says() {
    paused(async {
        let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
        let all = past(&cluster).await;
        let [run] = all.as_slice() else { panic!("{all:#?}") };
        assert_eq!(run.problems, [""; 0]);
        let outcome = run.outcome.clone().expect("an outcome");
        assert_eq!((outcome.end.as_str(), outcome.exit, outcome.done), ("done", 0, outcome.steps));
        assert!(run.steps.iter().all(|step| step.took().is_some() && step.failed().is_none()), "{run:#?}");
        assert!(run.steps.iter().any(|step| step.step == "prepare node1"));
        assert_eq!(run.hosts, [host(1), host(2), host(3)]);
        // One host is gone: the others still know how it ended.
        cluster.by_hand(&host(1), |machine| machine.history.clear());
        let all = past(&cluster).await;
        assert_eq!(all[0].outcome.as_ref(), Some(&outcome));
    });
}

#[test]
fn how_long_it_takes_is_known_from_earlier_runs_and_is_no_part_of_the_plan() {
    let sandbox = Sandbox::new();
    let plan = |args: &[&str]| {
        let did = sandbox.run("esplan", args);
        assert_eq!(did.code, 0, "{did:?}");
        did.stdout
    };
    let before = (plan(&[]), plan(&["--format", "json"]));
    let unknown = "Time: how long it takes is not known: the hosts have no journal of anything like it\n";
    assert!(before.0.contains(unknown), "{}", before.0);
    let actions = ["before stop", "check safe", "stop", "switch", "start", "await ready", "await healthy"];
    let actions = actions.map(|name| action(5, "roll queue@node1", "queue@node1", name, 4000, "")).concat();
    for number in 1..=3 {
        put(
            &sandbox,
            number,
            OLD,
            &(header("esapply", "2026-01-31T12:00:00Z") + &actions + &outcome(9000, "done", 0, 3)),
        );
    }
    let (text, json) = (plan(&[]), plan(&["--format", "json"]));
    assert!(text.contains("Time: takes at least ") && text.contains("    queue  "), "{text}");
    assert!(text.contains(" an instance, by 3 restarts"), "{text}");
    assert_eq!(json, before.1, "the plan is the same");
    let digest = |text: &str| text.lines().last().map(str::to_owned);
    assert_eq!(digest(&text), digest(&before.0));
    // A snapshot knows it as well.
    sandbox.run("esplan", &["observe", "--out", "snapshot.json"]);
    for number in 1..=3 {
        fs::remove_dir_all(sandbox.prefix(number).join("log")).expect("removed");
    }
    assert_eq!(plan(&["--observed", "snapshot.json"]), text);
    assert_eq!(plan(&["--observed", "snapshot.json", "--format", "json"]), json);
    assert!(plan(&["--format", "markdown"]).contains("\n_how long it takes is not known"));
}

#[test]
fn a_forecast_from_a_run_is_what_the_next_one_takes() {
    use crate::platform::drive::{How, converge, observe, plan_of};
    use crate::platform::spec::Change;
    use es_cluster::history::{Forecast, Progress, durations};
    paused(async {
        let mut spec = example();
        let (cluster, _) = converged(&spec, Behaviour::default(), 7).await;
        for round in 0..2 {
            crate::platform::drive::settle(&cluster).await;
            spec = spec.changed(Change::Conf(0, 0)).changed(Change::Conf(1, 0));
            let desired = crate::platform::declare::declare(&spec);
            cluster.declare(&desired);
            let inventory = observe(&cluster, &desired).await;
            let (plan, _) = plan_of(&desired, &inventory);
            let left = Forecast::new(&plan).left(&durations(&past(&cluster).await), |_| Progress::Waiting);
            let began = tokio::time::Instant::now();
            let applied = converge(&cluster, &desired, &How::default()).await;
            assert_eq!(applied.outcome.expect("alive").exit_code(), 0);
            let took = began.elapsed();
            if round == 1 {
                assert_eq!(left.unknown, 0, "{left:?}");
                let (low, high) = (took.mul_f64(0.8), took.mul_f64(1.2));
                assert!(left.known > low && left.known < high, "{left:?} and it took {took:?}");
            } else {
                assert!(left.unknown > 0, "nothing was ever stopped: {left:?}");
            }
        }
    });
}

#[test]
fn the_first_line_of_a_journal_says_which_run_it_is_of_whatever_goes_on_beside_it() {
    use crate::platform::declare::declare;
    use crate::platform::drive::{How, converge, with_faults};
    use crate::platform::spec::Change;
    use es_cluster::sim::Faults;
    paused(async {
        for flaky in 2..9 {
            // Two roles of a host are written at the same time, and nothing comes before that.
            let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
            let desired = declare(&example().changed(Change::Conf(0, 0)).changed(Change::Conf(1, 0)));
            cluster.declare(&desired);
            // A first line that has to be written again is late.
            with_faults(&cluster, Faults { flaky, ..Faults::default() });
            converge(&cluster, &desired, &How::default()).await;
            for run in past(&cluster).await {
                assert_eq!(run.problems, [""; 0], "one of {flaky} fails");
            }
            let machines = cluster.hosts().into_iter().filter_map(|host| cluster.machine(&host));
            for lines in machines.flat_map(|machine| machine.history.into_values()) {
                assert!(lines[0].starts_with("{\"record\":\"run\""), "one of {flaky} fails: {lines:#?}");
                let headers = lines.iter().filter(|line| line.starts_with("{\"record\":\"run\"")).count();
                assert_eq!(headers, 1, "{lines:#?}");
            }
        }
    });
}
