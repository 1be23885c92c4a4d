//! The state of everything: each instance, and a verdict on each service.

use super::style::{Style, Tone};
use super::words;
use crate::desired::{Desired, DesiredInstance};
use crate::inventory::{InstanceObservation, Inventory, ProcessObservation, Seen, printable};
use crate::model::InstanceId;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Longest text of a host or service in a line.
const LONGEST: usize = 200;

/// The state of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "a status is for showing"]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// Whether every host was observed, every instance serves, and every service is healthy.
    pub healthy: bool,
    /// Hosts that could not be observed.
    pub unobserved: usize,
    /// The services, by name.
    pub services: Vec<ServiceStatus>,
}

/// The state of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// Whether all of it serves and its gate holds.
    pub healthy: bool,
    /// The verdict in one line.
    pub verdict: String,
    /// What its module shows of it.
    pub lines: Vec<String>,
    /// Its instances, by name.
    pub instances: Vec<InstanceStatus>,
}

/// The state of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Its id.
    pub instance: InstanceId,
    /// `serves`, `not ready`, `down`, `died`, `absent`, `stopped`, `unsupervised`, `unknown`.
    pub state: &'static str,
    /// Whether it is as it should be.
    pub healthy: bool,
    /// The version of the software that it was started from, as far as it is known.
    pub version: Option<String>,
    /// The content generation that is current, shortened.
    pub generation: Option<String>,
    /// Seconds since it was started.
    pub uptime: Option<u64>,
    /// What else there is to say.
    pub note: String,
}

/// Reads the state of everything off an observation.
pub fn status(desired: &Desired, inventory: &Inventory) -> Status {
    let services: Vec<ServiceStatus> = desired
        .services
        .values()
        .map(|service| {
            let mut instances: Vec<InstanceStatus> = service
                .instances
                .iter()
                .filter_map(|id| desired.instances.get(id))
                .map(|wanted| instance(desired, wanted, inventory))
                .collect();
            instances.sort_by(|a, b| a.instance.cmp(&b.instance));
            let observed = inventory.services.get(&service.name);
            let gate = observed.and_then(|observed| observed.healthy.as_ref());
            let serving = instances.iter().filter(|one| one.healthy).count();
            let all = serving == instances.len();
            let (healthy, verdict) = match gate {
                Some(gate) if !gate.holds => (false, format!("not healthy: {}", printable(&gate.says, LONGEST))),
                None if service.module.healthy.is_some() => (false, "its health is not known".to_owned()),
                _ if !all => {
                    (false, format!("{serving} of {} as it should be", words::count(instances.len(), "instance")))
                }
                _ => (true, "healthy".to_owned()),
            };
            let lines = observed.map_or(&[][..], |observed| &observed.lines);
            let lines = lines.iter().map(|line| printable(line, LONGEST)).collect();
            ServiceStatus { service: service.name.to_string(), healthy, verdict, lines, instances }
        })
        .collect();
    let seen = |host| inventory.hosts.get(host).is_some_and(|seen: &Seen<_>| seen.seen().is_some());
    let unobserved = desired.hosts.keys().filter(|host| !seen(host)).count();
    let healthy = unobserved == 0 && services.iter().all(|service| service.healthy);
    Status { cluster: desired.cluster.to_string(), healthy, unobserved, services }
}

fn instance(desired: &Desired, wanted: &DesiredInstance, inventory: &Inventory) -> InstanceStatus {
    let id = &wanted.id;
    let mut status = InstanceStatus {
        instance: id.clone(),
        state: "unknown",
        healthy: false,
        version: None,
        generation: None,
        uptime: None,
        note: String::new(),
    };
    let host = match inventory.hosts.get(&id.host) {
        Some(Seen::Seen(host)) => host,
        Some(Seen::Unseen(unseen)) => {
            status.note = printable(&unseen.why, LONGEST);
            return status;
        }
        None => return status,
    };
    let Some(found) = host.instances.get(id.role.as_str()) else {
        status.state = "absent";
        return status;
    };
    status.generation = found.current.map(|current| current.short());
    status.version = version(desired, wanted, found);
    if let Some(held) = &found.held {
        status.note = format!("held by {}: {}", printable(&held.by, LONGEST), printable(&held.why, LONGEST));
    }
    let running = match &found.process {
        ProcessObservation::Running(running) => running,
        ProcessObservation::Dead { .. } => {
            status.state = "died";
            return status;
        }
        ProcessObservation::Absent => {
            status.state = if found.held.is_some() { "stopped" } else { "down" };
            return status;
        }
    };
    status.uptime = Some(running.uptime);
    let ready = inventory.services.get(&wanted.service).and_then(|service| service.ready.get(id));
    match ready {
        Some(verdict) if !verdict.holds => {
            status.state = "not ready";
            status.note = printable(&verdict.says, LONGEST);
        }
        _ if running.supervised.is_none() => status.state = "unsupervised",
        _ => {
            status.state = "serves";
            status.healthy = true;
            if found.current_restart.is_some_and(|recorded| recorded != running.restart_generation) {
                "restart pending".clone_into(&mut status.note);
            }
        }
    }
    status
}

/// The version of the software that its generation uses: the declared one, or read off the folder's name.
fn version(desired: &Desired, wanted: &DesiredInstance, found: &InstanceObservation) -> Option<String> {
    let own = found.software.first()?;
    let declared = desired.hosts.get(&wanted.id.host).and_then(|host| host.software.get(own));
    if let Some(software) = declared {
        return Some(software.version.to_string());
    }
    let rest = own.strip_prefix(wanted.module.name.as_str())?.strip_prefix('-')?;
    rest.rsplit_once('-').map(|(version, _)| printable(version, 64))
}

impl Status {
    /// The state as indented JSON with a final line end.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The state for people: a table for each service, under its verdict.
    pub fn text(&self, colour: bool) -> String {
        let style = Style { colour };
        let mut text = String::new();
        let all = self.services.iter().flat_map(|service| &service.instances);
        let wide = all.map(|one| one.instance.to_string().chars().count()).max().unwrap_or(0);
        for service in &self.services {
            let tone = if service.healthy { Tone::Added } else { Tone::Bad };
            let (name, verdict) = (style.paint(Tone::Strong, &service.service), style.paint(tone, &service.verdict));
            _ = writeln!(text, "{name}: {verdict}");
            for line in &service.lines {
                _ = writeln!(text, "  {line}");
            }
            for one in &service.instances {
                text.push_str(&row(one, wide, style));
            }
            text.push('\n');
        }
        let verdict = if self.healthy { "everything is healthy".to_owned() } else { self.not_healthy() };
        let tone = if self.healthy { Tone::Added } else { Tone::Bad };
        _ = writeln!(text, "{}: {}", self.cluster, style.paint(tone, &verdict));
        text
    }

    fn not_healthy(&self) -> String {
        let ill: Vec<String> =
            self.services.iter().filter(|service| !service.healthy).map(|service| service.service.clone()).collect();
        let mut parts = Vec::new();
        if !ill.is_empty() {
            parts.push(format!("not healthy: {}", words::and(&ill)));
        }
        if self.unobserved > 0 {
            parts.push(format!("{} not observed", words::count(self.unobserved, "host")));
        }
        parts.join("; ")
    }
}

fn row(one: &InstanceStatus, wide: usize, style: Style) -> String {
    let tone = if one.healthy { Tone::Added } else { Tone::Bad };
    let state = style.paint(tone, &format!("{:<12}", one.state));
    let uptime = one.uptime.map_or("-".to_owned(), |seconds| words::duration(Duration::from_secs(seconds.max(1))));
    let (version, generation) = (one.version.as_deref().unwrap_or("-"), one.generation.as_deref().unwrap_or("-"));
    let id = one.instance.to_string();
    let line = format!("  {id:<wide$}  {state}  {version:<9}  {generation:<12}  {uptime:<6}  {}", one.note);
    format!("{}\n", line.trim_end())
}
