//! Jobs of the roles, rendered. A job's files are written when it runs, and nothing of it stays on a host: so there is nothing
//! to compare, and what a job does is always what the file says now.

use super::context::{self, Neighbours};
use super::draft::{Draft, Modules};
use super::render::{Rendered, Renderer, Sealed};
use super::{DesiredFile, DesiredJob, Place};
use crate::diag::{Code, Diag, Diagnostics};
use crate::expr::Watched;
use crate::model::{
    Cluster, Digest, FileContent, Hidden, InstanceId, Job, ModuleName, Name, OnChange, Secret, ServiceName, Template,
};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Permission bits of a job's files: they may hold secrets, and nobody else needs them.
const MODE: u32 = 0o600;

/// Every job of every role on each of its hosts, sorted.
pub(super) fn all(
    cluster: &Cluster,
    modules: &Modules,
    drafts: &BTreeMap<InstanceId, Draft<'_>>,
    neighbours: &Neighbours,
    secrets: &IndexMap<String, Secret>,
    found: &mut Diagnostics,
) -> Vec<DesiredJob> {
    let services = |module: &ModuleName| -> Vec<ServiceName> {
        if modules.get(module).is_none_or(|module| module.process.is_none()) {
            return Vec::new();
        }
        let named = drafts.values().filter(|draft| draft.role.module.value == *module);
        let mut names: Vec<ServiceName> = named.map(|draft| draft.role.service.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let mut jobs = Vec::new();
    for draft in drafts.values().filter(|draft| draft.sound) {
        for (name, spec) in &draft.module.jobs {
            let needs = spec.needs.iter().flat_map(|need| services(&need.value)).collect();
            jobs.extend(job(cluster, draft, (name, spec), needs, neighbours, secrets, found));
        }
    }
    jobs
}

fn job(
    cluster: &Cluster,
    draft: &Draft<'_>,
    (name, spec): (&Name, &Job),
    needs: Vec<ServiceName>,
    neighbours: &Neighbours,
    secrets: &IndexMap<String, Secret>,
    found: &mut Diagnostics,
) -> Option<DesiredJob> {
    let around = neighbours.around(&draft.role.service, &context::named_modules(draft.module));
    let watched = Watched::new(context::own(draft).into_iter().chain([neighbours.peers(draft)]));
    let context = watched.over(&draft.common.context(cluster).and(&around));
    let known = context::secrets(&draft.common.params, secrets);
    let who = format!("{}, job {name}", draft.id);
    let mut renderer = Renderer::new(&context, Some(&known), who, found);
    if !renderer.holds(spec.when.as_ref())? {
        return None;
    }
    let folder = format!("{}/run/job-{}-{name}", draft.common.folders.prefix, draft.id.role);
    let mut words =
        |templates: &[Template]| -> Option<Vec<String>> { templates.iter().map(|word| renderer.text(word)).collect() };
    let (command, dry_run) = (words(&spec.command)?, words(&spec.dry_run)?);
    for (words, templates) in [(&command, &spec.command), (&dry_run, &spec.dry_run)] {
        if let Some((first, template)) = words.first().zip(templates.first()).filter(|(word, _)| !word.starts_with('/'))
        {
            let message = format!("the first word of a command is an absolute path, and `{first}` is none");
            renderer.report(Diag::at(Code::RenderFailed, template.0.span, message));
        }
    }
    let mut env: BTreeMap<String, String> = [
        ("HOME", folder.as_str()),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("TMPDIR", folder.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, template) in &spec.env {
        if let Some(value) = renderer.text(template).filter(|value| !value.is_empty()) {
            env.insert(name.clone(), value);
        }
    }
    let files = spec.files.iter().map(|(name, content)| file(draft, name, content, &mut renderer));
    let files: Vec<DesiredFile> = files.collect::<Option<_>>()?;
    Some(DesiredJob {
        name: name.clone(),
        role: draft.id.role.clone(),
        host: draft.id.host.clone(),
        doc: spec.doc.clone(),
        command,
        dry_run,
        env,
        files: files.into(),
        software: draft.common.software.clone(),
        needs,
        within: spec.within,
        folder,
    })
}

fn file(draft: &Draft<'_>, name: &str, content: &FileContent, renderer: &mut Renderer<'_>) -> Option<DesiredFile> {
    let template = match content {
        FileContent::Inline(template) => template,
        // That it is there was seen when the module was read.
        FileContent::TemplateFile(name) => draft.module.templates.get(name)?,
        FileContent::Given(_) => return None,
    };
    let Rendered { text, sealed } = renderer.file(template)?;
    let digest = |sealed: &Sealed| Digest::keyed(&sealed.key, text.as_bytes());
    Some(DesiredFile {
        place: Place::Generation(name.to_owned()),
        sha256: sealed.as_ref().map_or_else(|| Digest::of(text.as_bytes()), digest),
        content: text.into(),
        mode: MODE,
        on_change: OnChange::Nothing,
        identity: false,
        secret: sealed.is_some(),
        open: sealed.and_then(|sealed| sealed.open).map(|open| Hidden::new(&open)),
    })
}
