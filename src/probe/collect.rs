//! One look at all services, for a plan or `status`: everything is asked at the same time, within one limit.

use crate::desired::{Desired, DesiredService};
use crate::host::{Question, Services};
use crate::inventory::{HostObservation, ProcessObservation, Seen, ServiceObservation, Verdict};
use crate::model::{HostName, InstanceId, Live, Name, ServiceName, Version};
use crate::plan::GateKind;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the whole look may take. Somebody waits for the plan: a service that does not answer in this time is shown
/// as one that does not answer.
pub const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// How many instances that time is for, and how much longer the look may take for each one more.
const USUAL: usize = 16;
const EACH: Duration = Duration::from_millis(250);

/// No look takes longer.
const LONGEST: Duration = Duration::from_secs(20);

/// Asks every service that runs anywhere: `ready` of each instance that runs, `healthy` with those as its members,
/// the settings that `settled` names, and the lines for `status`. Of a service that runs nowhere nothing is asked.
pub async fn services(
    desired: &Desired,
    hosts: &BTreeMap<HostName, Seen<HostObservation>>,
    services: &dyn Services,
) -> BTreeMap<ServiceName, ServiceObservation> {
    // What answers late is shown as not serving, so a large platform on a slow machine gets more time.
    let count = desired.services.values().map(|service| running(desired, service, hosts).len()).sum::<usize>();
    let more = EACH.saturating_mul(u32::try_from(count.saturating_sub(USUAL)).unwrap_or(u32::MAX));
    let within = LOOK_WITHIN.saturating_add(more).min(LONGEST);
    let deadline = Instant::now() + within;
    let looks = desired.services.values().map(|service| async move {
        let members = running(desired, service, hosts);
        if members.is_empty() {
            return (service.name.clone(), ServiceObservation::default());
        }
        (service.name.clone(), Look { desired, service, services, hosts, within, deadline }.at(members).await)
    });
    join_all(looks).await.into_iter().collect()
}

/// Instances of a service that were seen running, by name: those that leave among them.
fn running(
    desired: &Desired,
    service: &DesiredService,
    hosts: &BTreeMap<HostName, Seen<HostObservation>>,
) -> Vec<InstanceId> {
    let runs = |id: &&InstanceId| {
        let host = hosts.get(&id.host).and_then(Seen::seen);
        let instance = host.and_then(|host| host.instances.get(id.role.as_str()));
        instance.is_some_and(|instance| matches!(instance.process, ProcessObservation::Running(_)))
    };
    let leaving = desired.leaving_of(&service.name).map(|one| &one.id);
    service.instances.iter().chain(leaving).filter(runs).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The version that an instance runs, as far as its generation tells.
fn version(
    service: &DesiredService,
    hosts: &BTreeMap<HostName, Seen<HostObservation>>,
    id: &InstanceId,
) -> Option<Version> {
    let seen = hosts.get(&id.host).and_then(Seen::seen)?.instances.get(id.role.as_str())?;
    seen.version_of(&service.module.name)
}

/// A look at one service.
struct Look<'a> {
    desired: &'a Desired,
    service: &'a DesiredService,
    services: &'a dyn Services,
    hosts: &'a BTreeMap<HostName, Seen<HostObservation>>,
    within: Duration,
    deadline: Instant,
}

impl Look<'_> {
    async fn at(&self, members: Vec<InstanceId>) -> ServiceObservation {
        let module = &self.service.module;
        let all = || self.service.instances.iter().filter_map(|id| self.desired.instances.get(id));
        let taken = |live: &&Live| all().any(|one| one.takes(live));
        let live = |each: bool| {
            module.live.iter().filter(move |live| live.each == each).filter(taken).map(|live| &live.setting)
        };
        let settled: BTreeSet<&Name> = module.settled.iter().map(|rule| &rule.setting).chain(live(false)).collect();
        let mine: BTreeSet<&Name> = live(true).collect();
        let name = &self.service.name;
        let healthy = Question::Service { service: name.clone(), gate: GateKind::Healthy, members: members.clone() };
        let asked = members.iter().flat_map(|id| mine.iter().map(move |setting| (id.clone(), *setting)));
        let own = join_all(asked.map(|(id, setting)| async move {
            let value = self.within(self.services.read_own_setting(&id, setting)).await;
            (id, setting.clone(), value.unwrap_or_else(Err))
        }));
        let ready = join_all(members.clone().into_iter().map(|id| async move {
            let version = version(self.service, self.hosts, &id);
            let verdict = self.ask(Question::Serves { instance: id.clone(), version }).await;
            (id, verdict)
        }));
        let settings = join_all(settled.into_iter().map(|setting| async move {
            let value = self.within(self.services.read_setting(name, setting)).await;
            (setting.clone(), value.unwrap_or_else(Err))
        }));
        let lines = self.within(self.services.status(name));
        let (ready, healthy, settings, own, lines) = tokio::join!(ready, self.ask(healthy), settings, own, lines);
        let mut each: BTreeMap<InstanceId, BTreeMap<Name, _>> = BTreeMap::new();
        for (id, setting, value) in own {
            each.entry(id).or_default().insert(setting, value);
        }
        ServiceObservation {
            own: each,
            ready: ready.into_iter().collect(),
            healthy: Some(healthy),
            settings: settings.into_iter().collect(),
            lines: lines.unwrap_or_else(|late| vec![late]),
            ..ServiceObservation::default()
        }
    }

    async fn ask(&self, question: Question) -> Verdict {
        let verdict = self.within(self.services.ask(&question)).await;
        verdict.unwrap_or_else(|late| Verdict { holds: false, unknown: false, says: late })
    }

    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        let late = |_| format!("no answer within {} s", self.within.as_secs());
        timeout_at(self.deadline, work).await.map_err(late)
    }
}
