//! Keys of free `config { … }` that a module refuses in some versions.

use super::merge::place_of_version;
use super::reader::Cx;
use super::versions::Checked;
use crate::diag::{Code, Diag};
use crate::expr;
use crate::model::{Cluster, FreeEntry, Module, ModuleName, RefusedKeys, Role};
use indexmap::IndexMap;
use serde_json::json;
use std::sync::Arc;

/// Adds what the roles say and may not say. Each key is told once for a role.
pub(super) fn check(
    cluster: &Cluster,
    modules: &IndexMap<ModuleName, Arc<Module>>,
    broken: &[ModuleName],
    checked: &mut Checked,
    cx: &Cx,
) {
    for role in &cluster.roles {
        let module = modules.get(&role.module.value).filter(|module| !broken.contains(&module.name.value));
        let Some((module, free)) = module.and_then(|module| Some((module, module.free_config.as_ref()?))) else {
            continue;
        };
        for rule in &free.refused {
            let entries = role.free.iter().filter(|entry| rule.names(&entry.key.value));
            for (number, entry) in entries.clone().enumerate() {
                if !entries.clone().take(number).any(|earlier| earlier.key.value == entry.key.value) {
                    judge(cluster, role, module, (rule, entry), checked, cx);
                }
            }
        }
    }
}

fn judge(
    cluster: &Cluster,
    role: &Role,
    module: &Module,
    (rule, entry): (&RefusedKeys, &FreeEntry),
    checked: &mut Checked,
    cx: &Cx,
) {
    let name = &module.name.value;
    let Some((version, version_span)) = place_of_version(cluster, role, name) else { return };
    let key = &entry.key.value;
    let context = json!({ "version": version.as_str(), "key": key });
    match expr::eval_bool(&rule.when.0.value, &context) {
        Ok(false) => return,
        Ok(true) => {}
        Err(error) => {
            let diag = Diag::at(Code::RenderFailed, rule.when.0.span, format!("this can't be evaluated: {error}"));
            let diag = diag.label(format!("for `{name}` {version}"));
            cx.report(diag.help("docs/modules.md lists what templates and expressions see"));
            return;
        }
    }
    let says = expr::render(&rule.says.0.value, &context);
    let says = says.unwrap_or_else(|_| format!("`{name}` {version} does not take `{key}`"));
    let of_version = Diag::at(Code::Incompatible, version_span, "the version that it would be for");
    let of_rule = Diag::at(Code::Incompatible, rule.when.0.span, format!("the rule `{}` of the module", rule.name));
    let diag = Diag::at(Code::Incompatible, entry.key.span, format!("{}: {says}", role.id))
        .label(format!("not for `{name}` {version}"))
        .help(rule.help.clone())
        .also(of_version.label(format!("`{name}` {version}")))
        .also(of_rule.label("this rule"));
    checked.conflict(module, rule.name.as_str(), name, diag);
}
