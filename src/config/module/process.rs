//! Files and the process.

use super::super::cluster::one_of;
use super::super::reader::Node;
use super::super::report::duplicate;
use super::super::values::{Expected, FromKdl, Raw};
use super::scope::Scope;
use crate::diag::{Code, Diag, Span, Spanned};
use crate::model::{FileContent, FileSpec, Limits, Name, OnChange, Process, Template};
use indexmap::IndexMap;
use std::time::Duration;

/// Permission bits of a file when the module does not say.
const DEFAULT_MODE: u32 = 0o640;
/// How long a stop may take when the module does not say.
const DEFAULT_STOP: Duration = Duration::from_mins(2);

pub(super) fn files(node: &Node<'_>, scope: &Scope<'_>) -> Vec<FileSpec> {
    let mut files: Vec<FileSpec> = Vec::new();
    let mut places: IndexMap<String, Span> = IndexMap::new();
    for child in node.children() {
        let path = Spanned::new(child.name().to_owned(), child.name_span());
        if let Some(first) = places.get(&path.value) {
            node.cx.report(duplicate(&format!("the file `{}`", path.value), path.span, *first, "keep one of them"));
        }
        places.insert(path.value.clone(), path.span);
        if let Some(file) = file(&child, path, scope) {
            files.push(file);
        }
        child.finish();
    }
    node.finish();
    files
}

fn file(node: &Node<'_>, path: Spanned<String>, scope: &Scope<'_>) -> Option<FileSpec> {
    let template = node.prop::<String>("template");
    let content = node.prop::<String>("content");
    let from = node.prop::<Name>("from").filter(|from| scope.has_files(from));
    let changes = [("restart", OnChange::Restart), ("reload", OnChange::Reload), ("nothing", OnChange::Nothing)];
    if !node.has_prop("on-change") {
        let diag =
            Diag::at(Code::Missing, node.span(), format!("`{}` does not say what a change of it asks for", path.value))
                .label("no `on-change`")
                .help("add on-change=\"restart\", \"reload\" or \"nothing\"");
        node.cx.report(diag);
    }
    let on_change = node.prop_with("on-change", |raw| one_of(raw, &changes));
    let mode = node.prop::<Mode>("mode").map_or(DEFAULT_MODE, |mode| mode.value.0);
    let identity = node.flag("identity");
    let when = node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let refuse = |span: Span, message: &str, label: &str, help: &str| {
        node.cx.report(Diag::at(Code::WrongType, span, message).label(label.to_owned()).help(help.to_owned()));
        None
    };
    if path.split('/').any(|part| part == ".." || part == ".") {
        return refuse(
            path.span,
            "a file's path has no `.` or `..` in it",
            "expected a path such as \"conf.d/main.conf\"",
            "name the file below the generation's folder",
        );
    }
    let content = match (template, content) {
        (None, None) if node.has_prop("from") => FileContent::Given(from?.value),
        (Some(template), None) => {
            if !scope.has_file(&template) {
                return None;
            }
            FileContent::TemplateFile(template.value)
        }
        (None, Some(content)) => FileContent::Inline(scope.template(content, &[])),
        (Some(_), Some(content)) => {
            let message = "a file has a template or a content, not both";
            return refuse(content.span, message, "one too many", "keep one of them");
        }
        (None, None) => {
            let diag = Diag::at(Code::Missing, node.span(), format!("the file `{}` has no content", path.value))
                .label("neither `template` nor `content`")
                .help("add template=\"NAME\" (a file in the module's folder) or content=\"…\"");
            node.cx.report(diag);
            return None;
        }
    };
    let path = scope.template(path, &[]);
    Some(FileSpec { path, content, on_change: on_change?.value, mode, identity, when, span: node.span() })
}

/// Permission bits as a text of octal digits.
pub(in super::super) struct Mode(u32);

impl FromKdl for Mode {
    const WHAT: &'static str = "permission bits such as \"0640\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let wrong = || Expected::new(Self::WHAT).help("octal digits in quotes, at most \"0777\"");
        let text = raw.value.as_string().ok_or_else(wrong)?;
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && text.len() <= 4);
        mode.map(Self).ok_or_else(wrong)
    }
}

/// A signal's name without `SIG`.
pub(in super::super) struct Signal(String);

impl FromKdl for Signal {
    const WHAT: &'static str = "a signal such as \"TERM\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        const SIGNALS: &[(&str, &str)] =
            &[("TERM", "TERM"), ("INT", "INT"), ("QUIT", "QUIT"), ("HUP", "HUP"), ("USR1", "USR1"), ("USR2", "USR2")];
        let help = "TERM, INT, QUIT, HUP, USR1 or USR2; a stop is never forced, so KILL is not one of them";
        one_of(raw, SIGNALS).map(|name| Self(name.to_owned())).map_err(|_| Expected::new(Self::WHAT).help(help))
    }
}

/// A capability of Linux, as programs that give them name it.
pub(in super::super) struct Capability(String);

impl FromKdl for Capability {
    const WHAT: &'static str = "a capability such as \"net_raw\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        // Those that a service has a reason to want. With most others it could make itself root.
        const NAMES: [&str; 6] = ["net_raw", "net_admin", "net_bind_service", "sys_nice", "ipc_lock", "sys_ptrace"];
        let pairs = NAMES.map(|name| (name, name));
        let help = format!("{}: with most others a service could make itself root", NAMES.join(", "));
        one_of(raw, &pairs).map(|name| Self(name.to_owned())).map_err(|_| Expected::new(Self::WHAT).help(help))
    }
}

pub(super) fn process(node: &Node<'_>, scope: &Scope<'_>) -> Option<Process> {
    let mut body = node.body();
    let words = |child: &Node<'_>, what: &str| words(child, what, scope);
    let command = body.one("command").map(|child| words(&child, "a word of the command"));
    let first_start = body.one("first-start").map(|child| words(&child, "a word of the command")).unwrap_or_default();
    let check = body.one("check").map(|child| words(&child, "a word of the command")).unwrap_or_default();
    let control = body.one("control").map(|child| words(&child, "a word of the command")).unwrap_or_default();
    let env = variables(&body.many("env"), scope);
    let (mut stop_signal, mut stop_within) = ("TERM".to_owned(), DEFAULT_STOP);
    if let Some(child) = body.one("stop") {
        if let Some(signal) = child.prop::<Signal>("signal") {
            stop_signal = signal.value.0;
        }
        if let Some(within) = child.prop::<Duration>("within") {
            stop_within = within.value;
        }
        child.finish();
    }
    let (mut reload_signal, mut reload_command) = (None, Vec::new());
    if let Some(child) = body.one("reload") {
        if child.arg_count() > 0 && !child.has_prop("signal") {
            reload_command = words(&child, "a word of the command");
        } else {
            reload_signal = child.need_prop::<Signal>("signal").map(|signal| signal.value.0);
            child.finish();
        }
    }
    let mut limits = Limits::default();
    if let Some(child) = body.one("limits") {
        limits.nofile = child.prop::<u64>("nofile").map(|limit| limit.value);
        limits.nproc = child.prop::<u64>("nproc").map(|limit| limit.value);
        limits.memlock = child.prop::<String>("memlock").map(|text| scope.expr(text, &[]));
        child.finish();
    }
    if let Some(child) = body.one("capabilities") {
        let names = child.args::<Capability>(0, "a capability");
        limits.capabilities = names.into_iter().map(|name| name.value.0).collect();
        if child.arg_count() == 0 {
            child.arg::<Capability>(0, "a capability");
        }
        child.finish();
    }
    let logs = body.many("log").iter().flat_map(|child| words(child, "the path of a log file")).collect();
    node.finish();
    let Some(command) = command else {
        let diag = Diag::at(Code::Missing, node.span(), "`process` has no `command`")
            .label("nothing to start")
            .help("add command \"{{ software }}/bin/…\", or leave `process` out for software that is only installed");
        node.cx.report(diag);
        return None;
    };
    Some(Process {
        command,
        control,
        first_start,
        check,
        env,
        stop_signal,
        stop_within,
        reload_signal,
        reload_command,
        limits,
        logs,
    })
}

/// The words of a command.
pub(super) fn words(node: &Node<'_>, what: &str, scope: &Scope<'_>) -> Vec<Template> {
    let words = node.args::<String>(0, what).into_iter().map(|text| scope.template(text, &[])).collect();
    if node.arg_count() == 0 {
        node.arg::<String>(0, what);
    }
    node.finish();
    words
}

/// Variables of an environment.
pub(super) fn variables(nodes: &[Node<'_>], scope: &Scope<'_>) -> IndexMap<String, Template> {
    let mut env: IndexMap<String, Template> = IndexMap::new();
    for node in nodes {
        for (name, value) in node.props::<String>() {
            if !is_variable(&name) {
                let message = format!("`{}` can't be a variable's name", name.value);
                let diag = Diag::at(Code::BadName, name.span, message);
                node.cx.report(diag.label("expected letters, digits and '_', and no digit first"));
                continue;
            }
            env.insert(name.value, scope.template(value, &[]));
        }
        node.finish();
    }
    env
}

fn is_variable(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
