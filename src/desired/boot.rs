//! What starts the instances of a host when it boots, without us: a script below the prefix and the unit that runs it.
//! It starts them at their current generations in the order of their services, again and again until all of them run:
//! what they need may be on hosts that boot later.

use super::draft::Draft;
use super::{Boot, DesiredHost, Supervisor};
use crate::model::{HostName, InstanceId, Module, ModuleName, sh_quote};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// The fixed part of the script.
const BODY: &str = include_str!("boot.sh");

/// The roles of each host, in the order in which they start.
pub(super) struct Order<'a>(BTreeMap<&'a HostName, Vec<&'a str>>);

impl<'a> Order<'a> {
    /// The order on all hosts.
    pub(super) fn of(drafts: &'a BTreeMap<InstanceId, Draft<'_>>) -> Self {
        let modules: BTreeMap<&ModuleName, &Arc<Module>> =
            drafts.values().map(|draft| (&draft.module.name.value, draft.module)).collect();
        let depths: BTreeMap<&ModuleName, usize> =
            modules.keys().map(|name| (*name, depth(name, &modules, &mut BTreeSet::new()))).collect();
        let mut all: Vec<_> = drafts
            .values()
            .filter(|draft| draft.module.process.is_some())
            .map(|draft| {
                let tiers = &draft.module.order.start;
                let tier = tiers.iter().position(|tier| *tier == draft.tier).unwrap_or(tiers.len());
                let depth = depths.get(&draft.module.name.value).copied().unwrap_or(0);
                (depth, &draft.role.service, tier, &draft.id)
            })
            .collect();
        all.sort_unstable();
        let mut hosts: BTreeMap<&HostName, Vec<&str>> = BTreeMap::new();
        for (.., id) in all {
            hosts.entry(&id.host).or_default().push(id.role.as_str());
        }
        Self(hosts)
    }

    /// The script and the unit for a host.
    pub(super) fn boot(&self, host: &DesiredHost) -> Boot {
        let roles = self.0.get(&host.name).map_or(&[][..], Vec::as_slice);
        Boot { script: script(host, roles), unit: unit(host) }
    }
}

/// How many services one after the other come before those of a module. A circle is refused elsewhere; here it ends.
fn depth<'a>(
    module: &'a ModuleName,
    modules: &BTreeMap<&'a ModuleName, &'a Arc<Module>>,
    above: &mut BTreeSet<&'a ModuleName>,
) -> usize {
    let Some(found) = modules.get(module).filter(|_| above.insert(module)) else { return 0 };
    let before = found.after.iter().chain(found.requires.iter().map(|required| &required.module));
    let deepest = before.map(|first| depth(&first.value, modules, above)).max();
    above.remove(module);
    deepest.map_or(1, |deepest| deepest + 1)
}

fn script(host: &DesiredHost, roles: &[&str]) -> String {
    let name = &host.name;
    let mut text = format!(
        "#!/bin/sh\n# {name}: starts its instances when it boots. Written by es_cluster, edits by hand are drift.\n"
    );
    let mut set = |name: &str, value: &str| _ = writeln!(text, "{name}={}", sh_quote(value));
    set("prefix", &host.prefix);
    set("roles", &roles.join(" "));
    set("units", &host.units);
    match &host.supervisor {
        Supervisor::Supervisord(own) => {
            set("pidfile", &own.pidfile);
            set("socket", &own.socket);
            set("config", &own.config_path);
            set("version", own.version.as_str());
            let env: Vec<String> = own.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let words = |words: &[String]| {
                let quoted: Vec<String> = env.iter().chain(words).map(|word| sh_quote(word)).collect();
                quoted.join(" ")
            };
            _ = writeln!(text, "supervise() {{ env -i PATH=\"$PATH\" LANG=C {} \"$@\"; }}", words(&own.command));
            _ = writeln!(text, "begin() {{ begin_own; }}");
            _ = writeln!(text, "start() {{ env -i PATH=\"$PATH\" LANG=C {} start \"$1\"; }}", words(&own.control));
            _ = writeln!(text, "end() {{ end_own; }}");
        }
        Supervisor::Systemd => {
            _ = writeln!(text, "begin() {{ :; }}\nend() {{ :; }}");
            _ = writeln!(text, "start() {{ say \"it has no unit yet: esapply moves it\"; }}");
        }
    }
    text.push_str(BODY);
    text
}

fn unit(host: &DesiredHost) -> String {
    let (name, prefix) = (&host.name, &host.prefix);
    let mut text = format!(
        "# {name}: written by es_cluster, edits by hand are drift.\n[Unit]\n\
         Description=es_cluster: starts the instances of {name}\n\
         Wants=network-online.target\nAfter=network-online.target\nRequiresMountsFor={prefix}\n\n\
         [Service]\nType=simple\nRemainAfterExit=yes\nExecStart=/bin/sh {prefix}/bin/boot start\n"
    );
    if host.supervisor.supervisord().is_some() {
        // What runs below it is asked to end before the host goes down, and waited for.
        _ = writeln!(text, "ExecStop=/bin/sh {prefix}/bin/boot stop\nTasksMax=infinity");
    }
    text.push_str(
        "KillMode=process\nSendSIGKILL=no\nTimeoutStopSec=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
    );
    text
}
