//! One process: what it is, and what its files say.

use crate::import::{Carried, carry, param_line, with_words};
use crate::inventory::{Found, printable};
use crate::model::{
    Cluster, FreeSyntax, HostName, HostSpec, Module, ModuleName, ParamType, Transport, Value, Version, VersionPlace,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A process that becomes an instance.
pub(super) struct One<'m> {
    pub(super) module: &'m Module,
    pub(super) host: HostName,
    /// The port that tells its role from others of its module.
    pub(super) port: i64,
    /// Lines of the role, by parameter.
    pub(super) lines: BTreeMap<String, String>,
    /// Settings that stay settings, with their values as KDL.
    pub(super) free: BTreeMap<String, String>,
    /// Settings that the module makes itself.
    pub(super) ours: BTreeSet<String>,
    pub(super) data: Option<String>,
    /// Versions of its software and of what that requires.
    pub(super) versions: BTreeMap<ModuleName, Version>,
}

/// Reads what was found on one host.
pub(super) struct Reader<'r, 'm> {
    pub(super) host: &'r HostSpec,
    pub(super) cluster: &'r Cluster,
    pub(super) modules: &'m [Arc<Module>],
    pub(super) notes: &'r mut BTreeSet<String>,
}

impl<'m> Reader<'_, 'm> {
    /// A process; none when it is ours already, on another host of this machine, or can't be taken over.
    pub(super) fn one(&mut self, found: &Found) -> Option<One<'m>> {
        let module = self.modules.iter().find(|module| module.name.as_str() == found.module)?;
        let known = module.adopt.as_ref()?;
        let prefix = format!("{}/", self.host.prefix.as_ref().unwrap_or(&self.cluster.prefix));
        let ours = |text: &String| text.contains(&prefix);
        if found.words.iter().chain([&found.exe, &found.cwd]).any(ours) || !self.listens_here(found) {
            return None;
        }
        let what = format!("{} on {}", module.name.value, self.host.name.value);
        let carried = self.carried(found, module, &what);
        let mut lines = carried.params;
        for (param, words) in &carried.words {
            let line = with_words(module, param, words, lines.get(param));
            lines.insert(param.clone(), line);
        }
        for (starts, param) in &known.arguments {
            let said = found.words.iter().filter_map(|word| word.strip_prefix(starts.as_str())).next_back();
            lines.extend(said.and_then(|value| param_line(module, param, value, "")).flatten());
        }
        let port = port(found, module, &mut lines);
        self.number(found, module, &what);
        self.surroundings(found, &what);
        let data = match (&known.data, &found.data) {
            (None, _) => None,
            (Some(_), Some((path, true))) if is_plain(path) => Some(path.clone()),
            (Some(place), said) => {
                let said = said.as_ref().map_or("no folder", |(path, _)| path.as_str());
                let said = printable(said, 200);
                self.notes.insert(format!(
                    "{what} is left out: {} names {said}, and its data has to be in one folder that is there",
                    place.setting
                ));
                return None;
            }
        };
        let (host, free, ours) = (self.host.name.value.clone(), carried.free, carried.ours.into_iter().collect());
        Some(One { module, host, port, lines, free, ours, data, versions: self.versions(found, module) })
    }

    /// Sandbox hosts share a machine, and each has its own address there.
    fn listens_here(&self, found: &Found) -> bool {
        let own = self.host.address.value.parse();
        self.host.transport == Transport::Ssh
            || found.listens.iter().any(|(address, _)| address.is_unspecified() || own == Ok(*address))
    }

    /// What its own file says.
    fn carried(&mut self, found: &Found, module: &Module, what: &str) -> Carried {
        let nothing = Carried::default();
        let Some(import) = &module.import else { return nothing };
        let format = module.free_config.as_ref().map_or(FreeSyntax::Properties, |free| free.format);
        let mut carried = match &found.config {
            Some((path, Some(text))) => carry(&printable(path, 200), text, format, module, import),
            Some((path, None)) => {
                self.notes
                    .insert(format!("{what}: {} could not be read: its settings are not here", printable(path, 200)));
                return nothing;
            }
            None => {
                self.notes.insert(format!("{what}: its configuration file was not found: its settings are not here"));
                return nothing;
            }
        };
        self.notes.extend(carried.notes.drain(..));
        carried
    }

    /// The number that its data has, against that of its host.
    fn number(&mut self, found: &Found, module: &Module, what: &str) {
        let Some((file, key)) = module.adopt.as_ref().and_then(|known| known.id.as_ref()) else { return };
        let text = found.id.as_deref().unwrap_or_default();
        let number = match key {
            None => text.trim().parse::<u32>().ok(),
            Some(key) => {
                text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')?.trim().parse().ok())
            }
        };
        match (number, self.host.number) {
            (None, _) => {
                self.notes
                    .insert(format!("{what}: {file} could not be read: compare its number with that of the host"));
            }
            (Some(has), declared) if Some(has) != declared => {
                let host = &self.host.name.value;
                self.notes.insert(format!(
                    "{what} has the number {has} in {file}: say `{host} number={has}` above, where its address is"
                ));
            }
            _ => {}
        }
    }

    /// Who runs it and what may start it again.
    fn surroundings(&mut self, found: &Found, what: &str) {
        if let Some(unit) = &found.unit {
            let unit = printable(unit, 80);
            self.notes.insert(format!(
                "{what} is in {unit}: `systemctl disable {unit}`, and keep it from starting it again (`Restart=no`)"
            ));
        }
        let declared = self.cluster.user.as_deref();
        if declared.is_some_and(|user| user != found.user)
            || (declared.is_none() && !matches!(found.user.as_str(), "" | "root"))
        {
            let user = printable(&found.user, 40);
            self.notes.insert(format!("{what} runs as {user}, who has its data: say `user \"{user}\"` in `cluster`, unless the hosts are reached as {user}"));
        }
    }

    /// Its version, and those of the modules that its own requires.
    fn versions(&mut self, found: &Found, module: &Module) -> BTreeMap<ModuleName, Version> {
        let mut versions = BTreeMap::new();
        let required = module.requires.iter().map(|need| need.module.as_str());
        for name in [module.name.as_str()].into_iter().chain(required) {
            let Some(module) = self.modules.iter().find(|module| module.name.as_str() == name) else { continue };
            let places = module.adopt.iter().flat_map(|known| &known.versions);
            let version = places.into_iter().find_map(|place| version(found, place));
            versions.extend(version.map(|version| (module.name.value.clone(), version)));
        }
        versions
    }
}

/// The first of the module's ports: as its file says, else the one that it listens to, else the module's default.
fn port(found: &Found, module: &Module, lines: &mut BTreeMap<String, String>) -> i64 {
    let Some((name, param)) = module.params.iter().find(|(_, param)| param.kind == ParamType::Port) else {
        return 0;
    };
    let said = lines.get(name.as_str()).and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    let default = match param.default {
        Some(Value::Int(port)) => port,
        _ => 0,
    };
    let open: BTreeSet<i64> = found.listens.iter().map(|(_, port)| i64::from(*port)).collect();
    let port = said.unwrap_or(default);
    match open.iter().next() {
        Some(only) if open.len() == 1 && !open.contains(&port) => {
            lines.insert(name.to_string(), format!("{name} {only}"));
            *only
        }
        _ => port,
    }
}

/// Whether a path may stand in the file: what a role takes.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | ':' | '=');
    path.starts_with('/') && path.len() > 1 && path.chars().all(plain) && path.split('/').all(|part| part != "..")
}

fn version(found: &Found, place: &VersionPlace) -> Option<Version> {
    match place {
        VersionPlace::After(text) => {
            let after = |path: &String| {
                let rest = path.split(text.as_str()).nth(1)?;
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                Version::parse(rest.get(..end)?.trim_end_matches('.')).ok()
            };
            [&found.exe].into_iter().chain(&found.opens).chain(&found.words).find_map(after)
        }
        VersionPlace::File { key, rewrite, .. } => {
            let text = found.home.as_deref()?;
            let value = text.lines().find_map(|line| line.trim().strip_prefix(key.as_str())?.strip_prefix('='))?;
            let value = value.trim().trim_matches('"');
            let rewritten =
                rewrite.iter().find_map(|(from, to)| Some(format!("{to}{}", value.strip_prefix(from.as_str())?)));
            Version::parse(&rewritten.unwrap_or_else(|| value.to_owned())).ok()
        }
    }
}
