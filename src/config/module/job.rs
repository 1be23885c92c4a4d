//! Jobs: commands that people ask for.

use super::super::reader::Node;
use super::super::report::duplicate;
use super::process::{variables, words};
use super::scope::Scope;
use super::{after, one_text};
use crate::diag::{Code, Diag, Spanned};
use crate::model::{FileContent, Job, Name};
use indexmap::IndexMap;
use std::time::Duration;

/// How long a job may take when the module does not say.
const DEFAULT_WITHIN: Duration = Duration::from_mins(10);

pub(super) fn jobs(nodes: &[Node<'_>], modules: &[&str], scope: &Scope<'_>) -> IndexMap<Name, Job> {
    let mut found: IndexMap<Name, Job> = IndexMap::new();
    for node in nodes {
        let name = node.arg_as::<Name>("the job's name");
        let job = job(node, modules, scope);
        let (Some(name), Some(job)) = (name, job) else { continue };
        if let Some(first) = found.get(&name.value) {
            let what = format!("the job `{}`", name.value);
            node.cx.report(duplicate(&what, name.span, first.span, "keep one of them"));
            continue;
        }
        found.insert(name.value, job);
    }
    found
}

fn job(node: &Node<'_>, modules: &[&str], scope: &Scope<'_>) -> Option<Job> {
    let within = node.prop::<Duration>("within").map_or(DEFAULT_WITHIN, |within| within.value);
    let when = node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let mut body = node.body();
    let doc = one_text(&mut body, "doc", "one sentence").map(|doc| doc.value).unwrap_or_default();
    let command = body.one("command").map(|child| words(&child, "a word of the command", scope));
    let dry_run = body.one("dry-run").map(|child| words(&child, "a word of the command", scope)).unwrap_or_default();
    let env = variables(&body.many("env"), scope);
    let needs = after(&body.many("needs"), modules);
    let mut files = IndexMap::new();
    for child in body.many("file") {
        let name = child.arg::<String>(0, "the name of a file");
        let content = content(&child, scope);
        child.finish();
        if let Some((name, content)) = name.zip(content).filter(|(name, _)| is_plain(&child, name)) {
            files.insert(name.value, content);
        }
    }
    node.finish();
    let Some(command) = command else {
        let diag = Diag::at(Code::Missing, node.span(), "this job has no `command`")
            .label("nothing to run")
            .help("add command \"{{ software }}/bin/…\"; its first word is an absolute path");
        node.cx.report(diag);
        return None;
    };
    Some(Job { doc, command, dry_run, env, files, needs, within, when, span: node.span() })
}

fn content(node: &Node<'_>, scope: &Scope<'_>) -> Option<FileContent> {
    match (node.prop::<String>("template"), node.prop::<String>("content")) {
        (Some(template), None) => scope.has_file(&template).then_some(FileContent::TemplateFile(template.value)),
        (None, Some(content)) => Some(FileContent::Inline(scope.template(content, &[]))),
        (Some(_), Some(content)) => {
            let message = "a file has a template or a content, not both";
            node.cx.report(Diag::at(Code::WrongType, content.span, message).label("one too many"));
            None
        }
        (None, None) => {
            let diag = Diag::at(Code::Missing, node.span(), "this file has no content")
                .label("neither `template` nor `content`")
                .help("add template=\"NAME\" (a file in the module's folder) or content=\"…\"");
            node.cx.report(diag);
            None
        }
    }
}

/// The folder of a job has no folders.
fn is_plain(node: &Node<'_>, name: &Spanned<String>) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain = (1..=100).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed);
    if !plain {
        let message = format!("`{}` is no name of a job's file", name.value);
        let diag = Diag::at(Code::BadName, name.span, message);
        node.cx.report(diag.label("expected letters, digits, '.', '_' and '-', and no '.' first"));
    }
    plain
}
