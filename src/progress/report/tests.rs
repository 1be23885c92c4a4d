//! What a pipeline shows of a run.

use super::*;
use crate::model::{InstanceId, RoleId};
use crate::plan::StepId;

fn host(name: &str) -> HostName {
    HostName::new(name).expect("a name")
}

fn event(at: u64, what: Happening) -> Event {
    Event { at: Duration::from_secs(at), what }
}

fn instance(name: &str) -> Subject {
    Subject::Instance(InstanceId::new(RoleId::new("db").expect("a name"), host(name)))
}

fn ended(at: u64, name: &str, action: &str) -> Event {
    let (step, took) = (StepId(format!("roll db@{name}")), Duration::from_millis(1500));
    event(at, Happening::ActionEnded { step, subject: instance(name), action: action.to_owned(), took })
}

fn seen(end: End, more: &[Event]) -> String {
    let mut report = Report::default();
    let hosts = ["node1", "node2", "node3"].map(host).to_vec();
    report.see(&event(0, Happening::Began { run: "r".into(), steps: 3, hosts }));
    let step = StepId("roll db@node1".into());
    for event in [ended(2, "node1", "stop"), ended(3, "node1", "await ready"), ended(4, "node1", "soak")] {
        report.see(&event);
    }
    let took = Duration::from_secs(4);
    report.see(&event(4, Happening::StepEnded { step, subject: instance("node1"), took }));
    for event in more {
        report.see(event);
    }
    let outcome = Outcome { end, done: 1, steps: 3, rolled_back: Vec::new() };
    report.see(&event(9, Happening::Ended { outcome: Box::new(outcome) }));
    report.junit("test").expect("a report")
}

#[test]
fn gates_that_held_have_passed_with_the_time_that_they_took() {
    let xml = seen(End::Done, &[]);
    assert!(xml.contains("<testsuites name=\"test: done: 1 of 3 steps done\" tests=\"6\" failures=\"0\""), "{xml}");
    assert!(xml.contains("name=\"db@node1 ready\" time=\"1.500\"/>"), "{xml}");
    assert!(xml.contains("name=\"db@node1 stays healthy\"") && !xml.contains("stop"), "{xml}");
    assert!(xml.contains("name=\"node2\" time=\"0.000\"/>"), "{xml}");
}

#[test]
fn a_gate_that_failed_is_a_failure_with_what_is_known_about_it() {
    let bundle = Bundle {
        step: StepId("roll db@node2".into()),
        subject: instance("node2"),
        action: Some("await ready".into()),
        why: "db@node2 was not ready within 30s".into(),
        answer: None,
        life: None,
        log: vec!["]]></failure> \u{1b}[2Jbad setting".into()],
        then: "it was rolled back".into(),
        next: "esplan".into(),
    };
    let failed = event(8, Happening::Failed { step: bundle.step.clone(), bundle: Box::new(bundle.clone()) });
    let xml = seen(End::Failed { bundle: Box::new(bundle) }, &[failed]);
    assert!(xml.contains("failures=\"3\" errors=\"0\">"), "the run, the host and the gate:\n{xml}");
    assert!(xml.contains("name=\"db@node2 ready\"") && xml.contains("bad setting"), "{xml}");
    assert!(!xml.contains("]]></failure>") && !xml.contains('\u{1b}'), "{xml}");
    assert!(xml.contains("nothing was done here"), "node3 was not reached:\n{xml}");
}

#[test]
fn a_run_that_could_not_begin_is_a_failure() {
    let xml = seen(End::Locked { host: host("node1"), holder: "ann".into() }, &[]);
    assert!(xml.contains("type=\"exit code 6\""), "{xml}");
    assert_eq!(Report::default().junit("test"), None, "nothing has run");
}
