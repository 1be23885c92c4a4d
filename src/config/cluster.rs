//! The sections of `cluster.kdl` that need no module: the cluster itself, versions, rollout, secrets.

use super::grammar::FILE;
use super::reader::{Body, Node};
use super::report::{duplicate, suggest};
use super::ssh::{Login, ssh};
use super::typed;
use super::values::{Expected, FromKdl, Raw};
use crate::diag::{Code, Diag, Span, Spanned};
use crate::model::{
    ModuleName, Name, OnFailure, Rollout, Scope, SecretSource, SecretSpec, Share, SshOptions, SupervisorKind, Version,
    VersionSpec,
};
use indexmap::IndexMap;
use std::time::Duration;

/// Where the platform lives on a host when the file does not say.
const DEFAULT_PREFIX: &str = "/opt/es_cluster";

/// The section `cluster`.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: Option<Spanned<Name>>,
    pub(super) prefix: String,
    pub(super) user: Option<String>,
    pub(super) supervisor: Option<Spanned<Name>>,
    pub(super) boot: bool,
    pub(super) ssh: SshOptions,
    pub(super) allow: Vec<Spanned<String>>,
}

/// An absolute path.
#[derive(Debug, Clone)]
pub(super) struct Path(pub(super) String);

impl FromKdl for Path {
    const WHAT: &'static str = "an absolute path";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        typed::path(&String::from_kdl(raw)?).map(Self)
    }
}

pub(super) fn head(node: &Node<'_>) -> Head {
    let name = node.arg_as::<Name>("the cluster's name");
    let before = node.cx.count();
    let mut body = node.body();
    let strangers = node.cx.count() > before;
    let single = |child: Option<Node<'_>>, what: &str| {
        let child = child?;
        let value = child.arg::<Path>(0, what);
        child.finish();
        value.map(|value| value.value.0)
    };
    let prefix = single(body.one("prefix"), "a folder").unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
    let user = body.one("user").and_then(|child| {
        let value = child.arg::<Login>(0, "a login name");
        child.finish();
        value.map(|value| value.value.0)
    });
    let mut boot = None;
    let supervisor = match body.one("supervisor") {
        Some(child) => {
            boot = child.prop::<bool>("boot").map(|boot| boot.value);
            let value = child.arg::<Name>(0, "the module that supervises processes");
            child.finish();
            value
        }
        // Among what is unknown may be a misspelt `supervisor`.
        None if strangers => None,
        None => Name::new("supervisord").ok().map(|name| Spanned::new(name, node.name_span())),
    };
    // Whoever lets us write units has nothing further to allow.
    let is_systemd = |name: &Spanned<Name>| SupervisorKind::of_module(name.as_str()) == SupervisorKind::Systemd;
    let boot = boot.unwrap_or_else(|| supervisor.as_ref().is_some_and(is_systemd));
    let mut allow = Vec::new();
    if let Some(child) = body.one("allow") {
        allow = child.args::<String>(0, "the name of a need");
        if child.arg_count() == 0 {
            child.arg::<String>(0, "the name of a need");
        }
        child.finish();
    }
    let ssh = body.one("ssh").map(|child| ssh(&child)).unwrap_or_default();
    node.finish();
    Head { name, prefix, user, supervisor, boot, ssh, allow }
}

/// The section `versions`. Every name must be that of a module that exists. The flag says that no line was wrong.
pub(super) fn versions(sections: &[Node<'_>], modules: &[&str]) -> (IndexMap<ModuleName, VersionSpec>, bool) {
    let mut whole = true;
    let mut versions: IndexMap<ModuleName, VersionSpec> = IndexMap::new();
    let mut places: IndexMap<String, Span> = IndexMap::new();
    for child in sections.iter().flat_map(Node::children) {
        if let Some(first) = places.get(child.name()) {
            let what = format!("the version of `{}`", child.name());
            child.cx.report(duplicate(&what, child.span(), *first, "keep one of them"));
            continue;
        }
        places.insert(child.name().to_owned(), child.span());
        let version = child.arg::<Version>(0, "a version");
        let mut plugins: IndexMap<String, Spanned<Version>> = IndexMap::new();
        let mut body = child.body();
        for plugin in body.many("plugin") {
            let name = plugin.arg_as::<Name>("the plugin's name");
            let version = plugin.arg::<Version>(1, "the plugin's version");
            plugin.finish();
            let (Some(name), Some(version)) = (name, version) else { continue };
            if let Some(first) = plugins.get(name.as_str()) {
                let what = format!("the plugin `{name}`");
                child.cx.report(duplicate(&what, version.span, first.span, "keep one of them"));
                continue;
            }
            plugins.insert(name.as_str().to_owned(), version);
        }
        child.finish();
        if modules.is_empty() {
            continue;
        }
        if !modules.contains(&child.name()) {
            child.cx.report(no_module(child.name(), child.name_span(), modules));
            whole = false;
            continue;
        }
        match (ModuleName::new(child.name()), version) {
            (Ok(module), Some(version)) => {
                versions.insert(module, VersionSpec { version, plugins });
            }
            _ => whole = false,
        }
    }
    sections.iter().for_each(Node::finish);
    (versions, whole)
}

/// A module that does not exist.
pub(super) fn no_module(name: &str, span: Span, modules: &[&str]) -> Diag {
    let diag = Diag::at(Code::Unresolved, span, format!("there is no module `{name}`"));
    suggest(diag, name, modules, "no file of this name in the modules' folder")
}

/// The section `rollout`.
pub(super) fn rollout(node: &Node<'_>) -> Rollout {
    let mut rollout = Rollout::default();
    let mut body = node.body();
    if let Some(child) = body.one("canary") {
        if let Some(count) = child.arg::<u32>(0, "how many instances go first") {
            rollout.canary = count.value;
        }
        if let Some(soak) = child.prop::<Duration>("soak") {
            rollout.soak = soak.value;
        }
        child.finish();
    }
    if let Some(child) = body.one("scope") {
        if let Some(scope) = choice(&child, &[("role", Scope::Role), ("host", Scope::Host)]) {
            rollout.scope = scope;
        }
        child.finish();
    }
    if let Some(child) = body.one("batch") {
        if let Some(count) = child.arg::<Share>(0, "how many instances at a time") {
            if count.value == Share::Count(0) {
                let diag = Diag::at(Code::WrongType, count.span, "`batch` can't be 0").label("expected 1 or more");
                node.cx.report(diag.help("a rollout in batches of none would never end"));
            } else {
                rollout.batch = count.value;
            }
        }
        child.finish();
    }
    if let Some(child) = body.one("on-failure") {
        let choices = [("rollback", OnFailure::Rollback), ("stop", OnFailure::Stop)];
        if let Some(on_failure) = choice(&child, &choices) {
            rollout.on_failure = on_failure;
        }
        child.finish();
    }
    node.finish();
    rollout
}

/// The one argument of a node, as one of some words.
pub(super) fn choice<T: Copy>(node: &Node<'_>, choices: &[(&str, T)]) -> Option<T> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    if node.arg_count() == 0 {
        node.arg::<String>(0, &format!("one of {}", words.join(", ")));
        return None;
    }
    let read = |raw: &Raw<'_>| one_of(raw, choices);
    node.arg_with(&format!("`{}`", node.name()), read).map(|value| value.value)
}

/// A value as one of some words.
pub(super) fn one_of<T: Copy>(raw: &Raw<'_>, choices: &[(&str, T)]) -> Result<T, Expected> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let text = raw.value.as_string().unwrap_or_default();
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let expected = Expected::new(format!("one of {}", words.join(", ")));
        match crate::diag::nearest(text, words.iter().copied()) {
            Some(near) => expected.help(format!("did you mean \"{near}\"?")),
            None => expected,
        }
    })
}

/// The nodes `secret`, at the top of the file or in sections `secrets`.
pub(super) fn secrets(alone: Vec<Node<'_>>, sections: &[Node<'_>]) -> IndexMap<String, SecretSpec> {
    let mut secrets: IndexMap<String, SecretSpec> = IndexMap::new();
    for child in alone.into_iter().chain(sections.iter().flat_map(|node| node.body().rest())) {
        let name = child.arg_as::<Name>("the secret's name");
        let from = child.need_prop::<String>("from");
        let words = child.args::<String>(1, "the source of a secret");
        let previous = child.body().one("previous").and_then(|node| {
            let (from, words) = (node.need_prop::<String>("from"), node.args::<String>(0, "the source of a secret"));
            node.finish();
            secret_source(&node, &from?, words)
        });
        child.finish();
        let (Some(name), Some(from)) = (name, from) else { continue };
        let Some(source) = secret_source(&child, &from, words) else { continue };
        if let Some(first) = secrets.get(name.as_str()) {
            let what = format!("the secret `{name}`");
            child.cx.report(duplicate(&what, name.span, first.name.span, "give one of them another name"));
            continue;
        }
        let text = name.as_str().to_owned();
        secrets.insert(text.clone(), SecretSpec { name: Spanned::new(text, name.span), source, previous });
    }
    sections.iter().for_each(Node::finish);
    secrets
}

fn secret_source(node: &Node<'_>, from: &Spanned<String>, words: Vec<Spanned<String>>) -> Option<SecretSource> {
    let mut words: Vec<String> = words.into_iter().map(|word| word.value).collect();
    let example = match from.as_str() {
        "env" => "secret \"name\" from=\"env\" \"VARIABLE\"",
        "file" => "secret \"name\" from=\"file\" \"/path/of/file\"",
        "command" => "secret \"name\" from=\"command\" \"pass\" \"show\" \"name\"",
        other => {
            let message = format!("`from` can't be \"{}\"", super::hosts::shown(other));
            let diag = Diag::at(Code::WrongType, from.span, message).label("expected one of env, file, command");
            node.cx.report(match crate::diag::nearest(other, ["env", "file", "command"]) {
                Some(near) => diag.help(format!("did you mean \"{near}\"?")),
                None => diag.help("a program that prints the value reaches any other store: from=\"command\""),
            });
            return None;
        }
    };
    if words.is_empty() || (from.as_str() != "command" && words.len() > 1) {
        let what = match from.as_str() {
            "env" => "the name of one variable",
            "file" => "the path of one file",
            _ => "the words of a command",
        };
        let message = format!("a secret from=\"{}\" needs {what}", from.value);
        let diag = Diag::at(Code::Missing, node.span(), message).label(format!("expected {what}"));
        node.cx.report(diag.help(format!("write {example}")));
        return None;
    }
    Some(match from.as_str() {
        "env" => SecretSource::Env(words.swap_remove(0)),
        "file" => SecretSource::File(words.swap_remove(0)),
        _ => SecretSource::Command(words),
    })
}

/// The sections of the file, each at most once.
pub(super) fn sections(nodes: Vec<Node<'_>>) -> Body<'_> {
    Body::new(nodes, &FILE, "at the top of the file")
}

/// A section that must be there.
pub(super) fn no_section(path: &str, name: &str) -> Diag {
    let example = match name {
        "cluster" => "cluster \"logs\" { … }",
        _ => "roles { … }",
    };
    Diag::nowhere(Code::Missing, format!("`{path}` has no node `{name}`"))
        .help(format!("add {example} at the top of the file"))
}
