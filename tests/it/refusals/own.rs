//! The planner's own rules, which no module says.

use super::cases::{Case, Platform, at, leave, of, only, restart_pending};
use es_cluster::desired::Desired;
use es_cluster::diag::Spanned;
use es_cluster::inventory::{Adoption, Inventory, ProcessObservation, Seen, Unseen, Verdict};
use es_cluster::model::{InstanceId, ModuleName};
use es_cluster::plan::{Again, PlanOptions, Refusal};
use std::sync::Arc;

fn again(asked: Again, target: &'static str) -> impl Fn(&Desired) -> PlanOptions {
    move |desired| PlanOptions { asked: Some(asked), ..only(target, desired) }
}

/// A process that runs already, started by hand, with something against taking it over.
fn adopted(rule: &str, name: &'static str, adoption: Adoption) -> Case {
    Case::new(rule, name)
        .declaring(&Platform::default().role("redis", "adopt data=\"/srv/redis\";"))
        .when(move |_, inventory| of(inventory, "redis", "node1").adoption = Some(adoption.clone()))
}

pub(super) fn cases() -> Vec<Case> {
    let adoption = || Adoption { keeps: Some(true), ..Adoption::default() };
    let systemd = Platform {
        instead: vec![("supervisor \"supervisord\"".to_owned(), "supervisor \"systemd\"".to_owned())],
        ..Platform::default()
    };
    vec![
        Case::new("a host that can't be seen", Refusal::UNOBSERVED).when(|_, inventory: &mut Inventory| {
            let (_, host) = inventory.hosts.iter_mut().next().expect("a host");
            *host = Seen::Unseen(Unseen { why: "the connection was refused".to_owned() });
        }),
        Case::new("a service that does not take our password", Refusal::UNASKED).when(|desired, inventory| {
            let id = desired.instances.keys().find(|id| id.to_string() == "redis@node1").expect("declared");
            let service = inventory.services.get_mut(&desired.instances[id].service).expect("observed");
            let verdict = Verdict { holds: false, unknown: true, says: "it does not take the value".to_owned() };
            service.ready.insert(id.clone(), verdict);
        }),
        Case::new("a prefix that we may not write", Refusal::PRIVILEGE).when(|_, inventory| {
            let host = at(inventory, "node1");
            (host.uid, host.prepared, host.closed) = (1000, false, Some("/opt".to_owned()));
        }),
        Case::new("a file system that takes nothing", Refusal::PRIVILEGE).when(|_, inventory| {
            let host = at(inventory, "node1");
            (host.uid, host.prepared, host.closed) = (0, false, Some("/opt".to_owned()));
        }),
        Case::new("a host without systemd", Refusal::SUPERVISOR).declaring(&systemd),
        Case::new("units without root", Refusal::SUPERVISOR).declaring(&systemd).when(|_, inventory| {
            for seen in inventory.hosts.values_mut() {
                let Seen::Seen(host) = seen else { continue };
                (host.init.systemd, host.uid) = (true, 1000);
            }
        }),
        Case::new("services in a circle", Refusal::CYCLE).when(|desired, inventory| {
            let service = desired.services.values_mut().find(|one| one.name.as_str() == "zookeeper").expect("declared");
            let after = ModuleName::new("kafka").expect("a name");
            Arc::make_mut(&mut service.module).after.push(Spanned::new(after, es_cluster::diag::Span::default()));
            restart_pending(inventory, "zookeeper", "node1");
        }),
        Case::new("a phase that can't be rendered", Refusal::PHASES)
            .having(&Platform::default().version("kafka", "1.1.0"))
            .when(|desired, _| desired.anew = None),
        Case::new("one still runs of what only one may run of", Refusal::SINGLETON).when(|desired, inventory| {
            let service = desired.services.values_mut().find(|one| one.name.as_str() == "redis").expect("declared");
            Arc::make_mut(&mut service.module).singleton = Some("they clash".to_owned());
            service.instances.retain(|id| id.host.as_str() == "node1");
            desired.instances.retain(|id, _| id.role.as_str() != "redis" || id.host.as_str() == "node1");
            restart_pending(inventory, "redis", "node1");
        }),
        Case::new("two of what only one may run of", Refusal::SINGLETON).when(|desired, inventory| {
            let service = desired.services.values_mut().find(|one| one.name.as_str() == "redis").expect("declared");
            Arc::make_mut(&mut service.module).singleton = Some("they clash".to_owned());
            restart_pending(inventory, "redis", "node1");
        }),
        Case::new("a restart of what differs", Refusal::DIFFERS)
            .having(&Platform::default().role("redis", "databases 3;"))
            .asking(again(Again::Restart { since: 0 }, "redis")),
        Case::new("a reload of what knows none", Refusal::NO_RELOAD).asking(again(Again::Reload, "kafka")),
        Case::new("a rollback of what has nothing before", Refusal::NO_WAY_BACK)
            .asking(again(Again::Rollback, "redis")),
        Case::new("a stop of all of a service", Refusal::OUTAGE).asking(again(Again::Stop, "redis")),
        Case::new("the last ones that keep something", Refusal::LAST_COPY).when(|desired, inventory| {
            leave(desired, inventory, &["kafka@node1", "kafka@node2", "kafka@node3"]);
        }),
        Case::new("one that leaves and does not run", Refusal::UNDRAINED).when(|desired, inventory| {
            of(inventory, "kafka", "node1").process = ProcessObservation::Absent;
            leave(desired, inventory, &["kafka@node1"]);
        }),
        Case::new("two members that leave at once", Refusal::MEMBERSHIP).when(|desired, inventory| {
            leave(desired, inventory, &["zookeeper@node1", "zookeeper@node2"]);
        }),
        Case::new("one that leaves during an upgrade", Refusal::LEAVES_UPGRADE)
            .having(&Platform::default().version("redis", "6.0.0"))
            .when(|desired, inventory| leave(desired, inventory, &["redis@node3"])),
        Case::new("a purge of what is not there", Refusal::PURGE).asking(|_| PlanOptions {
            purge: [InstanceId::try_from("redys@node1".to_owned()).expect("an id")].into(),
            ..PlanOptions::default()
        }),
        Case::new("a port that somebody has", Refusal::PORT_TAKEN).when(|_, inventory| {
            of(inventory, "redis", "node1").process = ProcessObservation::Absent;
            at(inventory, "node1").facts.taken = [6379].into();
        }),
        Case::new("no room for what is unpacked", Refusal::DISK).when(|_, inventory| {
            let host = at(inventory, "node1");
            host.software.clear();
            host.facts.free = Some(1 << 20);
        }),
        adopted("a port of somebody", Refusal::ADOPTION, Adoption { taken: [6379].into(), ..adoption() }),
        adopted("data that is not there", Refusal::ADOPTION, Adoption { keeps: None, ..adoption() }),
        adopted("data of somebody", Refusal::ADOPTION, Adoption { keeps: Some(false), ..adoption() }),
        adopted("data elsewhere", Refusal::ADOPTION, Adoption { linked: Some("/other".to_owned()), ..adoption() }),
        adopted(
            "a unit of somebody",
            Refusal::ADOPTED_UNIT,
            Adoption { unit: Some("r.service".to_owned()), ..adoption() },
        ),
    ]
}
