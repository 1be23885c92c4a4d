//! What a service should be between two passes of a change: rendered like what is declared, with other values of some
//! parameters. Which values those are follows from the version that a change begins at, which only a look at the hosts
//! tells; so this is done when that is known.
//!
//! A generation of such a pass has one file more, which is empty but for a sentence and whose *name* says which pass it is
//! and where the change began. Whoever looks at a host later, from any machine, can tell by that how far a change has come.

use super::draft::Modules;
use super::expand;
use super::{DesiredInstance, Inputs, context, files, generations};
use crate::config::{duration, size};
use crate::diag::{Diagnostics, Span, Spanned};
use crate::expr::Context;
use crate::lock::Lock;
use crate::model::{
    Cluster, InstanceId, Live, Module, Name, OnChange, ParamType, Phase, Phases, SafetyRule, Secret, ServiceName,
    Template, Value, Version,
};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;

/// How the name of the file begins that tells of a pass.
const FILE: &str = "phase-";

/// A pass of a change, and what the change goes between.
#[derive(Debug, Clone)]
pub struct Between<'a> {
    /// The pass.
    pub phase: &'a Phase,
    /// The lowest version that runs.
    pub from: Version,
    /// The declared version.
    pub to: Version,
}

impl<'a> Between<'a> {
    /// The rules that must hold before it begins, in the context of an instance. Whether one is asked and can't be told, it is.
    pub fn rules<'r>(&self, context: &'r Context) -> impl Iterator<Item = &'a SafetyRule> + use<'a, 'r> {
        let context = context.with(&json!({ "from": self.from.as_str(), "to": self.to.as_str() }));
        let asked =
            move |rule: &&SafetyRule| rule.when.as_ref().is_none_or(|when| context.eval_bool(&when.0).unwrap_or(true));
        self.phase.before.iter().filter(asked)
    }
}

/// Renders what a service should be in the middle of a change.
pub trait Anew: fmt::Debug + Send + Sync {
    /// Its instances after a pass that is not the last one.
    ///
    /// # Errors
    /// Why it can't be rendered, for people.
    fn render(
        &self,
        service: &ServiceName,
        between: &Between<'_>,
    ) -> Result<BTreeMap<InstanceId, DesiredInstance>, String>;
}

/// The name of the file that tells of a pass.
fn file_of(phase: &Name, from: &Version) -> String {
    format!("{FILE}{phase}-{from}")
}

/// The pass that a file of a generation tells of, by its number, and the version that the change began at.
pub fn phase_of_file(path: &str, phases: &Phases) -> Option<(usize, Version)> {
    let rest = path.strip_prefix(FILE)?;
    phases.list.iter().enumerate().find_map(|(number, phase)| {
        let version = rest.strip_prefix(phase.name.as_str())?.strip_prefix('-')?;
        Some((number, Version::parse(version).ok()?))
    })
}

impl DesiredInstance {
    /// The same as a generation of a pass.
    #[must_use]
    pub fn in_phase(mut self, phase: &Name, from: &Version) -> Self {
        let text = format!("A change from {from} has come to its phase \"{phase}\" here.\n");
        let mark = files::fixed(&file_of(phase, from), text, 0o644);
        let mut all = self.files.to_vec();
        all.push(super::DesiredFile { on_change: OnChange::Nothing, ..mark });
        all.sort_by(|a, b| a.place.cmp(&b.place));
        self.files = all.into();
        // What restarts a process is what it was: no process reads the mark.
        self.content_generation = generations::of(&self.files, &self.software).0;
        self
    }

    /// Whether it takes these parameters while it runs.
    pub fn takes(&self, live: &Live) -> bool {
        context::taken_live(live, &self.context)
    }
}

/// What everything was rendered from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) cluster: Cluster,
    pub(super) modules: Modules,
    pub(super) lock: Lock,
    pub(super) secrets: IndexMap<String, Secret>,
    pub(super) inputs: Inputs,
}

impl Anew for Source {
    fn render(
        &self,
        service: &ServiceName,
        between: &Between<'_>,
    ) -> Result<BTreeMap<InstanceId, DesiredInstance>, String> {
        let names = json!({ "from": between.from.as_str(), "to": between.to.as_str() });
        let mut cluster = self.cluster.clone();
        for role in cluster.roles.iter_mut().filter(|role| role.service == *service) {
            let Some(module) = self.modules.get(&role.module.value) else { continue };
            for (name, template) in &between.phase.set {
                // What the file says wins.
                let said = role.params.contains_key(name) || role.overrides.values().any(|own| own.contains_key(name));
                if said {
                    continue;
                }
                // An empty one is none.
                if let Some(value) = value(module, name, template, &names)? {
                    role.params.insert(name.clone(), Spanned::new(value, Span::default()));
                }
            }
        }
        let mut found = Diagnostics::new();
        let desired =
            expand::whole(&cluster, &self.modules, &self.lock, &self.secrets, self.inputs.clone(), &mut found);
        if let Some(first) = found.iter().next() {
            return Err(format!(
                "the phase `{}` of {service} can't be rendered: {}",
                between.phase.name, first.message
            ));
        }
        let of = desired.instances.into_iter().filter(|(_, one)| one.service == *service);
        Ok(of.map(|(id, one)| (id, one.in_phase(&between.phase.name, &between.from))).collect())
    }
}

/// The value of a parameter in a pass.
fn value(
    module: &Module,
    name: &Name,
    template: &Template,
    names: &serde_json::Value,
) -> Result<Option<Value>, String> {
    let wrong = |why: &dyn fmt::Display| format!("`{name}` in a phase of {}: {why}", module.name.value);
    let text = Context::new(names).render(&template.0.value).map_err(|error| wrong(&error))?;
    if text.is_empty() {
        return Ok(None);
    }
    let kind = module.params.get(name).map(|param| &param.kind);
    let value = match kind {
        Some(ParamType::Int { .. } | ParamType::Port) => text.parse().ok().map(Value::Int),
        Some(ParamType::Bool) => text.parse().ok().map(Value::Bool),
        Some(ParamType::Size) => size(&text).map(Value::Size),
        Some(ParamType::Duration) => duration(&text).map(Value::Duration),
        Some(ParamType::Version) => Version::parse(&text).ok().map(|_| Value::Text(text.clone())),
        _ => Some(Value::Text(text.clone())),
    };
    value.map(Some).ok_or_else(|| wrong(&format!("`{text}` is no such value")))
}
