//! The gates of today, outside of a rollout: the questions that a rollout waits for, each asked once or twice, of everything
//! that runs. Nothing is changed, and nothing is locked.

use crate::desired::{Desired, DesiredInstance, DesiredService};
use crate::host::{Platform, Question, Services};
use crate::inventory::{Asked, InstanceObservation, Inventory, ProcessObservation, Verdict};
use crate::model::{Gate, InstanceId, ServiceName};
use crate::plan::{GateKind, PlanOptions};
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Questions at a time.
const AT_ONCE: usize = 32;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How long all of them may take: somebody waits. What was not answered by then does not hold.
const ALL_WITHIN: Duration = Duration::from_mins(2);

/// The pause before a gate is looked at again: what does not hold gets a second look, since a lost request is no proof, and
/// what has to hold twice is asked twice.
const PAUSE: Duration = Duration::from_millis(500);

/// One question with what it is about.
struct Ask<'a> {
    service: &'a ServiceName,
    gate: String,
    instance: Option<InstanceId>,
    what: What,
    twice: bool,
}

/// How a gate gets its answer.
enum What {
    /// From the service.
    Question(Question),
    /// One of these has to lead.
    Leader(Vec<InstanceId>),
    /// From the look at its host.
    Known(Verdict),
}

/// Asks the gates and rules of every service that is selected and runs somewhere. Of one that runs nowhere the list is empty,
/// since a rollout asks nothing before it starts it. Instances on hosts that could not be observed are not asked: the plan
/// says what that means.
pub async fn gates(
    desired: &Desired,
    inventory: &Inventory,
    platform: &dyn Platform,
    options: &PlanOptions,
) -> BTreeMap<ServiceName, Vec<Asked>> {
    let services = platform.services();
    let deadline = Instant::now() + ALL_WITHIN;
    let selected = desired
        .services
        .values()
        .filter(|service| service.instances.iter().any(|id| options.selects(id, &service.name)));
    let mut found: BTreeMap<ServiceName, Vec<Asked>> = BTreeMap::new();
    let mut asks = Vec::new();
    for service in selected {
        found.insert(service.name.clone(), Vec::new());
        asks.extend(of_service(desired, inventory, service, options));
    }
    let services = &*services;
    let answers = asks.into_iter().map(|ask| async move {
        let verdict = answer(services, &ask, deadline).await;
        (ask.service.clone(), Asked { gate: ask.gate, instance: ask.instance, verdict })
    });
    // In the order of the questions, whoever answers first.
    let mut answers = futures::stream::iter(answers).buffered(AT_ONCE);
    while let Some((service, asked)) = answers.next().await {
        found.entry(service).or_default().push(asked);
    }
    found
}

/// The questions about one service: of all of it first, then rule by rule of its instances.
fn of_service<'a>(
    desired: &'a Desired,
    inventory: &Inventory,
    service: &'a DesiredService,
    options: &PlanOptions,
) -> Vec<Ask<'a>> {
    let module = &service.module;
    let mut ids: Vec<&InstanceId> = service.instances.iter().collect();
    ids.sort();
    let running: Vec<InstanceId> =
        ids.iter().filter(|id| seen(inventory, id).is_some_and(runs)).map(|id| (*id).clone()).collect();
    if running.is_empty() {
        return Vec::new();
    }
    let mut asks = Vec::new();
    let ask = |gate: &str, instance: Option<&InstanceId>, what: What, twice: bool| Ask {
        service: &service.name,
        gate: gate.to_owned(),
        instance: instance.cloned(),
        what,
        twice,
    };
    let whole =
        [("healthy", GateKind::Healthy, &module.healthy), ("converged", GateKind::Converged, &module.converged)];
    for (name, kind, gate) in whole {
        let Some(gate) = gate else { continue };
        let question = Question::Service { service: service.name.clone(), gate: kind, members: running.clone() };
        asks.push(ask(name, None, What::Question(question), Gate::wants_twice(gate)));
    }
    if module.rolling.last.is_some() && running.len() > 1 {
        asks.push(ask("leader", None, What::Leader(running.clone()), false));
    }
    let chosen = ids.iter().copied().filter(|id| options.selects(id, &service.name));
    let chosen: Vec<(&InstanceId, Option<&InstanceObservation>)> = chosen.map(|id| (id, seen(inventory, id))).collect();
    for (id, found) in
        chosen.iter().filter(|(id, _)| inventory.hosts.get(&id.host).is_some_and(|host| host.seen().is_some()))
    {
        let what = match (found.filter(|found| runs(found)), desired.instances.get(*id)) {
            (None, _) => What::Known(down(*found)),
            (Some(found), Some(wanted)) => What::Question(serves(wanted, found)),
            (Some(_), None) => continue,
        };
        let twice = module.ready.as_ref().is_some_and(Gate::wants_twice);
        asks.push(ask("ready", Some(id), what, twice));
    }
    for rule in &module.safe_to_stop {
        for (id, _) in chosen.iter().filter(|(_, found)| found.is_some_and(runs)) {
            let question = Question::Safe { instance: (*id).clone(), rule: rule.name.clone() };
            asks.push(ask(rule.name.as_str(), Some(id), What::Question(question), false));
        }
    }
    asks
}

fn seen<'i>(inventory: &'i Inventory, id: &InstanceId) -> Option<&'i InstanceObservation> {
    inventory.hosts.get(&id.host)?.seen()?.instances.get(id.role.as_str())
}

const fn runs(found: &InstanceObservation) -> bool {
    matches!(found.process, ProcessObservation::Running(_))
}

/// Whether it serves at the version that it runs: one that is to be upgraded is not broken.
fn serves(wanted: &DesiredInstance, found: &InstanceObservation) -> Question {
    let version = found.version_of(&wanted.module.name);
    Question::Serves { instance: wanted.id.clone(), version }
}

/// Why an instance that does not run holds a rollout.
fn down(found: Option<&InstanceObservation>) -> Verdict {
    let held = found.and_then(|found| found.held.as_ref());
    let says = match held {
        Some(held) => format!("it does not run, and is held by {}: {}", held.by, held.why),
        None => "it does not run: a rollout starts it, and waits for it, before it touches another one".to_owned(),
    };
    Verdict { holds: false, unknown: false, says }
}

/// One answer, with a second look where that is needed.
async fn answer(services: &dyn Services, ask: &Ask<'_>, deadline: Instant) -> Verdict {
    let first = look(services, &ask.what, deadline).await;
    let known = matches!(ask.what, What::Known(_));
    if known || (first.holds && !ask.twice) || Instant::now() + PAUSE >= deadline {
        return first;
    }
    sleep(PAUSE).await;
    let second = look(services, &ask.what, deadline).await;
    // What holds once and not twice, or only the second time where both count, is not settled yet.
    if ask.twice && !first.holds && second.holds {
        sleep(PAUSE).await;
        return look(services, &ask.what, deadline).await;
    }
    second
}

async fn look(services: &dyn Services, what: &What, deadline: Instant) -> Verdict {
    let began = Instant::now();
    let deadline = deadline.min(began + ANSWER_WITHIN);
    let work = async {
        match what {
            What::Known(verdict) => verdict.clone(),
            What::Question(question) => services.ask(question).await,
            What::Leader(members) => leader(services, members).await,
        }
    };
    let late = |_| Verdict {
        holds: false,
        unknown: false,
        says: format!("no answer within {} s", (deadline - began).as_secs()),
    };
    timeout_at(deadline, work).await.unwrap_or_else(late)
}

/// Whether somebody leads: nothing is stopped while nobody can say who goes last.
async fn leader(services: &dyn Services, members: &[InstanceId]) -> Verdict {
    let mut why = None;
    for id in members {
        let verdict = services.ask(&Question::GoesLast(id.clone())).await;
        if verdict.holds {
            return Verdict { holds: true, unknown: false, says: format!("{id} goes last") };
        }
        why = why.or(Some(verdict.says).filter(|says| !says.is_empty()));
    }
    Verdict { holds: false, unknown: false, says: why.unwrap_or_else(|| "nobody leads".to_owned()) }
}
