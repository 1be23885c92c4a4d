//! Whom a probe asks.

use super::support::{
    asking, closed, desired, gate, get, http, http_in_turn, id, line, module, on, prober, read_some, says, serve,
    service,
};
use crate::host::{Question, Services as _};
use crate::inventory::Verdict;
use crate::model::{Module, Probe, ProbeOn, SafetyRule};
use crate::plan::GateKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn healthy(probes: impl Into<Vec<Probe>>) -> Module {
    Module { healthy: Some(gate(probes)), ..module() }
}

async fn ask(module: Module, ports: &[u16], members: &[usize]) -> Verdict {
    let members = members.iter().map(|number| id(*number)).collect();
    prober(module, ports).ask(&Question::Service { service: service(), gate: GateKind::Healthy, members }).await
}

#[tokio::test]
async fn any_is_the_first_member_that_answers() {
    let ports = [closed().await, http("200 OK", "2").await, http("200 OK", "3").await];
    assert!(ask(healthy([on(ProbeOn::Any, get("body == 2"))]), &ports, &[1, 2, 3]).await.holds);
    assert!(ask(healthy([on(ProbeOn::Any, get("body == 3"))]), &ports, &[3]).await.holds);
    // A question about a service has no self.
    assert!(ask(healthy([get("body == 2")]), &ports, &[1, 2, 3]).await.holds);
    let ports = [closed().await, closed().await];
    let verdict = ask(healthy([on(ProbeOn::Any, get("true"))]), &ports, &[1, 2]).await;
    assert!(verdict.says.starts_with("store@n1: GET"), "{verdict:?}");
    assert!(verdict.says.ends_with("nothing listens there (and 1 more)"), "{verdict:?}");
    let verdict = ask(healthy([on(ProbeOn::Any, get("true"))]), &ports, &[]).await;
    assert_eq!((verdict.holds, verdict.says.as_str()), (false, "no instance is there to be asked"));
}

#[tokio::test]
async fn a_member_that_cannot_serve_gives_way() {
    let ports = [http("503 Service Unavailable", "1").await, http("200 OK", "2").await];
    assert!(ask(healthy([on(ProbeOn::Any, get("body == 2"))]), &ports, &[1, 2]).await.holds);
    let ports = [http("503 Service Unavailable", "1").await, closed().await];
    assert!(ask(healthy([on(ProbeOn::Any, get("status == 503 and body == 1"))]), &ports, &[1, 2]).await.holds);
}

#[tokio::test]
async fn a_silent_member_does_not_hold_up_the_answer_of_another() {
    let silent = serve(|mut stream| async move {
        read_some(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let ports = [silent, http("200 OK", "2").await];
    let begun = Instant::now();
    let slow = Probe { timeout: Duration::from_secs(30), ..on(ProbeOn::Any, get("body == 2")) };
    assert!(ask(healthy([slow]), &ports, &[1, 2]).await.holds);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn each_names_the_member_that_does_not_do() {
    let ports = [http("200 OK", "1").await, http("200 OK", "2").await, closed().await];
    assert!(ask(healthy([on(ProbeOn::Each, get("body < 3"))]), &ports, &[1, 2]).await.holds);
    let verdict = ask(healthy([on(ProbeOn::Each, get("body == 1"))]), &ports, &[1, 2, 3]).await;
    assert!(verdict.says.starts_with("store@n2: GET") && verdict.says.ends_with("(and 1 more)"), "{verdict:?}");
}

#[tokio::test]
async fn all_sees_every_answer_also_the_missing_ones() {
    let ports = [says("Mode: leader\n").await, says("Mode: follower\n").await, closed().await];
    let leaders =
        on(ProbeOn::All, line("srvr", "answers | selectattr('kv.Mode', 'equalto', 'leader') | list | length == 1"));
    assert!(ask(healthy([leaders]), &ports, &[1, 2, 3]).await.holds);
    let missing = "answers | rejectattr('error', 'none') | map(attribute='instance') | list == ['store@n3']";
    assert!(ask(healthy([on(ProbeOn::All, line("srvr", missing))]), &ports, &[1, 2, 3]).await.holds);
    let count = "answers | length == service.expected and members == ['store@n1', 'store@n2']";
    assert!(ask(healthy([on(ProbeOn::All, line("srvr", count))]), &ports, &[2, 1]).await.holds);
}

#[tokio::test]
async fn expected_is_the_number_of_members_in_a_gate_and_the_declared_one_elsewhere() {
    let ports = [http("200 OK", "2").await, closed().await, closed().await];
    let count = on(ProbeOn::Any, get("service.expected == 2 and service.name == 'store'"));
    assert!(ask(healthy([count]), &ports, &[1, 2]).await.holds);
    let module = Module { ready: Some(gate([get("service.expected == 3")])), ..module() };
    assert!(prober(module, &ports).ask(&Question::Ready(id(1))).await.holds);
}

#[tokio::test]
async fn the_leader_is_the_one_that_goes_last() {
    let ports = [says("Mode: follower\n").await, says("Mode: leader\n").await];
    let mut with_last = healthy([on(ProbeOn::Leader, line("srvr", "kv.Mode == 'leader'"))]);
    with_last.rolling.last = Some(line("srvr", "kv.Mode == 'leader'"));
    assert!(ask(with_last.clone(), &ports, &[1, 2]).await.holds);
    assert!(!ask(with_last.clone(), &ports, &[1]).await.holds);
    let prober = prober(with_last, &ports);
    assert!(!prober.ask(&Question::GoesLast(id(1))).await.holds);
    assert!(prober.ask(&Question::GoesLast(id(2))).await.holds);
    let mut circle = healthy([on(ProbeOn::Leader, line("srvr", "true"))]);
    circle.rolling.last = Some(on(ProbeOn::Leader, line("srvr", "true")));
    assert!(!ask(circle, &ports, &[1, 2]).await.holds);
}

#[tokio::test]
async fn a_rule_about_one_instance_may_ask_another_one() {
    let (port, asked) = http_in_turn(&[("200 OK", r#"["store@n1"]"#)]).await;
    let rule = SafetyRule {
        name: super::support::name("copies"),
        when: None,
        help: None,
        passes: false,
        probe: on(ProbeOn::Any, get("instance.name not in body")),
    };
    let module = Module { safe_to_stop: vec![rule], ..module() };
    let prober = prober(module, &[closed().await, port]);
    let safe = |number, rule| Question::Safe { instance: id(number), rule: super::support::name(rule) };
    assert!(!prober.ask(&safe(1, "copies")).await.holds);
    assert!(prober.ask(&safe(2, "copies")).await.holds);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    for unknown in [safe(1, "other"), safe(7, "copies"), Question::Ready(id(7)), Question::GoesLast(id(7))] {
        assert!(!prober.ask(&unknown).await.holds, "{unknown:?}");
    }
}

#[tokio::test]
async fn every_probe_of_a_gate_counts_and_a_missing_gate_is_each_ready() {
    let ports = [http("200 OK", "1").await, http("200 OK", "2").await];
    let verdict = ask(healthy([get("body == 1"), on(ProbeOn::Each, get("body == 1"))]), &ports, &[1, 2]).await;
    assert!(!verdict.holds && verdict.says.starts_with("store@n2"), "{verdict:?}");
    let only_ready = Module { ready: Some(gate([get("body == 1")])), ..module() };
    assert!(ask(only_ready.clone(), &ports, &[1]).await.holds);
    assert!(!ask(only_ready, &ports, &[1, 2]).await.holds);
}

#[tokio::test]
async fn who_runs_elsewhere_is_asked_there_until_it_is_switched() {
    let (old, new) = (http("200 OK", "1").await, http("200 OK", "2").await);
    let module = || Module { ready: Some(gate([get("body == 1")])), ..healthy([on(ProbeOn::Each, get("body == 1"))]) };
    let mut platform = desired(module(), &[new]);
    platform.elsewhere.extend(desired(module(), &[old]).instances);
    let prober = asking(platform);
    let whole = Question::Service { service: service(), gate: GateKind::Healthy, members: vec![id(1)] };
    let both = || async { [prober.ask(&Question::Ready(id(1))).await.holds, prober.ask(&whole).await.holds] };
    assert_eq!(both().await, [true, true], "it is asked where it runs");
    prober.switched(&id(1), true);
    assert_eq!(both().await, [false, false], "it is asked where it is declared");
    prober.switched(&id(1), false);
    assert_eq!(both().await, [true, true], "it went back");
}
