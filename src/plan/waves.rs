//! Canary and rest of a running service: tier by tier, role by role, never more than the budget.

use super::facts::{Facts, Need};
use super::roll::{self, Manner};
use super::safety;
use super::sequence::Draft;
use super::service::{Progress, Service, is_changed};
use super::{Note, PickRule, Reason, StepId, StepKind, Wave};
use crate::model::{HostName, RoleId};
use std::collections::BTreeSet;

/// Which hosts a pass over the services is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// All of them; each role has its own canary.
    EachRole,
    /// The hosts that converge whole before any other is touched.
    CanaryHosts(BTreeSet<HostName>),
    /// The hosts after those.
    OtherHosts(BTreeSet<HostName>),
}

impl Pass {
    pub(super) fn covers(&self, facts: &Facts<'_>) -> bool {
        let host = &facts.id().host;
        match self {
            Self::EachRole => true,
            Self::CanaryHosts(hosts) => hosts.contains(host),
            Self::OtherHosts(hosts) => !hosts.contains(host),
        }
    }

    pub(super) fn is_canary(&self) -> bool {
        matches!(self, Self::CanaryHosts(_))
    }
}

/// What is changed while the service runs.
pub(super) struct Waves<'w, 'p, 'a> {
    pub(super) disturbed: Vec<&'p Facts<'a>>,
    pub(super) pass: &'w Pass,
}

/// Some candidates for one wave.
struct Pick<'f, 'a> {
    candidates: &'f [&'f Facts<'a>],
    wave: Wave,
    take: usize,
    except: Option<StepId>,
    /// How many of `candidates` the step `except` takes.
    taken: usize,
    manner: Manner,
    name: String,
}

impl<'p, 'a> Waves<'_, 'p, 'a> {
    /// Adds the waves of all tiers and roles.
    pub(super) fn plan(self, service: &mut Service<'p, 'a>) -> Progress {
        for stage in service.stages.clone() {
            let roles: BTreeSet<&RoleId> = stage.instances.iter().map(|id| &id.role).collect();
            for (role, need) in roles.into_iter().flat_map(|role| NEEDS.map(|need| (role, need))) {
                let candidates: Vec<&Facts<'a>> = self
                    .disturbed
                    .iter()
                    .copied()
                    .filter(|facts| stage.has(facts.id()))
                    .filter(|facts| facts.id().role == *role && facts.need == need)
                    .collect();
                if !candidates.is_empty() && !self.role(service, role, need, &candidates) {
                    return Progress::Partial;
                }
            }
        }
        Progress::Complete
    }

    /// The canary of a role, then its rest; whether nothing is left for later.
    fn role(&self, service: &mut Service<'p, 'a>, role: &RoleId, need: Need, candidates: &[&Facts<'a>]) -> bool {
        let rollout = &service.input.desired.rollout;
        let total = candidates.len();
        let wanted = usize::try_from(rollout.canary).unwrap_or(total).min(total);
        let canaries = match self.pass {
            Pass::EachRole => wanted,
            Pass::CanaryHosts(_) => total,
            // A role that nothing of was changed on the canary hosts has a canary of its own.
            Pass::OtherHosts(hosts) => {
                let earlier = |facts: &Facts<'_>| {
                    facts.id().role == *role
                        && facts.need == need
                        && is_changed(facts)
                        && hosts.contains(&facts.id().host)
                };
                if service.work().any(earlier) { 0 } else { wanted }
            }
        };
        let mut except = None;
        if canaries > 0 {
            let manner = Manner { soak: Some(rollout.soak), ..service.manner() };
            let name = format!("canary {role}");
            let pick = Pick { candidates, wave: Wave::Canary, take: canaries, except: None, taken: 0, manner, name };
            except = pick.add(service, 1);
        }
        let rest = total - canaries;
        if rest == 0 {
            return true;
        }
        if service.input.options.canary_only {
            let rest = candidates.iter().map(|facts| facts.id().clone()).collect();
            service.notes.push(Note::CanaryOnly { service: service.declared.name.clone(), rest });
            return false;
        }
        let mut batch = u32::try_from(service.batch()).unwrap_or(u32::MAX);
        if need == Need::Restart {
            let (of, all, up) = (service.declared, service.all, &service.up);
            batch = safety::budget(of, all, up, candidates, batch, service.safety);
        }
        let (manner, name) = (service.manner(), format!("rest {role}"));
        Pick { candidates, wave: Wave::Rest, take: rest, except, taken: canaries, manner, name }.add(service, batch);
        true
    }

    /// Restarts that repair: one at a time, each gated.
    pub(super) fn one_by_one(service: &mut Service<'p, 'a>, candidates: &[&'p Facts<'a>]) {
        let (of, all) = (service.declared, service.all);
        safety::budget(of, all, &service.up, candidates, 1, service.safety);
        let roles: BTreeSet<&RoleId> = candidates.iter().map(|facts| &facts.id().role).collect();
        for role in roles {
            let same = |facts: &&&Facts<'a>| facts.id().role == *role;
            let candidates: Vec<&Facts<'a>> = candidates.iter().filter(same).copied().collect();
            let (manner, take) = (service.manner(), candidates.len());
            let name = format!("repair {role}");
            let candidates = &candidates;
            Pick { candidates, wave: Wave::Repair, take, except: None, taken: 0, manner, name }.add(service, 1);
        }
    }
}

/// From most to least disturbing: what has to restart shows first whether the change is good.
const NEEDS: [Need; 3] = [Need::Restart, Need::Reload, Need::Place];

impl<'a> Pick<'_, 'a> {
    /// Adds the wave. Where the module has a rule who goes last, who goes first is only known then.
    fn add(self, service: &mut Service<'_, 'a>, budget: u32) -> Option<StepId> {
        if self.wave == Wave::Canary && self.candidates.iter().any(|facts| facts.need == Need::Restart) {
            let (of, all) = (service.declared, service.all);
            safety::budget(of, all, &service.up, self.candidates, 1, service.safety);
        }
        let led = service.declared.module.rolling.last.is_some() && self.candidates.len() > 1;
        if led { self.by_leader(service, budget) } else { self.by_name(service, budget) }
    }

    fn by_leader(self, service: &mut Service<'_, 'a>, budget: u32) -> Option<StepId> {
        let mut reason: Vec<Reason> = Vec::new();
        for one in self.candidates.iter().flat_map(|facts| &facts.reasons) {
            if !reason.contains(one) {
                reason.push(one.clone());
            }
        }
        let members = service.members();
        let candidates = self.candidates.iter().map(|facts| roll::roll(facts, members.clone(), self.manner)).collect();
        let take = u32::try_from(self.take).unwrap_or(u32::MAX);
        let kind = StepKind::PickNext { candidates, rule: PickRule::LeaderLast, budget, take, except: self.except };
        let mut draft = Draft::new(self.name, kind, reason).in_wave(self.wave);
        draft.no_return = self.candidates.iter().any(|facts| facts.no_return());
        service.sequence.group(vec![draft])
    }

    fn by_name(self, service: &mut Service<'_, 'a>, budget: u32) -> Option<StepId> {
        let members = service.members();
        let draft = |facts: &&Facts<'a>| {
            let kind = StepKind::Roll(roll::roll(facts, members.clone(), self.manner));
            let verb = if facts.need == Need::Place { "place" } else { "roll" };
            let mut draft =
                Draft::new(format!("{verb} {}", facts.id()), kind, facts.reasons.clone()).in_wave(self.wave);
            draft.no_return = facts.no_return();
            draft
        };
        let batch = usize::try_from(budget).unwrap_or(1).max(1);
        let chosen: Vec<Draft> = self.candidates.iter().skip(self.taken).take(self.take).map(draft).collect();
        let mut first = None;
        for group in chosen.chunks(batch) {
            let id = service.sequence.group(group.to_vec());
            first = first.or(id);
        }
        first
    }
}
