//! What each operation does to a simulated machine.

use super::host::SimHost;
use super::machine::{BY_HAND, Generation, INIT, Instance, Machine, NOBODY, Process};
use super::observe;
use super::trace::Effect;
use super::world::World;
use crate::desired::{DesiredHost, DesiredInstance, Place, Software, Supervisor, UNIT_FOLDER};
use crate::host::{Failure, HostError, Op};
use crate::inventory::{HeldWhat, SoftwareObservation};
use crate::model::{Digest, InstanceId, OnChange, SupervisorKind};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

impl SimHost {
    /// The controller dies in the middle: what was written aside is left behind.
    pub(super) fn interrupted(&self, op: &Op) {
        let left = match op {
            Op::Fetch { software, .. } => {
                software.parts.first().map(|part| format!("install/.tmp-{}", part.file_name()))
            }
            Op::Assemble { software, .. } => Some(format!("software/.tmp-{}", software.folder)),
            Op::Render { instance, .. } => {
                Some(format!("conf/{}/.tmp-{}", instance.id.role, instance.content_generation))
            }
            _ => None,
        };
        if let Op::Switch { instance, to, .. } = op
            && let Some(machine) = self.cluster.world().hosts.get_mut(&self.name)
        {
            // Pointed, and the unit not yet put in place.
            let units = machine.units.clone();
            let _ = self.switch(machine, instance, *to);
            machine.units = units;
        }
        if let (Some(left), Some(machine)) = (left, self.cluster.world().hosts.get_mut(&self.name)) {
            machine.debris.insert(left);
        }
    }

    /// What the operation does.
    pub(super) async fn effect(&self, op: &Op) -> Result<(), HostError> {
        match op {
            Op::Stop { instance, within, .. } => self.stop(instance, *within, true).await,
            Op::StopUnsupervised { instance, within, stranger, .. } => {
                self.take_over(instance, *stranger)?;
                self.stop(instance, *within, false).await
            }
            _ => {
                let mut world = self.cluster.world();
                self.at_once(world.settled(), op)
            }
        }
    }

    /// What somebody has started by hand is only signalled once it is recorded, and that it is when it is the one that was
    /// planned for.
    fn take_over(&self, instance: &DesiredInstance, stranger: Option<(u32, u64)>) -> Result<(), HostError> {
        let mut world = self.cluster.world();
        let one = world.hosts.get_mut(&self.name).and_then(|host| host.instances.get_mut(instance.id.role.as_str()));
        let Some(process) = one.and_then(|one| one.process.as_mut()) else { return Ok(()) };
        if process.parent != BY_HAND {
            return Ok(());
        }
        if stranger != Some((process.pid, observe::start_time(process.pid))) {
            return Err(self.error(Failure::Stop, "that process was not meant"));
        }
        process.parent = NOBODY;
        Ok(())
    }

    async fn stop(&self, instance: &DesiredInstance, within: Duration, supervised: bool) -> Result<(), HostError> {
        let until = {
            let mut world = self.cluster.world();
            let world = world.settled();
            let (stop, stuck) = (world.behaviour.stop, world.faults.stuck.contains(&instance.id));
            let supervisor = world.hosts.get(&self.name).and_then(|machine| machine.supervisor);
            let Some(process) = world.process(&instance.id) else { return Ok(()) };
            if supervised && process.parent != INIT && supervisor != Some(process.parent) {
                return Err(self.error(Failure::Stop, format!("{} is not under this supervisor", instance.id.role)));
            }
            if process.ends.is_none() {
                let safe = world.safe_to_stop(&instance.id).is_ok();
                if world.left(&instance.id).is_empty() {
                    world.emptied.insert(instance.id.clone());
                }
                world.note(Effect::Stop { instance: instance.id.clone(), safe });
            }
            let until = Instant::now() + if stuck { within * 2 } else { stop };
            let one =
                world.hosts.get_mut(&self.name).and_then(|host| host.instances.get_mut(instance.id.role.as_str()));
            let until = match one.and_then(|one| one.process.as_mut()) {
                Some(process) => *process.ends.get_or_insert(until),
                None => return Ok(()),
            };
            world.shake(&instance.id);
            until
        };
        if until.saturating_duration_since(Instant::now()) > within {
            sleep(within).await;
            return Err(self.error(Failure::Stuck, format!("{} has not ended within {within:?}", instance.id.role)));
        }
        tokio::time::sleep_until(until).await;
        self.cluster.world().settled();
        Ok(())
    }

    /// Operations without waiting.
    fn at_once(&self, world: &mut World, op: &Op) -> Result<(), HostError> {
        let missing = || self.error(Failure::Unreachable, "no such host");
        let machine = world.hosts.get_mut(&self.name).ok_or_else(missing)?;
        let mut wrote: Vec<String> = Vec::new();
        if !machine.prepared && !matches!(op, Op::Prepare { .. } | Op::Install { .. } | Op::Record { .. }) {
            return Err(self.error(Failure::Stop, "the host is not prepared"));
        }
        match op {
            Op::Prepare { host, instances, debris } => {
                machine.prepared = true;
                wrote.push(host.prefix.clone());
                for instance in instances {
                    machine.instances.entry(instance.id.role.to_string()).or_default();
                    wrote.extend([instance.conf_dir.clone(), instance.data_dir.clone(), instance.log_dir.clone()]);
                }
                for left in debris {
                    machine.debris.remove(left);
                    wrote.push(format!("{}/{left}", host.prefix));
                }
            }
            Op::Fetch { host, software } => {
                if world.faults.corrupt.contains(&self.name) {
                    return Err(self.error(Failure::Stop, format!("{}: the sha256 is wrong", software.folder)));
                }
                for part in &software.parts {
                    machine.artifacts.insert(part.file_name());
                    machine.debris.remove(&format!("install/.tmp-{}", part.file_name()));
                    wrote.push(format!("{}/install/{}", host.prefix, part.file_name()));
                }
            }
            Op::Assemble { host, software } => {
                self.assemble(machine, software)?;
                wrote.push(format!("{}/software/{}", host.prefix, software.folder));
            }
            Op::Render { instance, .. } => {
                render(machine, instance);
                wrote.push(format!("{}/{}", instance.conf_dir, instance.content_generation));
            }
            Op::Supervise { host } => {
                let pid = world.pid();
                let machine = world.hosts.get_mut(&self.name).ok_or_else(missing)?;
                if let Supervisor::Supervisord(own) = &host.supervisor {
                    machine.supervisor.get_or_insert(pid);
                    machine.supervisor_config = Some(Digest::of(own.config.as_bytes()));
                    wrote.push(own.config_path.clone());
                }
                let digest = |text: &String| Digest::of(text.as_bytes());
                let boot = host.boot.as_ref();
                let boot = boot.map(|boot| (host.boot_unit(), digest(&boot.script), digest(&boot.unit)));
                let (script, unit) = (format!("{}/bin/boot", host.prefix), host.boot_unit());
                let part = |boot: &Option<(String, Digest, Digest)>| {
                    boot.as_ref().map_or((None, None), |(_, script, unit)| (Some(*script), Some(*unit)))
                };
                let (is, will) = (part(&machine.boot), part(&boot));
                wrote.extend((is.0 != will.0).then_some(script));
                wrote.extend((is.1 != will.1).then(|| format!("{UNIT_FOLDER}/{unit}")));
                machine.boot = boot;
            }
            Op::Provide { host, keep, set } => {
                machine.provide(keep, set);
                wrote.push(host.kernel_file());
            }
            Op::Install { packages, .. } => wrote.extend(machine.install(packages)),
            Op::Retire { .. } => {
                let own = machine.supervisor;
                let under = |one: &&Instance| one.process.is_some_and(|process| Some(process.parent) == own);
                if machine.instances.values().any(|one| under(&one)) {
                    return Err(self.error(Failure::Stop, "something still runs under the supervisor"));
                }
                machine.supervisor = None;
            }
            Op::Switch { instance, to, .. } => {
                world.note(Effect::Switch { instance: instance.id.clone(), to: *to });
                let machine = world.hosts.get_mut(&self.name).ok_or_else(missing)?;
                wrote = self.switch(machine, instance, *to)?;
            }
            Op::Start { instance, first, host } => self.start(world, host, instance, *first)?,
            Op::Accept { instance, .. } => {
                if let Some(one) = machine.instances.get_mut(instance.id.role.as_str()) {
                    one.trial = None;
                }
                wrote.push(format!("{}/trial", instance.conf_dir));
            }
            Op::Reload { instance, .. } => {
                let one = machine.instances.get_mut(instance.id.role.as_str());
                let Some(one) = one.filter(|one| one.process.is_some()) else {
                    return Err(self.error(Failure::Stop, "it does not run"));
                };
                one.reload_owed = false;
                world.note(Effect::Reload { instance: instance.id.clone() });
            }
            Op::WriteUndo { host, name, record } => {
                machine.undo.insert(name.clone(), record.clone());
                wrote.push(format!("{}/run/undo/{name}", host.prefix));
            }
            Op::RemoveUndo { host, name } => {
                machine.undo.remove(name);
                wrote.push(format!("{}/run/undo/{name}", host.prefix));
            }
            Op::Hold { host, instance, held } => {
                machine.instances.entry(instance.id.role.to_string()).or_default().held.clone_from(held);
                wrote.push(format!("{}/run/{}.held", host.prefix, instance.id.role));
                world.note(Effect::Hold { instance: instance.id.clone(), held: held.is_some() });
            }
            Op::Collect { host, keep } => {
                let paths = collect(machine, host, keep);
                if !paths.is_empty() {
                    world.note(Effect::Removed { host: self.name.clone(), paths });
                }
            }
            Op::Drained { instance, .. } => machine.drained(instance.id.role.as_str()),
            Op::Withdraw { instance, .. } => {
                let role = instance.id.role.as_str();
                if machine.instances.get(role).is_some_and(|one| one.process.is_some()) {
                    return Err(self.error(Failure::Stop, format!("{role} still runs")));
                }
                if machine.instances.remove(role).is_some_and(|one| one.has_data) {
                    machine.left_data.insert(role.to_owned());
                }
                machine.units.remove(&instance.unit);
                let drained = world.emptied.contains(&instance.id);
                world.members.remove(&instance.id);
                world.note(Effect::Withdrawn { instance: instance.id.clone(), drained });
            }
            Op::Purge { role, .. } => {
                machine.left_data.remove(role.as_str());
                world.note(Effect::Purged { instance: InstanceId::new(role.clone(), self.name.clone()) });
            }
            Op::Record { host, run, line } => {
                machine.history.entry(run.clone()).or_default().push(line.clone());
                wrote.push(format!("{}/log/history/{run}.jsonl", host.prefix));
                world.note(Effect::Recorded { host: self.name.clone(), line: line.clone() });
            }
            Op::Stop { .. } | Op::StopUnsupervised { .. } => {}
        }
        if !wrote.is_empty() {
            world.note(Effect::Wrote { host: self.name.clone(), paths: wrote });
        }
        Ok(())
    }

    fn assemble(&self, machine: &mut Machine, software: &Software) -> Result<(), HostError> {
        if let Some(part) = software.parts.iter().find(|part| !machine.artifacts.contains(&part.file_name())) {
            return Err(self.error(Failure::Stop, format!("{} is not there", part.file_name())));
        }
        machine.software.insert(software.folder.clone(), SoftwareObservation::Intact);
        Ok(())
    }

    fn switch(&self, machine: &mut Machine, instance: &DesiredInstance, to: Digest) -> Result<Vec<String>, HostError> {
        let one = machine.instances.entry(instance.id.role.to_string()).or_default();
        let Some(new) = one.generation(&to).cloned() else {
            return Err(self.error(Failure::Stop, format!("generation {} is not there", to.short())));
        };
        let mut wrote = vec![format!("{}/current", instance.conf_dir)];
        if to == instance.content_generation {
            for file in instance.files.iter() {
                if let Place::Absolute(path) = &file.place {
                    one.placed.insert(path.clone(), (file.sha256, file.mode, file.content.to_string()));
                    wrote.push(path.clone());
                }
            }
        }
        let unit = new.files.get(SupervisorKind::Systemd.entry()).map(|file| file.0);
        let name = instance.unit.clone();
        if machine.units.get(&name).copied() != unit {
            wrote.push(format!("{UNIT_FOLDER}/{name}"));
        }
        match unit {
            Some(unit) => machine.units.insert(name, unit),
            None => machine.units.remove(&name),
        };
        let old = one.current.and_then(|current| one.generation(&current).cloned());
        let reloads = instance.files.iter().filter(|file| file.on_change == OnChange::Reload);
        for file in reloads {
            let Place::Generation(path) = &file.place else { continue };
            let before = old.as_ref().and_then(|old| old.files.get(path)).map(|file| file.0);
            if one.process.is_some() && before != new.files.get(path).map(|file| file.0) {
                one.reload_owed = true;
            }
        }
        let on_trial = one.trial.is_some() && one.trial == one.current && one.previous.is_some();
        if one.previous == Some(to) {
            (one.previous, one.trial) = (None, None);
        } else if one.current.is_some_and(|current| current != to) {
            one.previous = if on_trial { one.previous } else { one.current };
            one.trial = Some(to);
        }
        one.current = Some(to);
        Ok(wrote)
    }

    fn start(
        &self,
        world: &mut World,
        host: &DesiredHost,
        instance: &DesiredInstance,
        first: bool,
    ) -> Result<(), HostError> {
        let stop = |message: &str| self.error(Failure::Stop, message);
        let pid = world.pid();
        let may_start = world.may_start();
        let machine = world.hosts.get_mut(&self.name).ok_or_else(|| stop("no such host"))?;
        let watcher = machine.supervisor;
        let unit = machine.units.get(&instance.unit).copied();
        let intact = machine.software.clone();
        let one = machine.instances.entry(instance.id.role.to_string()).or_default();
        if one.process.is_some_and(|process| process.ends.is_none()) {
            return Ok(());
        }
        if one.held.as_ref().is_some_and(|held| held.what == HeldWhat::Stopped) {
            return Err(stop("it is held"));
        }
        let current = one.current.ok_or_else(|| stop("it has no current generation"))?;
        let generation = one.generation(&current).ok_or_else(|| stop("its generation is gone"))?.clone();
        let own = |folder: &&String| host.software.get(*folder).is_none_or(|software| !software.parts.is_empty());
        if generation.software.iter().filter(own).any(|folder| intact.get(folder) != Some(&SoftwareObservation::Intact))
        {
            return Err(stop("its software is not there"));
        }
        let parent = match generation.supervisor() {
            SupervisorKind::Supervisord => watcher.ok_or_else(|| stop("the supervisor does not run"))?,
            SupervisorKind::Systemd => {
                let wanted = generation.files.get(SupervisorKind::Systemd.entry()).map(|file| file.0);
                if unit != wanted {
                    return Err(stop("its unit is not in place"));
                }
                INIT
            }
        };
        let id = instance.id.clone();
        world.note(Effect::Start { instance: id.clone(), generation: Some(current), first });
        if world.faults.bad.contains_key(&current) {
            world.start_failed();
        }
        if !may_start {
            return Err(stop("no space left on device"));
        }
        let one = world.hosts.get_mut(&self.name).and_then(|machine| machine.instances.get_mut(id.role.as_str()));
        if let Some(Instance { process, dead, has_data, drained, reload_owed, .. }) = one {
            let (content, restart) = (generation.content, generation.restart);
            *process = Some(Process { pid, started: Instant::now(), content, restart, parent, ends: None });
            (*dead, *has_data, *drained, *reload_owed) = (None, true, false, false);
        }
        Ok(())
    }
}

/// Writes a generation; one of the same name is replaced.
fn render(machine: &mut Machine, instance: &DesiredInstance) {
    let files = instance.files.iter().filter_map(|file| match &file.place {
        Place::Generation(path) => Some((path.clone(), (file.sha256, file.mode, file.content.to_string()))),
        Place::Absolute(_) => None,
    });
    let generation = Generation {
        content: instance.content_generation,
        restart: instance.restart_generation,
        files: files.collect(),
        software: instance.software.to_vec(),
        about: instance.about(),
    };
    let one = machine.instances.entry(instance.id.role.to_string()).or_default();
    one.generations.retain(|old| old.content != generation.content);
    one.generations.insert(0, generation);
}

/// Removes what nothing uses any more: never what `current` names or a process runs.
fn collect(machine: &mut Machine, host: &DesiredHost, keep: &BTreeSet<String>) -> Vec<String> {
    let mut gone = Vec::new();
    let mut used: BTreeSet<String> = keep.clone();
    for (role, one) in &mut machine.instances {
        let (current, runs) = (one.current, one.process.map(|process| process.content));
        let mut place = 0;
        one.generations.retain(|generation| {
            place += 1;
            let kept = place <= 3 || Some(generation.content) == current || Some(generation.content) == runs;
            if kept {
                used.extend(generation.software.iter().cloned());
            } else {
                gone.push(format!("{}/conf/{role}/{}", host.prefix, generation.content));
            }
            kept
        });
    }
    let unused: Vec<String> = machine.software.keys().filter(|folder| !used.contains(*folder)).cloned().collect();
    for folder in unused {
        machine.software.remove(&folder);
        gone.push(format!("{}/software/{folder}", host.prefix));
    }
    gone
}
