//! What the rules of `safe-to-stop` say of instances, and those before a phase of a service, before a plan is shown.

use crate::desired::{Desired, DesiredInstance};
use crate::host::{Question, Services};
use crate::inventory::{Inventory, ProcessObservation, Seen, Verdict};
use crate::model::{InstanceId, SafetyRule};
use crate::plan::AskedBefore;
use futures::StreamExt as _;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Questions at a time.
const AT_ONCE: usize = 16;

/// How long all of them may take: somebody waits for the plan. What was not answered by then is not known, and is asked
/// again before the stop.
const WITHIN: Duration = Duration::from_secs(20);

/// The pause before the second look at what does not hold: a lost request is no proof.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the rules about these instances, and adds the answers to what was observed.
pub async fn safe(
    desired: &Desired,
    inventory: &mut Inventory,
    instances: &BTreeSet<InstanceId>,
    services: &dyn Services,
) {
    let deadline = Instant::now() + WITHIN;
    let wanted = instances.iter().filter_map(|id| desired.instance(id));
    let asks = wanted.flat_map(|one| rules(desired, one).iter().map(|rule| (&one.service, &one.id, &rule.name)));
    let answers = asks.map(|(service, id, rule)| async move {
        let question = Question::Safe { instance: id.clone(), rule: rule.clone() };
        (service, id, rule, timeout_at(deadline, ask(services, &question)).await.ok())
    });
    let mut answers = futures::stream::iter(answers).buffered(AT_ONCE);
    while let Some((service, id, rule, verdict)) = answers.next().await {
        if let (Some(verdict), Some(seen)) = (verdict, inventory.services.get_mut(service)) {
            seen.safe.entry(id.clone()).or_default().insert(rule.clone(), verdict);
        }
    }
}

/// What is asked before an instance is stopped: of one that leaves, whether what it keeps can be moved.
fn rules<'a>(desired: &Desired, one: &'a DesiredInstance) -> &'a [SafetyRule] {
    let drain = one.module.drain.as_ref().filter(|_| desired.leaving.contains_key(&one.id));
    drain.map_or(&one.module.safe_to_stop[..], |drain| &drain.rules[..])
}

async fn ask(services: &dyn Services, question: &Question) -> Verdict {
    let first = services.ask(question).await;
    if first.holds {
        return first;
    }
    sleep(PAUSE).await;
    services.ask(question).await
}

/// Asks what must hold before the phases that a plan begins with, and adds the answers to what was observed.
pub async fn before(inventory: &mut Inventory, asked: Vec<AskedBefore>, services: &dyn Services) {
    let deadline = Instant::now() + WITHIN;
    let asks = asked.into_iter().map(|AskedBefore { service, phase, rule, members }| async move {
        let question = Question::Before { service: service.clone(), phase, rule: rule.clone(), members };
        (service, rule, timeout_at(deadline, ask(services, &question)).await.ok())
    });
    let mut answers = futures::stream::iter(asks).buffered(AT_ONCE);
    while let Some((service, rule, verdict)) = answers.next().await {
        if let (Some(verdict), Some(seen)) = (verdict, inventory.services.get_mut(&service)) {
            seen.before.insert(rule, verdict);
        }
    }
}

/// All instances that run, of services that have such rules.
pub fn to_ask(desired: &Desired, inventory: &Inventory) -> BTreeSet<InstanceId> {
    let runs = |id: &InstanceId| {
        let host = inventory.hosts.get(&id.host).and_then(Seen::seen);
        let instance = host.and_then(|host| host.instances.get(id.role.as_str()));
        instance.is_some_and(|instance| matches!(instance.process, ProcessObservation::Running(_)))
    };
    let all = desired.instances.values().chain(desired.leaving.values());
    let with_rules = all.filter(|one| !rules(desired, one).is_empty());
    with_rules.map(|one| &one.id).filter(|id| runs(id)).cloned().collect()
}
