//! The observer: judges a trace by the invariants of ARCHITECTURE.md, from what is declared alone. It knows nothing of
//! steps, waves or the executor.

use super::declare::CHANGED;
use super::drive::Applied;
use es_cluster::desired::{Desired, DesiredInstance};
use es_cluster::diff::Change;
use es_cluster::model::{Digest, HostName, InstanceId, Per, RoleId, Scope, Strategy};
use es_cluster::sim::{Behaviour, Effect, Traced};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is judged, and what excuses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) behaviour: &'a Behaviour,
    /// Services whose version changes, so that a `recreate` may stop all of them.
    pub(crate) recreated: bool,
    /// Something was broken before: what repairs it is not a rollout.
    pub(crate) drifted: bool,
}

impl Watch<'_> {
    /// Every violation, in words.
    pub(crate) fn violations(&self, applied: &Applied) -> Vec<String> {
        let mut found = Vec::new();
        self.budget_and_quorum(applied, &mut found);
        self.canary_first(applied, &mut found);
        Self::stops_after_failure(applied, &mut found);
        self.stays_inside(applied, &mut found);
        self.leader_last(applied, &mut found);
        Self::recorded_before(applied, &mut found);
        Self::once(applied, &mut found);
        Self::staged_first(applied, &mut found);
        self.in_order(applied, &mut found);
        found
    }

    fn one(&self, id: &InstanceId) -> Option<&DesiredInstance> {
        self.desired.instances.get(id)
    }

    fn exempt(&self, one: &DesiredInstance) -> bool {
        self.recreated && !matches!(one.module.strategy, Strategy::Rolling)
    }

    /// Stops of instances that served, with what existed then.
    fn stops(applied: &Applied) -> Vec<(&Traced, InstanceId, bool, BTreeSet<InstanceId>)> {
        let mut existing = applied.existed.clone();
        let mut stops = Vec::new();
        for traced in &applied.trace {
            match &traced.effect {
                Effect::Start { instance, .. } => _ = existing.insert(instance.clone()),
                Effect::Stop { instance, safe } if traced.ready.contains(instance) => {
                    stops.push((traced, instance.clone(), *safe, existing.clone()));
                }
                _ => {}
            }
        }
        stops
    }

    fn budget_and_quorum(&self, applied: &Applied, found: &mut Vec<String>) {
        for (traced, id, safe, existing) in Self::stops(applied) {
            let Some(one) = self.one(&id).filter(|one| !self.exempt(one)) else { continue };
            let mates: Vec<&InstanceId> =
                existing.iter().filter(|mate| self.one(mate).is_some_and(|mate| mate.service == one.service)).collect();
            let down: BTreeSet<&InstanceId> =
                mates.iter().copied().filter(|mate| !traced.ready.contains(*mate) || **mate == id).collect();
            let count = match one.module.rolling.per {
                Per::Instance => down.len(),
                Per::Host => down.iter().map(|mate| &mate.host).collect::<BTreeSet<&HostName>>().len(),
            };
            let all = self.desired.services[&one.service].instances.len();
            let (batch, most) = (self.desired.rollout.batch.of(all), one.module.rolling.max_unavailable.of(all));
            let most = if self.drifted { most } else { most.min(batch) };
            if count > most {
                found.push(format!("{:?} {id} was stopped: {down:?} are down then, more than {most}", traced.at));
            }
            let voters: Vec<&&InstanceId> =
                mates.iter().filter(|mate| self.one(mate).is_some_and(|mate| mate.votes)).collect();
            let up = voters.iter().filter(|mate| !down.contains(**mate)).count();
            if one.votes && voters.len() > 2 && up <= voters.len() / 2 {
                found.push(format!("{:?} {id} was stopped: the quorum of {} is lost", traced.at, one.service));
            }
            if !safe && !one.module.safe_to_stop.is_empty() {
                found.push(format!("{:?} {id} was stopped although its rule says that it is not safe", traced.at));
            }
        }
    }

    /// The second instance of a role is only stopped when the first one has been healthy for the soak time.
    fn canary_first(&self, applied: &Applied, found: &mut Vec<String>) {
        let rollout = &self.desired.rollout;
        if self.drifted || rollout.canary == 0 {
            return;
        }
        if rollout.scope == Scope::Host {
            self.canary_hosts_first(applied, found);
            return;
        }
        let mut first: BTreeMap<RoleId, (InstanceId, Option<Duration>)> = BTreeMap::new();
        for traced in &applied.trace {
            match &traced.effect {
                Effect::Stop { instance, .. } if traced.ready.contains(instance) => {
                    let Some(one) = self.one(instance).filter(|one| !self.exempt(one)) else { continue };
                    let Some((canary, started)) = first.get(&one.id.role) else {
                        first.insert(one.id.role.clone(), (instance.clone(), None));
                        continue;
                    };
                    let watched = self.behaviour.start + self.behaviour.heal + rollout.soak;
                    let long = started.is_some_and(|started| traced.at >= started + watched);
                    if canary != instance && !(long && traced.ready.contains(canary)) {
                        found.push(format!("{:?} {instance} was stopped before {canary} was watched", traced.at));
                    }
                }
                Effect::Start { instance, .. } => {
                    if let Some((canary, started)) = first.get_mut(&instance.role)
                        && canary == instance
                    {
                        started.get_or_insert(traced.at);
                    }
                }
                _ => {}
            }
        }
    }

    /// With one host after the other: the others are only touched when the first ones have been healthy for the soak time.
    fn canary_hosts_first(&self, applied: &Applied, found: &mut Vec<String>) {
        let watched = self.behaviour.start + self.behaviour.heal + self.desired.rollout.soak;
        let mut canaries: BTreeSet<&HostName> = BTreeSet::new();
        let mut started: Option<Duration> = None;
        for traced in &applied.trace {
            match &traced.effect {
                Effect::Stop { instance, .. } if traced.ready.contains(instance) => {
                    let Some(_) = self.one(instance).filter(|one| !self.exempt(one)) else { continue };
                    let room = canaries.len() < usize::try_from(self.desired.rollout.canary).expect("small");
                    if room {
                        canaries.insert(&instance.host);
                    }
                    // Where nothing was restarted there is nothing to watch.
                    let soon = started.is_some_and(|started| traced.at < started + watched);
                    if !canaries.contains(&instance.host) && soon {
                        found.push(format!("{:?} {instance} was stopped before {canaries:?} were watched", traced.at));
                    }
                }
                Effect::Start { instance, .. } if canaries.contains(&instance.host) => started = Some(traced.at),
                Effect::Switch { instance, .. } if canaries.is_empty() && traced.ready.contains(instance) => {
                    canaries.insert(&instance.host);
                }
                _ => {}
            }
        }
    }

    /// After a failure nothing further is disturbed: only the instance that failed, and what was under way.
    fn stops_after_failure(applied: &Applied, found: &mut Vec<String>) {
        let mut failed = false;
        let mut touched: BTreeSet<String> = BTreeSet::new();
        for traced in &applied.trace {
            if let Effect::Recorded { line, .. } = &traced.effect
                && line.contains("\"failed\":")
            {
                failed = true;
                // The one that failed goes back, also when it was only waited for.
                let record: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
                touched.extend(record["subject"].as_str().map(str::to_owned));
            }
            let Some(instance) = traced.effect.disturbs() else { continue };
            if failed && !touched.contains(&instance.to_string()) {
                found.push(format!("{:?} {instance} was disturbed after a failure", traced.at));
            }
            touched.insert(instance.to_string());
        }
    }

    fn stays_inside(&self, applied: &Applied, found: &mut Vec<String>) {
        for traced in &applied.trace {
            let (Effect::Wrote { host, paths } | Effect::Removed { host, paths }) = &traced.effect else { continue };
            let Some(prefix) = self.desired.hosts.get(host).map(|host| &host.prefix) else { continue };
            let listed = |path: &&String| {
                let names = |change: &Change| match change {
                    Change::Unit { instance, path: at, .. } => instance.host == *host && at == *path,
                    Change::Boot { host: on, path: at, .. } | Change::Kernel { host: on, path: at, .. } => {
                        on == host && at == *path
                    }
                    Change::Packages { host: on, packages } => {
                        on == host && path.strip_prefix("package ").is_some_and(|name| packages.contains_key(name))
                    }
                    _ => false,
                };
                let outside = ["/etc/systemd/system/", "/etc/sysctl.d/", "package "];
                outside.iter().any(|folder| path.starts_with(folder)) && applied.plan.changes.iter().any(names)
            };
            for path in paths.iter().filter(|path| !listed(path)) {
                let below = path.strip_prefix(prefix.as_str());
                if !below.is_some_and(|rest| rest.is_empty() || (rest.starts_with('/') && !rest.contains(".."))) {
                    found.push(format!("{host} {path} is outside {prefix}"));
                }
                let data = below.is_some_and(|rest| rest.starts_with("/data"));
                if matches!(traced.effect, Effect::Removed { .. }) && data {
                    found.push(format!("{host} {path}: data was removed"));
                }
            }
            if !traced.locked {
                found.push(format!("{host} was written without its lock: {paths:?}"));
            }
        }
    }

    /// Who leads is stopped after all others of its role that are stopped while they serve.
    fn leader_last(&self, applied: &Applied, found: &mut Vec<String>) {
        // With one host after the other, the first host is fixed, whoever leads there; and leadership may move to another
        // one of the same batch when the first of them stops.
        let together = self.behaviour.leaders_move && self.desired.rollout.batch.of(2) > 1;
        if self.drifted || self.desired.rollout.scope == Scope::Host || together {
            return;
        }
        let stops = Self::stops(applied);
        for (index, (traced, id, ..)) in stops.iter().enumerate() {
            let Some(one) = self.one(id) else { continue };
            if one.module.rolling.last.is_none() || self.exempt(one) || !traced.leaders.contains(id) {
                continue;
            }
            let mut later = stops.iter().skip(index + 1).filter(|(_, other, ..)| other.role == id.role && other != id);
            if let Some((_, other, ..)) = later.next() {
                found.push(format!("{:?} {id} led, and was stopped before {other}", traced.at));
            }
        }
    }

    /// The journal before the effect, the undo record before the setting.
    fn recorded_before(applied: &Applied, found: &mut Vec<String>) {
        for traced in &applied.trace {
            match &traced.effect {
                Effect::Setting { service, value, recorded: false, .. } if *value == CHANGED => {
                    found.push(format!("{:?} a setting of {service} was changed without an undo record", traced.at));
                }
                effect if !traced.announced => {
                    found.push(format!("{:?} {effect:?} was not in the journal before", traced.at));
                }
                _ => {}
            }
        }
    }

    /// One stop and one start each, unless something failed.
    fn once(applied: &Applied, found: &mut Vec<String>) {
        if applied.outcome.as_ref().is_none_or(|outcome| outcome.exit_code() != 0) {
            return;
        }
        let mut starts: BTreeMap<&InstanceId, usize> = BTreeMap::new();
        for traced in &applied.trace {
            if let Effect::Start { instance, .. } = &traced.effect {
                *starts.entry(instance).or_default() += 1;
            }
        }
        for (instance, count) in starts.into_iter().filter(|(_, count)| *count > 1) {
            found.push(format!("{instance} was started {count} times"));
        }
    }

    /// Software and generations are there before the first instance is disturbed.
    fn staged_first(applied: &Applied, found: &mut Vec<String>) {
        let mut disturbed = false;
        for traced in &applied.trace {
            disturbed |= traced.effect.disturbs().is_some();
            let Effect::Wrote { paths, .. } = &traced.effect else { continue };
            let generation = |path: &str| path.rsplit('/').next().is_some_and(|last| Digest::parse(last).is_ok());
            let staged = |path: &&String| path.contains("/software/") || path.contains("/install/") || generation(path);
            if let Some(path) = paths.iter().find(staged).filter(|_| disturbed) {
                found.push(format!("{:?} {path} was staged after something was disturbed", traced.at));
            }
        }
    }

    /// A service starts for the first time when those before it serve.
    fn in_order(&self, applied: &Applied, found: &mut Vec<String>) {
        if self.drifted || !applied.existed.is_empty() {
            return;
        }
        for traced in &applied.trace {
            let Effect::Start { instance, .. } = &traced.effect else { continue };
            let Some(one) = self.one(instance) else { continue };
            let before = |other: &&DesiredInstance| {
                one.module.after.iter().any(|after| after.value.as_str() == other.module.name.as_str())
            };
            if let Some(missing) =
                self.desired.instances.values().filter(before).find(|one| !traced.ready.contains(&one.id))
            {
                found.push(format!("{:?} {instance} was started before {}", traced.at, missing.id));
            }
        }
    }
}
