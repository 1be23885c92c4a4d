//! What a plan may not do: each rule by its name, judged from what is known before anything starts. Missing data
//! counts as unsafe. What only the live service can tell is asked again just before each stop.

use super::facts::{self, Facts};
use super::{Again, PlanInput, Refusal, Warning};
use crate::desired::{self, DesiredService, Supervisor, Supervisord};
use crate::diag::Place;
use crate::inventory::{Seen, SupervisorObservation, printable};
use crate::model::{Digest, HostName, InstanceId, Name, Per, Transport};
use std::collections::{BTreeMap, BTreeSet};

/// Collects refusals; the same one is said once.
#[derive(Debug, Default)]
pub(super) struct Safety {
    refusals: Vec<Refusal>,
    warnings: Vec<Warning>,
    /// What was said already.
    said: BTreeSet<(Name, String)>,
}

impl Safety {
    pub(super) fn refuse(&mut self, name: &str, message: String, help: &str) {
        let refusal = Refusal::called(name, message, help.to_owned());
        let new = |refusal: &Refusal| self.said.insert((refusal.name.clone(), refusal.message.clone()));
        self.refusals.extend(refusal.filter(new));
    }

    /// The same for what the file says at a place.
    pub(super) fn refuse_at(&mut self, name: &str, message: String, help: &str, place: Option<&Place>) {
        let before = self.refusals.len();
        self.refuse(name, message, help);
        let at = place.map(|place| format!("{}:{}:{}", place.file, place.line, place.column));
        for refusal in self.refusals.iter_mut().skip(before) {
            refusal.at.clone_from(&at);
        }
    }

    pub(super) fn warn(&mut self, name: &str, message: String) {
        let warning = Name::new(name).ok().map(|name| Warning { name, message });
        let new = |warning: &Warning| self.said.insert((warning.name.clone(), warning.message.clone()));
        self.warnings.extend(warning.filter(new));
    }

    /// The refusals, waived where somebody takes them on, and the warnings.
    pub(super) fn finish(mut self, input: &PlanInput<'_>) -> (Vec<Refusal>, Vec<Warning>) {
        let waivers = &input.options.waivers;
        self.not_asked(input);
        for refusal in &mut self.refusals {
            refusal.waived = waivers.get(&refusal.name).cloned();
        }
        for (name, _) in waivers.iter().filter(|(name, _)| !self.refusals.iter().any(|refusal| refusal.name == **name))
        {
            let message = format!("nothing was refused as {name}: its waiver has no effect");
            self.warnings.extend(Name::new("waiver").ok().map(|name| Warning { name, message }));
        }
        (self.refusals, self.warnings)
    }
}

impl Safety {
    /// What is asked right before a stop can be taken on before it is asked: the plan says so.
    fn not_asked(&mut self, input: &PlanInput<'_>) {
        let modules: BTreeMap<_, _> =
            input.desired.services.values().map(|one| (&one.module.name.value, &one.module)).collect();
        for module in modules.values() {
            for rule in &module.safe_to_stop {
                let name = module.rule(rule.name.as_str());
                let known = self.refusals.iter().any(|refusal| refusal.name == name);
                if !known && input.options.waivers.contains_key(&name) {
                    let message = format!("{}: its rule is not asked before a stop", module.name.value);
                    self.refuse(name.as_str(), message, "leave the waiver out, and it is");
                }
            }
        }
    }
}

/// Rules about the cluster as a whole, which do not depend on the order of steps.
pub(super) fn judge(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    unobserved(input, all, safety);
    unasked(input, all, safety);
    identities(input, all, safety);
    adoptions(input, all, safety);
    super::versions::judge(input, all, safety);
    ports(input, safety);
    memory(input, safety);
    supervisors(input, safety);
    privileges(input, safety);
    capabilities(input, safety);
}

/// The same for what changes nothing that is declared: only what has to be looked at and asked counts.
pub(super) fn judge_reach(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    unobserved(input, all, safety);
    if input.options.asked == Some(Again::Stop) {
        unasked(input, all, safety);
    }
}

/// Whether we may make what is missing: said before anything runs, not by the first step that fails.
fn privileges(input: &PlanInput<'_>, safety: &mut Safety) {
    for host in input.desired.hosts.values().filter(|host| !host.idle) {
        let Some(observed) = facts::observed(input, &host.name) else { continue };
        let Some(folder) = observed.closed.as_ref().filter(|_| !observed.prepared) else { continue };
        let (name, prefix) = (&host.name, &host.prefix);
        let (message, help) = if observed.uid == 0 {
            let message =
                format!("{name}: {folder} can't be written, not even by root, and {prefix} is to be made ready");
            (message, "look at its file system: is it mounted read-only?")
        } else {
            let message =
                format!("{name}: user {} may not write {folder}, and {prefix} is to be made ready", observed.uid);
            let help = "let that user own the prefix, or reach the host as root (`ssh user=\"root\"`) or through sudo \
                        (`ssh sudo=#true`)";
            (message, help)
        };
        safety.refuse(Refusal::PRIVILEGE, message, help);
    }
}

/// Rights of root that a process keeps: only root can give them.
fn capabilities(input: &PlanInput<'_>, safety: &mut Safety) {
    for (id, instance) in &input.desired.instances {
        let needed = instance.module.process.as_ref().map(|process| &process.limits.capabilities);
        let Some(needed) = needed.filter(|needed| !needed.is_empty()) else { continue };
        let Some(observed) = facts::observed(input, &id.host).filter(|observed| observed.uid != 0) else { continue };
        let message = format!(
            "{id} needs {} of the kernel, which only root can give, and {} is reached as user {}",
            needed.join(" and "),
            id.host,
            observed.uid
        );
        let help = "reach the host as root (`ssh user=\"root\"`) or through sudo (`ssh sudo=#true`): the service itself \
                    then runs as `user` of `cluster` and keeps these rights alone; or take the role off that host";
        safety.refuse(Refusal::PRIVILEGE, message, help);
    }
}

/// Whether the declared supervisor can be had, and what starts at boot.
fn supervisors(input: &PlanInput<'_>, safety: &mut Safety) {
    for host in input.desired.hosts.values().filter(|host| !host.idle) {
        let Some(observed) = facts::observed(input, &host.name) else { continue };
        let (name, by_us) = (&host.name, observed.uid);
        match &host.supervisor {
            Supervisor::Systemd if !observed.init.systemd => {
                let message = format!("{name} has not booted with systemd, which should supervise there");
                safety.refuse(
                    Refusal::SUPERVISOR,
                    message,
                    "declare supervisor \"supervisord\", which needs no privilege",
                );
            }
            Supervisor::Systemd if !observed.may_write_units() => {
                let message = format!("{name}: only root may write units, and we are user {by_us} there");
                let help = "connect as root or as a user with sudo, or declare supervisor \"supervisord\": a plain user's own \
                            systemd ends with the login";
                safety.refuse(Refusal::SUPERVISOR, message, help);
            }
            Supervisor::Supervisord(_) if host.boot.is_some() && !observed.may_write_units() => {
                let message = format!(
                    "{name}: nothing starts when it boots, since no unit can be written (user {by_us}, {}); where it has \
                     cron, add `@reboot /bin/sh {}/bin/boot` to that user's crontab",
                    if observed.init.systemd { "with systemd" } else { "without systemd" },
                    host.prefix
                );
                safety.warn("boot", message);
            }
            Supervisor::Systemd | Supervisor::Supervisord(_) => {}
        }
        if let Some(own) = host.supervisor.supervisord() {
            older(name, own, &observed.supervisor, safety);
        }
    }
}

fn unobserved(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    let asked = |facts: &&Facts<'_>| input.options.selects(facts.id(), &facts.wanted.service);
    let services: BTreeSet<_> = all.values().filter(asked).map(|facts| &facts.wanted.service).collect();
    let by_host = facts::by_host(all);
    let busy = input.desired.hosts.values().filter(|host| !host.idle).map(|host| &host.name);
    for host in busy.filter(|host| !input.options.without.contains(*host)) {
        let why = match input.inventory.hosts.get(host) {
            Some(Seen::Seen(_)) => continue,
            Some(Seen::Unseen(unseen)) => unseen.why.as_str(),
            None => "it was not looked at",
        };
        let concerned = |facts: &&Facts<'_>| services.contains(&facts.wanted.service);
        if input.options.only.is_empty() || by_host.get(host).into_iter().flatten().any(concerned) {
            let help = format!("bring the host back, or plan as if it were not there: --without {host}");
            safety.refuse(Refusal::UNOBSERVED, format!("{host} could not be observed: {why}"), &help);
        }
    }
}

/// Whether somebody takes it on that what can't be asked does not serve.
pub(super) fn unasked_waived(input: &PlanInput<'_>) -> bool {
    input.options.waivers.keys().any(|name| name.as_str() == Refusal::UNASKED)
}

/// What runs and can't be asked: whether it serves is not known, and so it counts for nothing and is not repaired.
fn unasked(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    for facts in all.values().filter(|facts| input.options.selects(facts.id(), &facts.wanted.service)) {
        let Some(running) = facts.running().filter(|running| !running.stranger) else { continue };
        let service = input.inventory.services.get(&facts.wanted.service);
        let ready = service.and_then(|service| service.ready.get(facts.id()));
        if let Some(verdict) = ready.filter(|verdict| verdict.unknown) {
            let stale = running.restart_generation != facts.wanted.restart_generation || facts.switch;
            let help = if stale {
                "its connection changes with this plan: let it be asked in the old way until it is changed (`previous` of \
                 a secret, both CAs in one file), or take on that it is replaced as one that does not serve: --waive \
                 unasked=\"…\""
            } else {
                "it runs what is declared: look at the value of the secret, the certificate and the CA, here and there"
            };
            safety.refuse(Refusal::UNASKED, format!("{} can't be asked: {}", facts.id(), verdict.says), help);
        }
    }
}

fn identities(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    for facts in all.values().filter(|facts| input.options.selects(facts.id(), &facts.wanted.service)) {
        let Some(found) = facts.found else { continue };
        for file in facts.wanted.files.iter().filter(|file| file.identity) {
            let (desired::Place::Generation(path) | desired::Place::Absolute(path)) = &file.place;
            let Some(old) = found.files.get(path).filter(|old| !file.is_met_by(old.sha256, old.content.as_deref()))
            else {
                continue;
            };
            let says = old.content.as_deref().filter(|_| !file.secret).map(|text| printable(text, 60));
            let message = format!(
                "{}: {path} says {}, and {} is declared",
                facts.id(),
                says.unwrap_or_else(|| "something else".to_owned()),
                if file.secret { "another content".to_owned() } else { printable(&file.content, 60) }
            );
            let help = "the data there belongs to another member: declare the number it has, or give the instance an empty data folder";
            safety.refuse(Refusal::ID_MISMATCH, message, help);
        }
    }
}

/// What stands against taking over what somebody started by hand.
fn adoptions(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    for facts in all.values().filter(|facts| input.options.selects(facts.id(), &facts.wanted.service)) {
        let (Some(adopts), Some(found)) = (&facts.wanted.adopts, facts.found) else { continue };
        let Some(seen) = found.adoption.as_ref() else { continue };
        let (id, link) = (facts.id(), &facts.wanted.data_dir);
        for port in &seen.taken {
            let message =
                format!("{id}: somebody listens to port {port} who is not recognised, or belongs to another user");
            let help = "look at who it is (`ss -ltnp` as root); what can't be recognised has to be stopped by hand";
            safety.refuse(Refusal::ADOPTION, message, help);
        }
        if let Some(unit) = &seen.unit {
            let message = format!("{id}: the process is in {}, which may start it again", printable(unit, 80));
            let help =
                "`systemctl disable` it and set `Restart=no` (`systemctl edit --runtime`) first; then waive this";
            safety.refuse(Refusal::ADOPTED_UNIT, message, help);
        }
        let Some(data) = &adopts.data else { continue };
        if let Some(linked) = seen.linked.as_ref().filter(|linked| *linked != data) {
            let is =
                if linked == "." { "a folder".to_owned() } else { format!("a link to {}", printable(linked, 200)) };
            let help = "move what is in it away, or declare what is true";
            safety.refuse(Refusal::ADOPTION, format!("{id}: {link} is {is}, and data in {data} is declared"), help);
        }
        match seen.keeps {
            Some(true) => {}
            Some(false) => {
                let message = format!("{id}: {data} belongs to another user than the one that services run as");
                let help =
                    "declare that user (`user` in `cluster`), or give it the data (`chown -R`) when nothing runs";
                safety.refuse(Refusal::ADOPTION, message, help);
            }
            None => {
                let message = format!("{id}: {data} is not there, or not a folder");
                safety.refuse(Refusal::ADOPTION, message, "declare where the data is");
            }
        }
    }
}

/// Ports that were told with their places already are not told again.
fn ports(input: &PlanInput<'_>, safety: &mut Safety) {
    if input.desired.declared.conflicts.iter().any(|known| known.name.as_str() == Refusal::PORT_CONFLICT) {
        return;
    }
    let mut taken: BTreeMap<(&HostName, u16), Vec<String>> = BTreeMap::new();
    for instance in input.desired.instances.values() {
        for (param, port) in instance.ports.iter() {
            let user = format!("{} {param}", instance.id.role);
            taken.entry((&instance.id.host, *port)).or_default().push(user);
        }
    }
    for ((host, port), users) in taken.iter().filter(|(_, users)| users.len() > 1) {
        let message = format!("port {port} of {host} would be bound by {}", users.join(" and "));
        safety.refuse(Refusal::PORT_CONFLICT, message, "give one of them another port");
    }
}

/// A supervisor that runs goes on as it was started, since its restart would end what runs under it.
fn older(name: &HostName, own: &Supervisord, is: &SupervisorObservation, safety: &mut Safety) {
    let config = is.running_config.is_some_and(|config| config != Digest::of(own.config.as_bytes()));
    let version = is.version.as_deref().filter(|version| *version != own.version.as_str());
    if is.pid.is_some() && (config || version.is_some()) {
        let was = version.map_or_else(|| "its configuration".to_owned(), |version| format!("version {version}"));
        let message = format!(
            "{name}: the supervisor goes on as it was started ({was} differs); what is declared is taken up when it starts \
             again, or by moving to supervisor \"systemd\" and back"
        );
        safety.warn("supervisor", message);
    }
}

/// Local hosts share the machine that they are on: those with one boot id are summed.
fn memory(input: &PlanInput<'_>, safety: &mut Safety) {
    let by_host = input.desired.by_host();
    let mut machines: BTreeMap<String, (Vec<&HostName>, u64, u64)> = BTreeMap::new();
    for host in input.desired.hosts.values() {
        let Some(observed) = facts::observed(input, &host.name) else { continue };
        let machine = match host.transport {
            Transport::Local => format!("boot {}", observed.boot_id),
            Transport::Ssh => format!("host {}", host.name),
        };
        let instances = by_host.get(&host.name).into_iter().flatten();
        let takes: u64 = instances.map(|instance| instance.memory).fold(0, u64::saturating_add);
        let entry = machines.entry(machine).or_insert((Vec::new(), 0, observed.memory));
        entry.0.push(&host.name);
        entry.1 = entry.1.saturating_add(takes);
    }
    for (hosts, takes, has) in machines.values().filter(|(_, takes, has)| *has > 0 && takes > has) {
        let names: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
        let mib = |bytes: u64| bytes / (1024 * 1024);
        let message = format!("{} would need {} MiB of memory and has {}", names.join(", "), mib(*takes), mib(*has));
        safety.refuse(Refusal::MEMORY, message, "give the roles less memory, or place them on more hosts");
    }
}

/// How many of these instances may be down at once, at a time when only those in `up` are there. At least 1, so that
/// a plan can be shown; what stands against it is refused.
pub(super) fn budget(
    service: &DesiredService,
    all: &BTreeMap<InstanceId, Facts<'_>>,
    up: &BTreeSet<InstanceId>,
    candidates: &[&Facts<'_>],
    batch: u32,
    safety: &mut Safety,
) -> u32 {
    let rolling = &service.module.rolling;
    let down: Vec<&InstanceId> = service.instances.iter().filter(|id| !up.contains(id)).collect();
    let count = match rolling.per {
        Per::Instance => down.len(),
        Per::Host => down.iter().map(|id| &id.host).collect::<BTreeSet<_>>().len(),
    };
    let all_of_it = match rolling.per {
        Per::Instance => service.instances.len(),
        Per::Host => service.instances.iter().map(|id| &id.host).collect::<BTreeSet<_>>().len(),
    };
    let max = rolling.max_unavailable.of(all_of_it);
    if count >= max {
        let names: Vec<String> = down.iter().map(ToString::to_string).collect();
        let message = format!("{}: {} of at most {max} down already: {}", service.name, count, names.join(", "));
        safety.refuse(Refusal::MAX_UNAVAILABLE, message, "bring those back first");
    }
    let mut room = max.saturating_sub(count);
    if candidates.iter().any(|facts| facts.wanted.votes) {
        room = room.min(votes_to_spare(service, all, up, safety));
    }
    u32::try_from(room).unwrap_or(u32::MAX).min(batch).max(1)
}

/// How many voters may be down beside those that are, without losing the majority.
fn votes_to_spare(
    service: &DesiredService,
    all: &BTreeMap<InstanceId, Facts<'_>>,
    up: &BTreeSet<InstanceId>,
    safety: &mut Safety,
) -> usize {
    let voters = service.instances.iter().filter(|id| all.get(id).is_some_and(|facts| facts.wanted.votes));
    let (there, total) = voters.fold((0, 0), |(there, total), id| (there + usize::from(up.contains(id)), total + 1));
    let majority = total / 2 + 1;
    let spare = there.saturating_sub(majority);
    if spare == 0 && total <= 2 {
        let message =
            format!("{} has {total} voting: while one of them is replaced the service does not answer", service.name);
        safety.refuse(Refusal::QUORUM_OUTAGE, message, "place it on three hosts");
    } else if spare == 0 {
        let message =
            format!("{} has {there} of {total} voting up and needs {majority}: none may be stopped", service.name);
        safety.refuse(Refusal::QUORUM, message, "bring the others back first");
    }
    spare
}
