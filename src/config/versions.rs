//! Versions: every one that is needed is named, and they work together.

use super::checks::needs_version;
use super::merge::place_of_version;
use super::reader::Cx;
use crate::diag::{Code, Diag, Sources, Span};
use crate::expr;
use crate::model::{Cluster, CompatRule, Conflict, Declared, Module, ModuleName, RequirementRow, Role, Version};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pairs of versions that one rule is tried on.
const MOST_PAIRS: usize = 1_000;

/// Modules by name.
type Modules = IndexMap<ModuleName, Arc<Module>>;

/// What is known of versions: no mistake of the file, and yet told.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Pairings that are proven and not supported.
    pub(super) warnings: Vec<Diag>,
    /// Versions that do not go together: what a plan is refused for.
    pub(super) conflicts: Vec<Conflict>,
}

impl Checked {
    pub(super) fn conflict(&mut self, module: &Module, rule: &str, with: &ModuleName, diag: Diag) {
        let between = vec![module.name.value.clone(), with.clone()];
        self.conflicts.push(Conflict { name: module.rule(rule), between, diag });
    }
}

/// Checks all roles.
pub(super) fn check(cluster: &Cluster, modules: &Modules, broken: &[ModuleName], cx: &Cx) -> Checked {
    let mut checked = Checked::default();
    // Many roles share few pairs of versions, and each pair is judged once.
    let mut judged: BTreeSet<(&ModuleName, &str, &ModuleName, &str)> = BTreeSet::new();
    for role in &cluster.roles {
        let Some(module) = modules.get(&role.module.value).filter(|module| !broken.contains(&module.name.value)) else {
            continue;
        };
        let own = place_of_version(cluster, role, &module.name.value);
        for need in &module.requires {
            let Some(other) = modules.get(&need.module.value) else { continue };
            let other_version = place_of_version(cluster, role, &other.name.value);
            if let (Some(own), Some(other_version)) = (own, other_version)
                && judged.insert((&module.name.value, own.0.as_str(), &other.name.value, other_version.0.as_str()))
            {
                requirement(&need.rows, (module, own), (other, other_version), &mut checked, cx);
            }
        }
    }
    compat(cluster, modules, broken, &mut checked, cx);
    plugins(cluster, modules, broken, &mut checked, cx);
    super::keys::check(cluster, modules, broken, &mut checked, cx);
    checked
}

/// What is declared, with its places as people count them.
pub(super) fn declared(cluster: &Cluster, conflicts: Vec<Conflict>, sources: &Sources) -> Declared {
    let shown = |conflict: Conflict| Conflict { diag: conflict.diag.with_sources(sources), ..conflict };
    let place = |role: &Role| {
        let (_, span) = place_of_version(cluster, role, &role.module.value)?;
        Some((role.id.clone(), sources.place(span)?))
    };
    let places = cluster.roles.iter().filter_map(place).collect();
    Declared { conflicts: conflicts.into_iter().map(shown).collect(), places }
}

/// Every module that is used has a version, where it needs one. Each is reported once, for all roles that miss it.
pub(super) fn missing(cluster: &Cluster, modules: &Modules, broken: &[ModuleName], cx: &Cx) {
    let mut seen: Vec<&ModuleName> = Vec::new();
    for role in &cluster.roles {
        let Some(module) = modules.get(&role.module.value).filter(|module| !broken.contains(&module.name.value)) else {
            continue;
        };
        let required = module.requires.iter().filter_map(|need| modules.get(&need.module.value));
        for used in std::iter::once(module).chain(required) {
            let name = &used.name.value;
            if !needs_version(used) || seen.contains(&name) || place_of_version(cluster, role, name).is_some() {
                continue;
            }
            seen.push(name);
            let own = role.module.value == *name;
            let label = if own { "not in `versions`".to_owned() } else { format!("`{}` needs it", role.module.value) };
            let diag = Diag::at(Code::Missing, role.module.span, format!("`{name}` has no version"));
            cx.report(diag.label(label).help(format!("add a line to `versions`: {name} \"…\"")));
        }
    }
}

/// A version with its place, and the module it is of.
type Of<'a> = (&'a Arc<Module>, (&'a Version, Span));

/// Looks up the first row that holds for our version. A pairing that is proven is a warning.
fn requirement(rows: &[RequirementRow], own: Of<'_>, other: Of<'_>, checked: &mut Checked, cx: &Cx) {
    let ((module, (version, version_span)), (with, (other_version, other_span))) = (own, other);
    let context = json!({ "version": version.as_str() });
    let mut row = None;
    for candidate in rows {
        match candidate.when.as_ref().map(|when| (when, expr::eval_bool(&when.0.value, &context))) {
            None | Some((_, Ok(true))) => {
                row = Some(candidate);
                break;
            }
            Some((_, Ok(false))) => {}
            Some((when, Err(error))) => {
                let diag = Diag::at(Code::RenderFailed, when.0.span, format!("this can't be evaluated: {error}"));
                let diag = diag.label(format!("for `{}` {version}", module.name.value));
                cx.report(diag.help("docs/modules.md lists what templates and expressions see"));
                return;
            }
        }
    }
    let pair = format!("`{}` {version} with `{}` {other_version}", module.name.value, with.name.value);
    let matches = |list: &[Version]| list.iter().any(|prefix| other_version.starts_with(prefix));
    let place = |text: &str, span: Span| Diag::at(Code::Incompatible, span, text.to_owned());
    let found = match row {
        None if rows.is_empty() => return,
        Some(row) if matches(&row.supported) => return,
        Some(row) if matches(&row.proven) => {
            let message = format!("{pair} is proven by our tests, not supported by the vendor");
            let warning = Diag::at(Code::Incompatible, other_span, message)
                .label("not a version that the vendor names")
                .help(format!("supported are {}", prefixes(&row.supported)))
                .also(place("what the module knows about it", row.span).label("this row"));
            if !checked.warnings.iter().any(|old| old.message == warning.message) {
                checked.warnings.push(warning);
            }
            return;
        }
        Some(row) => {
            let both: Vec<Version> = row.supported.iter().chain(&row.proven).cloned().collect();
            Diag::at(Code::Incompatible, other_span, format!("{pair} does not work"))
                .label(format!("not a version for `{}` {version}", module.name.value))
                .help(format!("`{}` may be {}", with.name.value, prefixes(&both)))
                .also(
                    place("the version that it must go with", version_span)
                        .label(format!("`{}` {version}", module.name.value)),
                )
                .also(place("what the module knows about it", row.span).label("this row"))
        }
        None => Diag::at(Code::Incompatible, version_span, format!("nothing is known about {pair}"))
            .label("no row of the module's table is for it")
            .also(place("the other version", other_span).label(format!("`{}` {other_version}", with.name.value)))
            .help(format!(
                "add a row to `requires \"{}\"` in the module, or take a version that it names",
                with.name.value
            )),
    };
    checked.conflict(module, with.name.as_str(), &with.name.value, found);
}

fn prefixes(versions: &[Version]) -> String {
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, more)) => format!("{} or {last}", more.join(", ")),
    }
}

/// Versions of a module that roles use, each once, with the first place that says so.
fn used<'a>(cluster: &'a Cluster, module: &ModuleName) -> BTreeMap<&'a str, (&'a Version, Span)> {
    let mut used = BTreeMap::new();
    for role in cluster.roles.iter().filter(|role| role.module.value == *module) {
        if let Some((version, span)) = place_of_version(cluster, role, module) {
            used.entry(version.as_str()).or_insert((version, span));
        }
    }
    used
}

/// The modules' version rules with other modules of the cluster, for every pair of versions that is in use.
fn compat(cluster: &Cluster, modules: &Modules, broken: &[ModuleName], checked: &mut Checked, cx: &Cx) {
    for module in modules.values().filter(|module| !broken.contains(&module.name.value)) {
        for rule in &module.compat {
            let others = used(cluster, &rule.with.value);
            let own = used(cluster, &module.name.value);
            let pairs = own.values().flat_map(|own| others.values().map(move |other| (*own, *other)));
            for (own, other) in pairs.take(MOST_PAIRS) {
                judge(rule, module, (own, other), checked, cx);
            }
        }
    }
}

/// Two versions with their places.
type Pair<'a> = ((&'a Version, Span), (&'a Version, Span));

/// One rule for one pair of versions.
fn judge(rule: &CompatRule, module: &Module, pair: Pair<'_>, checked: &mut Checked, cx: &Cx) {
    let ((version, span), (other_version, other_span)) = pair;
    let (name, with) = (&module.name.value, &rule.with.value);
    let context = json!({ "version": version.as_str(), "other": other_version.as_str() });
    let message = match expr::eval_bool(&rule.must.0.value, &context) {
        Ok(true) => return,
        Ok(false) => expr::render(&rule.says.0.value, &context)
            .unwrap_or_else(|_| format!("`{name}` {version} does not work with `{with}` {other_version}")),
        Err(error) => {
            let diag = Diag::at(Code::RenderFailed, rule.must.0.span, format!("this can't be evaluated: {error}"));
            let diag = diag.label(format!("for `{name}` {version} with `{with}` {other_version}"));
            cx.report(diag.help("docs/modules.md lists what templates and expressions see"));
            return;
        }
    };
    let rule_place = Diag::at(Code::Incompatible, rule.must.0.span, format!("the rule `{}` of the module", rule.name));
    let other_place = Diag::at(Code::Incompatible, other_span, "the version that it must go with");
    let diag = Diag::at(Code::Incompatible, span, message)
        .label(format!("`{name}` {version}"))
        .help(format!("take versions of `{name}` and `{with}` that go together"))
        .also(other_place.label(format!("`{with}` {other_version}")))
        .also(rule_place.label("this rule"));
    checked.conflict(module, rule.name.as_str(), with, diag);
}

/// Plugins that their module does not take, or not in that version.
fn plugins(cluster: &Cluster, modules: &Modules, broken: &[ModuleName], checked: &mut Checked, cx: &Cx) {
    for (name, spec) in &cluster.versions {
        let Some(module) = modules.get(name).filter(|_| !broken.contains(name)) else { continue };
        let roles = cluster.roles.iter().filter(|role| role.module.value == *name);
        let mut used: Vec<&Version> = roles.filter_map(|role| role.versions.get(name)).map(|own| &own.value).collect();
        used.push(&spec.version.value);
        for (plugin, version) in &spec.plugins {
            let Some(plugins) = &module.plugins else {
                let diag = Diag::at(Code::UnknownName, version.span, format!("`{name}` takes no plugins"));
                cx.report(diag.label("not expected here").help("the module has no `plugins`: remove this line"));
                continue;
            };
            let Some(accepts) = &plugins.accepts else { continue };
            for own in &used {
                let about = json!({ "name": plugin, "version": version.value.as_str() });
                let context = json!({ "version": own.as_str(), "plugin": about });
                if expr::eval_bool(&accepts.0.value, &context) == Ok(true) {
                    continue;
                }
                let message = format!("the plugin `{plugin}` {} is not for `{name}` {own}", version.value);
                let rule = Diag::at(Code::Incompatible, accepts.0.span, "what the module accepts");
                let diag = Diag::at(Code::Incompatible, version.span, message).label(format!("not for `{name}` {own}"));
                let help = "take the plugin's version that was made for it";
                checked.conflict(module, "plugins", name, diag.help(help).also(rule.label("this must hold")));
            }
        }
    }
}
