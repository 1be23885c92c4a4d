//! Whether an instance may be stopped now: the module's own rules, the service's budget, and its quorum. What can't be
//! told counts as unsafe; unsafe is waited for, and never overruled.

use super::events::Subject;
use super::gate::Wait;
use super::mutation::Mutation;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{Life, Question};
use crate::inventory::{HeldWhat, ProcessObservation, Verdict};
use crate::model::{HostName, InstanceId, Per};
use crate::plan::{Action, GateKind, Refusal, Roll, Step, Wave};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long an instance may be unsafe to stop before the rollout stops, when the module has no `healthy` gate to take the
/// limit from.
const WITHIN: Duration = Duration::from_mins(10);

impl Run<'_> {
    /// Waits until the instance may be stopped, and reserves its place in the budget.
    pub(crate) async fn check_safe(&self, step: &Step, roll: &Roll, instance: &DesiredInstance) -> Result<(), Trouble> {
        let _alone = self.safety.lock().await;
        if !self.mutated(Mutation::SafetyIgnored) {
            let wait = Wait {
                step: &step.id,
                subject: Subject::Instance(roll.instance.clone()),
                what: "safe to stop",
                within: instance.module.healthy.as_ref().map_or(WITHIN, |gate| gate.within),
                twice: false,
                process: None,
                ends_when_halting: true,
            };
            let safe = self.wait_for(&wait, || self.safety(step, roll, instance)).await;
            safe.map_err(|trouble| match trouble.cause {
                Cause::Gate => Trouble { cause: Cause::Unsafe, ..trouble },
                _ => trouble,
            })?;
        }
        let mut state = self.state();
        state.disturbed.insert(roll.instance.clone());
        state.stopping.insert(roll.instance.clone());
        Ok(())
    }

    /// One look.
    async fn safety(&self, step: &Step, roll: &Roll, instance: &DesiredInstance) -> Verdict {
        let unsafe_ = |says: String| Verdict { holds: false, unknown: false, says };
        match self.host(&instance.id.host) {
            Err(trouble) => return unsafe_(trouble.why),
            // What does not run can't be stopped.
            Ok(host) => match host.life(instance).await {
                Err(error) => return unsafe_(error.to_string()),
                Ok(Life::Down { .. }) => {
                    return Verdict { holds: true, unknown: false, says: "it does not run".to_owned() };
                }
                Ok(Life::Running { .. }) => {}
            },
        }
        let services = self.platform.services();
        let hands_over = matches!(roll.actions.first(), Some(Action::IfLeads));
        let mine = self.serves(&instance.id);
        // One that was broken when the plan was made, and still is, takes nothing away by being stopped; and rules that ask
        // it would never let it be repaired, or be kept down.
        if matches!(step.wave, Some(Wave::Repair | Wave::Stop)) && !services.ask(&mine).await.holds {
            return Verdict { holds: true, unknown: false, says: "it does not serve".to_owned() };
        }
        // What is not well is not disturbed: the gate could only fail afterwards. Another one of the same batch may be down.
        // What goes back may be why it is not well.
        let back = |action: &Action| matches!(action, Action::Hold { what: HeldWhat::RolledBack, .. });
        let rolls = !matches!(step.wave, Some(Wave::Repair | Wave::Recreate))
            && instance.module.healthy.is_some()
            && !roll.actions.iter().any(back);
        if rolls && self.state().disturbed.iter().all(|other| !self.is_mate(other, instance)) {
            // Whoever is about to stop is still there.
            let mut members = roll.members.to_vec();
            // One that the others' files no longer name is no part of that any more, unless it leads them still.
            let unnamed = instance.votes && instance.module.by_file && !hands_over;
            if !unnamed && !members.contains(&instance.id) {
                members.push(instance.id.clone());
            }
            let (service, gate) = (roll.service.clone(), GateKind::Healthy);
            let verdict = services.ask(&Question::Service { service, gate, members }).await;
            if !verdict.holds {
                return unsafe_(format!("{} is not healthy: {}", roll.service, verdict.says));
            }
        }
        // Two that are safe to stop alone may not be safe to stop together: the rules are asked when the other one is down.
        if !instance.module.safe_to_stop.is_empty()
            && let Some(other) = self.stopping_beside(instance)
        {
            return unsafe_(format!("{other} is about to stop"));
        }
        // What leaves without being drained keeps the last copy of something, and that was taken on.
        let taken_on = step.wave == Some(Wave::Leave)
            && !roll.actions.iter().any(|action| matches!(action, Action::Drain { .. } | Action::Start { .. }));
        for rule in instance
            .module
            .safe_to_stop
            .iter()
            .filter(|rule| rule.passes || !taken_on)
            .filter(|rule| !self.waived(instance.module.rule(rule.name.as_str()).as_str()))
        {
            let question = Question::Safe { instance: instance.id.clone(), rule: rule.name.clone() };
            let verdict = services.ask(&question).await;
            if !verdict.holds {
                return unsafe_(format!("{}: {}", rule.name, verdict.says));
            }
        }
        // All of the service are stopped together: that is what the strategy asks for.
        if step.wave == Some(Wave::Recreate) {
            return Verdict { holds: true, unknown: false, says: "all are replaced together".to_owned() };
        }
        let mut others = self.others(instance);
        if hands_over {
            // That comes before anybody gets a list with the new ones: what never served is no member yet, and it can't
            // start before there is room again.
            others.retain(|(id, votes)| !votes || !self.never_served(id));
        }
        let down = self.down(&others).await;
        self.budget(instance, &down)
            .or_else(|| self.quorum(instance, &others, &down))
            .map_or_else(|| Verdict { holds: true, unknown: false, says: "enough others serve".to_owned() }, unsafe_)
    }

    /// Whether a canary may be stopped once more, to go back. Only budget and quorum are asked: the module's own rules may
    /// fail because of this very canary, and what does not serve takes nothing away.
    pub(crate) async fn may_go_back(&self, instance: &DesiredInstance) -> Result<(), Trouble> {
        let services = self.platform.services();
        if !services.ask(&Question::Ready(instance.id.clone())).await.holds {
            return Ok(());
        }
        // Of what is replaced together nothing else runs now.
        if self.state().recreated.iter().any(|other| self.is_mate(other, instance)) {
            return Ok(());
        }
        let others = self.others(instance);
        let down = self.down(&others).await;
        match self.quorum(instance, &others, &down).or_else(|| self.budget(instance, &down)) {
            None => Ok(()),
            Some(why) => Err(Trouble::new(Cause::Unsafe, format!("it serves and is needed: {why}"))),
        }
    }

    /// Those of the others that do not serve, or that this run has disturbed.
    async fn down<'i>(&self, others: &[(&'i InstanceId, bool)]) -> BTreeSet<&'i InstanceId> {
        let services = self.platform.services();
        let asked = others.iter().map(|(id, _)| {
            let (question, services) = (self.serves(id), &services);
            async move { services.ask(&question).await.holds }
        });
        let verdicts = join_all(asked).await;
        let disturbed = self.state().disturbed.clone();
        let pairs = others.iter().zip(verdicts);
        pairs.filter(|((id, _), ready)| !*ready || disturbed.contains(*id)).map(|((id, _), _)| *id).collect()
    }

    /// Whether an instance serves, at the version that it runs: the declared one when this run has started it.
    pub(crate) fn serves(&self, id: &InstanceId) -> Question {
        if self.state().started.contains(id) {
            return self.serving(id);
        }
        let module = self.desired.instances.get(id).map(|one| &one.module.name.value);
        let seen = self.observed(&id.host).and_then(|host| host.instances.get(id.role.as_str()));
        let version = module.zip(seen).and_then(|(module, seen)| seen.version_of(module));
        Question::Serves { instance: id.clone(), version }
    }

    /// Another instance of the service that may be stopped and still runs.
    fn stopping_beside(&self, instance: &DesiredInstance) -> Option<InstanceId> {
        self.state().stopping.iter().find(|other| self.is_mate(other, instance)).cloned()
    }

    /// Whether it is another instance of the same service.
    fn is_mate(&self, other: &InstanceId, instance: &DesiredInstance) -> bool {
        *other != instance.id && self.desired.instances.get(other).is_some_and(|one| one.service == instance.service)
    }

    /// The other instances of the service that count: those that exist already, or were started in this run. Whether each
    /// votes.
    fn others(&self, instance: &DesiredInstance) -> Vec<(&InstanceId, bool)> {
        let exists = |id: &InstanceId| {
            let Some(host) = self.observed(&id.host) else { return true };
            let Some(seen) = host.instances.get(id.role.as_str()) else { return false };
            seen.current.is_some() || seen.process != ProcessObservation::Absent
        };
        let all = self.desired.services.get(&instance.service).map_or(&[][..], |service| &service.instances);
        let mates = all.iter().filter(|id| **id != instance.id).filter_map(|id| self.desired.instances.get(id));
        let started = &self.state().started;
        let counted = mates.filter(|one| started.contains(&one.id) || exists(&one.id));
        counted.map(|one| (&one.id, one.votes)).collect()
    }

    /// Whether an instance has been placed, and neither runs nor has data: a run was lost before its first start.
    fn never_served(&self, id: &InstanceId) -> bool {
        let host = self.observed(&id.host);
        let seen = host.and_then(|host| host.instances.get(id.role.as_str()));
        !self.state().started.contains(id)
            && seen.is_some_and(|seen| !seen.has_data && seen.process == ProcessObservation::Absent)
    }

    /// Why the budget has no room, if it has none.
    fn budget(&self, instance: &DesiredInstance, down: &BTreeSet<&InstanceId>) -> Option<String> {
        if self.waived(Refusal::MAX_UNAVAILABLE) || self.mutated(Mutation::BatchTooLarge) {
            return None;
        }
        let rolling = &instance.module.rolling;
        let of = self.desired.services.get(&instance.service).map_or(&[][..], |service| &service.instances);
        let all = match rolling.per {
            Per::Instance => of.len(),
            Per::Host => of.iter().map(|id| &id.host).collect::<BTreeSet<_>>().len(),
        };
        let allowed = rolling.max_unavailable.of(all);
        let taken = match rolling.per {
            Per::Instance => down.len() + 1,
            Per::Host => {
                let hosts: BTreeSet<&HostName> = down.iter().map(|id| &id.host).chain([&instance.id.host]).collect();
                hosts.len()
            }
        };
        (taken > allowed).then(|| format!("already down: {}", names(down)))
    }

    /// Why the quorum would be lost, if it would. One or two voters have none to lose: the plan has asked for that outage.
    fn quorum(
        &self,
        instance: &DesiredInstance,
        others: &[(&InstanceId, bool)],
        down: &BTreeSet<&InstanceId>,
    ) -> Option<String> {
        if !instance.votes || self.waived(Refusal::QUORUM) {
            return None;
        }
        let voters: Vec<_> = others.iter().filter(|(_, votes)| *votes).collect();
        let (all, up) = (voters.len() + 1, voters.iter().filter(|(id, _)| !down.contains(id)).count());
        (all > 2 && up <= all / 2).then(|| format!("{up} of {all} voters would be left; down: {}", names(down)))
    }

    /// Whether somebody has taken a refusal on.
    pub(crate) fn waived(&self, name: &str) -> bool {
        self.plan.refusals.iter().any(|refusal| refusal.name.as_str() == name && refusal.waived.is_some())
    }
}

fn names(ids: &BTreeSet<&InstanceId>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
