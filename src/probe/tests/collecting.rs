//! One look at all services.

use super::support::{desired, expr, id, module, name};
use crate::host::{HookTime, Question, Services};
use crate::inventory::{
    HostObservation, InstanceObservation, ProcessObservation, Running, Seen, ServiceObservation, Unseen, Verdict,
};
use crate::model::{Digest, HostName, InstanceId, Module, Name, Repair, ServiceName, Settled};
use crate::probe::{LOOK_WITHIN, services};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Services that note what they are asked, and hang when told to.
#[derive(Default)]
struct Noted {
    asked: Mutex<Vec<String>>,
    silent: bool,
}

impl Noted {
    async fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
        if self.silent {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Services for Noted {
    async fn ask(&self, question: &Question) -> Verdict {
        self.note(format!("{question:?}")).await;
        Verdict { holds: true, unknown: false, says: "yes".to_owned() }
    }

    async fn read_setting(&self, _: &ServiceName, setting: &Name) -> Result<Value, String> {
        self.note(format!("read {setting}")).await;
        Ok(json!("all"))
    }

    async fn write_setting(&self, _: &ServiceName, setting: &Name, _: &Value) -> Result<(), String> {
        self.note(format!("write {setting}")).await;
        Ok(())
    }

    async fn call(&self, _: &InstanceId, _: HookTime, _: usize) -> Result<(), String> {
        self.note("call".to_owned()).await;
        Ok(())
    }

    async fn left(&self, _: &InstanceId) -> Result<Vec<Value>, String> {
        Ok(Vec::new())
    }

    async fn stuck(&self, _: &InstanceId, _: &[Value]) -> Option<String> {
        None
    }

    async fn status(&self, service: &ServiceName) -> Vec<String> {
        self.note(format!("status {service}")).await;
        vec!["fine".to_owned()]
    }
}

/// Hosts on which these instances run; n3 was not observed.
fn hosts(running: &[usize]) -> BTreeMap<HostName, Seen<HostObservation>> {
    let observe = |number: usize| {
        let process = if running.contains(&number) {
            ProcessObservation::Running(Running {
                pid: 1,
                start_time: 1,
                uptime: 1,
                restart_generation: Digest::of(b""),
                supervised: None,
                reload_owed: false,
                stranger: false,
            })
        } else {
            ProcessObservation::Dead { restart_generation: None }
        };
        let instance = InstanceObservation { process, ..InstanceObservation::default() };
        let instances = [("store".to_owned(), instance)].into();
        (id(number).host, Seen::Seen(HostObservation { instances, ..HostObservation::default() }))
    };
    let unseen = (id(3).host, Seen::Unseen(Unseen { why: "gone".to_owned() }));
    [observe(1), observe(2), unseen].into()
}

fn with_rule() -> Module {
    let rule = |setting| Settled {
        setting: name(setting),
        expect: expr("true"),
        repair: Repair::To(Value::Null),
        majority: false,
    };
    Module { settled: vec![rule("allocation"), rule("allocation")], ..module() }
}

async fn look(noted: &Noted, running: &[usize]) -> ServiceObservation {
    let desired = desired(with_rule(), &[1, 2, 3]);
    services(&desired, &hosts(running), noted).await.remove(&super::support::service()).unwrap()
}

#[tokio::test]
async fn of_a_service_that_runs_nowhere_nothing_is_asked() {
    let noted = Noted::default();
    assert_eq!(look(&noted, &[]).await, ServiceObservation::default());
    assert_eq!(*noted.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_runs_is_asked_once_each() {
    let noted = Noted::default();
    let seen = look(&noted, &[2]).await;
    assert_eq!(seen.ready.keys().collect::<Vec<_>>(), [&id(2)]);
    assert!(seen.healthy.unwrap().holds);
    assert_eq!(seen.settings, [(name("allocation"), Ok(json!("all")))].into());
    assert_eq!(seen.lines, ["fine"]);
    let mut asked = noted.asked.lock().unwrap().clone();
    asked.sort();
    let expected = [
        "Serves { instance: store@n2, version: None }",
        "Service { service: store, gate: Healthy, members: [store@n2] }",
        "read allocation",
        "status store",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_costs_the_limit_once() {
    let noted = Noted { silent: true, ..Noted::default() };
    let begun = Instant::now();
    let seen = look(&noted, &[1, 2]).await;
    assert!(begun.elapsed() < LOOK_WITHIN + Duration::from_secs(1));
    assert_eq!(seen.ready.len(), 2);
    assert!(seen.ready.values().chain(seen.healthy.as_ref()).all(|verdict| !verdict.holds), "{seen:?}");
    assert!(seen.settings[&name("allocation")].is_err());
    assert_eq!(seen.lines, ["no answer within 3 s"]);
}
