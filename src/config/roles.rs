//! The section `roles`. A role is read in two passes: first which module it uses and where it runs, then, when the
//! modules are known, its parameters.

use super::cluster::{Path, no_module};
use super::hosts::{Hosts, select};
use super::reader::Node;
use super::report::{duplicate, quoted, unknown_name};
use super::typed;
use super::values::{Expected, Free, FromKdl, Raw};
use crate::diag::{Code, Diag, Span, Spanned};
use crate::model::{Adopt, FreeEntry, Module, ModuleName, Name, Role, RoleId, ServiceName, Value, Version};
use indexmap::IndexMap;

/// What may stand in a role beside the parameters of its module.
pub(super) const RESERVED: &[&str] = &["version", "config", "on", "adopt"];

/// A role whose parameters were not looked at yet.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    node: Node<'a>,
    pub(super) role: Role,
}

/// Words of a label or service: they become part of a folder's and a service's name.
#[derive(Debug, Clone)]
struct Suffix(String);

impl FromKdl for Suffix {
    const WHAT: &'static str = "a name";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        Name::from_kdl(raw).map(|name| Self(name.as_str().to_owned()))
    }
}

/// Which hosts a role is placed on.
struct Selector(String);

impl FromKdl for Selector {
    const WHAT: &'static str = "the role's hosts: a name, a range such as \"node[1-3]\" or \"label:disk=ssd\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        String::from_kdl(raw).map(Self)
    }
}

/// Instances of one cluster: roles times hosts. Bounds the work for a file that places everything everywhere.
const MOST_INSTANCES: usize = 100_000;

/// First pass: names, hosts and modules.
pub(super) fn drafts<'a>(sections: &[Node<'a>], hosts: &Hosts, modules: &[&str]) -> Vec<Draft<'a>> {
    let mut drafts: Vec<Draft<'a>> = Vec::new();
    let mut places: IndexMap<RoleId, Span> = IndexMap::new();
    let mut instances = 0;
    for node in sections.iter().flat_map(Node::children) {
        let Some(draft) = draft(node, hosts, modules) else { continue };
        if let Some(first) = places.get(&draft.role.id) {
            let what = format!("the role `{}`", draft.role.id);
            let help = format!("give one of them a label: {} \"label\" on=…", draft.role.module);
            draft.node.cx.report(duplicate(&what, draft.role.span, *first, &help));
            continue;
        }
        places.insert(draft.role.id.clone(), draft.role.span);
        instances += draft.role.hosts.len();
        if instances > MOST_INSTANCES {
            let message = format!("more than {MOST_INSTANCES} instances: roles, each on all its hosts");
            let diag = Diag::at(Code::BadRange, draft.role.span, message).label("one too many");
            draft.node.cx.report(diag.help("one file declares one cluster; split it into several clusters"));
            break;
        }
        drafts.push(draft);
    }
    sections.iter().for_each(Node::finish);
    drafts
}

fn draft<'a>(node: Node<'a>, hosts: &Hosts, modules: &[&str]) -> Option<Draft<'a>> {
    let name = node.name();
    let label = node.arg_with("the role's label", Suffix::from_kdl).map(|label| label.value.0);
    let on = node.need_prop::<Selector>("on").map(|on| on.map(|on| on.0));
    let service = node.prop::<Suffix>("service").map(|service| service.value.0);
    let hosts = on.map(|on| select(&on, hosts, node.cx)).unwrap_or_default();
    let module = ModuleName::new(name).ok().filter(|_| modules.contains(&name));
    let Some(module) = module else {
        node.cx.report(no_module(name, node.name_span(), modules));
        return None;
    };
    let id = label.as_ref().map_or_else(|| name.to_owned(), |label| format!("{name}-{label}"));
    let full = service.as_ref().map_or_else(|| name.to_owned(), |service| format!("{name}-{service}"));
    let (Ok(id), Ok(service)) = (RoleId::new(&id), ServiceName::new(&full)) else {
        let message = "module and label together are longer than 63 characters";
        node.cx.report(Diag::at(Code::BadName, node.span(), message).label("too long").help("use a shorter label"));
        return None;
    };
    let role = Role {
        id,
        module: Spanned::new(module, node.name_span()),
        label,
        service,
        hosts,
        params: IndexMap::new(),
        overrides: IndexMap::new(),
        adopt: None,
        adopt_on: IndexMap::new(),
        free: Vec::new(),
        versions: IndexMap::new(),
        span: node.span(),
    };
    Some(Draft { node, role })
}

impl Draft<'_> {
    /// Second pass: parameters, overrides, free configuration, versions. `module` is `None` when it can't be read;
    /// `whole` says that it was read without a mistake, so that what it does not know is really unknown.
    pub(super) fn finish(mut self, module: Option<&Module>, whole: bool, hosts: &Hosts, modules: &[&str]) -> Role {
        let children = self.node.children();
        self.node.finish();
        let (mut places, mut keys) = (IndexMap::new(), IndexMap::new());
        for child in &children {
            match child.name() {
                "version" => self.versions(child, modules),
                "config" => free(child, module, &mut keys, &mut self.role.free),
                "on" => self.on(child, module, whole, hosts),
                "adopt" => self.role.adopt = adopt(child, module),
                _ => {
                    let Some((name, value)) = param(child, module, whole, RESERVED, &mut places) else { continue };
                    self.role.params.insert(name, value);
                }
            }
        }
        self.role
    }

    fn on(&mut self, node: &Node<'_>, module: Option<&Module>, whole: bool, hosts: &Hosts) {
        let selector = node.arg::<String>(0, "a host of the role");
        let children = node.children();
        node.finish();
        let Some(selector) = selector else { return };
        let mut picked = select(&selector, hosts, node.cx);
        picked.retain(|host| {
            let own = self.role.hosts.iter().any(|known| known.value == host.value);
            if !own {
                let known: Vec<&str> = self.role.hosts.iter().map(|host| host.as_str()).collect();
                let message = format!("`{}` does not run on `{host}`", self.role.id);
                let diag = Diag::at(Code::Unresolved, host.span, message).label("not a host of this role");
                node.cx.report(diag.help(format!("it runs on {}", quoted(&known))));
            }
            own
        });
        let (mut places, mut keys) = (IndexMap::new(), IndexMap::new());
        let (mut params, mut entries) = (IndexMap::new(), Vec::new());
        let mut adopted = None;
        for child in &children {
            if child.name() == "adopt" {
                adopted = adopt(child, module);
            } else if child.name() == "config" {
                free(child, module, &mut keys, &mut entries);
            } else if let Some((name, value)) = param(child, module, whole, &["config", "adopt"], &mut places) {
                params.insert(name, value);
            }
        }
        for host in picked {
            self.role.adopt_on.extend(adopted.clone().map(|adopt| (host.value.clone(), adopt)));
            let slot: &mut IndexMap<Name, Spanned<Value>> = self.role.overrides.entry(host.value.clone()).or_default();
            for (name, value) in &params {
                if let Some(first) = slot.get(name) {
                    let what = format!("`{name}` for the host `{}`", host.value);
                    node.cx.report(duplicate(&what, value.span, first.span, "keep one of them"));
                    continue;
                }
                slot.insert(name.clone(), value.clone());
            }
            let own = entries.iter().map(|entry| FreeEntry { host: Some(host.value.clone()), ..entry.clone() });
            self.role.free.extend(own);
        }
    }

    fn versions(&mut self, node: &Node<'_>, modules: &[&str]) {
        let own = node.opt_arg::<Version>(0, "a version");
        let others = node.props::<Version>();
        node.finish();
        let own = own.map(|version| (Spanned::new(self.role.module.as_str().to_owned(), version.span), version));
        for (name, version) in own.into_iter().chain(others) {
            let module = ModuleName::new(&name).ok().filter(|_| modules.contains(&name.as_str()));
            let Some(module) = module else {
                node.cx.report(no_module(&name, name.span, modules));
                continue;
            };
            if let Some(first) = self.role.versions.get(&module) {
                // Twice in one node is reported by the node itself.
                if first.span.start < node.span().start {
                    let what = format!("the version of `{module}`");
                    node.cx.report(duplicate(&what, version.span, first.span, "keep one of them"));
                }
                continue;
            }
            self.role.versions.insert(module, version);
        }
    }
}

/// A child node as a parameter of the module.
fn param(
    node: &Node<'_>,
    module: Option<&Module>,
    whole: bool,
    also: &[&str],
    places: &mut IndexMap<String, Span>,
) -> Option<(Name, Spanned<Value>)> {
    let module = module?;
    let name = Name::new(node.name()).ok();
    let Some((name, param)) = name.and_then(|name| module.params.get_key_value(&name)) else {
        if whole {
            let known: Vec<&str> = module.params.keys().map(Name::as_str).chain(also.iter().copied()).collect();
            let message = format!("`{}` has no parameter `{}`", module.name, super::hosts::shown(node.name()));
            let mut diag = unknown_name(message, node.name_span(), node.name(), &known);
            if module.free_config.is_some() && node.name().contains('.') {
                diag = diag.help("a setting of the service itself goes into `config { … }`");
            }
            node.cx.report(diag);
        }
        return None;
    };
    if let Some(first) = places.get(node.name()) {
        let what = format!("the parameter `{name}`");
        node.cx.report(duplicate(&what, node.span(), *first, "keep one of them"));
        return None;
    }
    places.insert(node.name().to_owned(), node.span());
    let value = typed::from_node(node, &param.kind);
    node.finish();
    Some((name.clone(), value?))
}

/// `adopt data="…"`.
fn adopt(node: &Node<'_>, module: Option<&Module>) -> Option<Adopt> {
    let data = node.prop::<Path>("data").map(|path| path.value.0);
    node.finish();
    if let Some(module) = module.filter(|module| module.adopt.is_none()) {
        let message = format!("`{}` can't be adopted", module.name);
        let help = "its module does not say how its process is recognised: give it a node `adopt`, or stop it by hand";
        node.cx.report(Diag::at(Code::UnknownName, node.name_span(), message).label("not taken").help(help));
        return None;
    }
    Some(Adopt { data })
}

/// A block `config { dotted.key value }`.
fn free(node: &Node<'_>, module: Option<&Module>, keys: &mut IndexMap<String, Span>, entries: &mut Vec<FreeEntry>) {
    let children = node.children();
    node.finish();
    if let Some(module) = module.filter(|module| module.free_config.is_none()) {
        let message = format!("`{}` takes no free `config`", module.name);
        let help = "the module names no file for it (`config file=… format=…`): use its parameters";
        node.cx.report(Diag::at(Code::UnknownName, node.name_span(), message).label("not taken").help(help));
        return;
    }
    for child in children {
        if child.has_block() {
            let message = format!("`{}` has a block: keys are written with dots", child.name());
            let first = child.children().first().map_or_else(|| "key …".to_owned(), Node::text);
            let help = format!("write `{}.{first}`", child.name());
            node.cx.report(Diag::at(Code::WrongType, child.name_span(), message).label("a block").help(help));
            continue;
        }
        let name = format!("`{}`", child.name());
        let count = child.arg_count();
        let mut values: Vec<Value> = child.args::<Free>(0, &name).into_iter().map(|free| free.value.0).collect();
        child.finish();
        if count == 0 {
            let diag = Diag::at(Code::Missing, child.span(), format!("{name} has no value"));
            child.cx.report(diag.label("expected a value").help(format!("expected is {}", Free::WHAT)));
        }
        if values.len() != count || count == 0 {
            continue;
        }
        let value = if count == 1 { values.swap_remove(0) } else { Value::List(values) };
        let key = Spanned::new(child.name().to_owned(), child.name_span());
        if let Some(first) = keys.get(&key.value) {
            let what = format!("the key `{}`", key.value);
            child.cx.report(duplicate(&what, key.span, *first, "keep one of them"));
            continue;
        }
        keys.insert(key.value.clone(), key.span);
        entries.push(FreeEntry { key, value, host: None });
    }
}
