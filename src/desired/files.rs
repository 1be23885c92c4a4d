//! The rendered files of one instance.

use super::draft::{Draft, remembered};
use super::paths;
use super::render::{Rendered, Renderer, Sealed};
use super::{DesiredFile, Place, free};
use crate::diag::{Code, Diag};
use crate::expr::{Memo, Watched};
use crate::model::{Digest, FileContent, FileSpec, Hidden, Name, OnChange, Template, Value};
use std::collections::BTreeMap;

/// Permission bits of a file that holds a secret.
const SECRET_MODE: u32 = 0o600;

/// Renders all files of the module for an instance, sorted by place. `memos` has one for each file of the module.
pub(super) fn render(
    draft: &Draft<'_>,
    watched: &Watched,
    memos: &mut [Memo<Option<DesiredFile>>],
    renderer: &mut Renderer<'_>,
) -> Vec<DesiredFile> {
    let mut files: BTreeMap<Place, DesiredFile> = BTreeMap::new();
    for (spec, memo) in draft.module.files.iter().zip(memos) {
        if let FileContent::Given(param) = &spec.content {
            let wanted = renderer.holds(spec.when.as_ref()) == Some(true);
            let folder = renderer.text(&spec.path).filter(|_| wanted);
            files.extend(folder.into_iter().flat_map(|folder| given(draft, spec, param, &folder)));
            continue;
        }
        let file = remembered(memo, watched, |_| {
            let wanted = renderer.holds(spec.when.as_ref())?;
            if wanted { file(draft, spec, renderer).map(Some) } else { Some(None) }
        });
        let Some(file) = file.flatten() else { continue };
        if files.contains_key(&file.place) {
            let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
            renderer.report(Diag::at(Code::Duplicate, spec.span, format!("two files are rendered to `{path}`")));
        }
        files.insert(file.place.clone(), file);
    }
    files.into_values().collect()
}

/// A file with the bytes that are known already.
pub(super) fn fixed(path: &str, content: String, mode: u32) -> DesiredFile {
    let sha256 = Digest::of(content.as_bytes());
    let place = Place::Generation(path.to_owned());
    DesiredFile {
        place,
        content: content.into(),
        sha256,
        mode,
        on_change: OnChange::Restart,
        identity: false,
        secret: false,
        open: None,
    }
}

fn file(draft: &Draft<'_>, spec: &FileSpec, renderer: &mut Renderer<'_>) -> Option<DesiredFile> {
    let path = renderer.text(&spec.path)?;
    let place = place(draft, &path).map_err(|why| {
        let message = format!("`{path}` is no place for a file: {why}");
        renderer.report(Diag::at(Code::RenderFailed, spec.path.0.span, message));
    });
    let template = content(draft, spec, renderer)?;
    let Rendered { mut text, mut sealed } = renderer.file(template)?;
    if let Some(format) = draft.module.free_config.as_ref().filter(|format| format.file == spec.path.0.value) {
        for text in [Some(&mut text), sealed.as_mut().and_then(|sealed| sealed.open.as_mut())].into_iter().flatten() {
            let entries = free::of(draft.role, &draft.id.host);
            let module = draft.role.module.as_str();
            match free::add(std::mem::take(text), &entries, format.format, template, module) {
                Ok(whole) => *text = whole,
                Err(wrong) => {
                    for diag in wrong {
                        renderer.report(diag);
                    }
                    return None;
                }
            }
        }
    }
    let digest = |sealed: &Sealed| Digest::keyed(&sealed.key, text.as_bytes());
    Some(DesiredFile {
        place: place.ok()?,
        sha256: sealed.as_ref().map_or_else(|| Digest::of(text.as_bytes()), digest),
        content: text.into(),
        mode: if sealed.is_some() { SECRET_MODE } else { spec.mode },
        on_change: spec.on_change,
        identity: spec.identity,
        secret: sealed.is_some(),
        open: sealed.and_then(|sealed| sealed.open).map(|open| Hidden::new(&open)),
    })
}

/// The operator's own files, as they are.
fn given(draft: &Draft<'_>, spec: &FileSpec, param: &Name, folder: &str) -> Vec<(Place, DesiredFile)> {
    let Some(Value::Map(texts)) = draft.common.params.get(param) else { return Vec::new() };
    let one = |(name, text): (&String, &Value)| {
        let (Value::Text(text), path) = (text, format!("{folder}/{name}")) else { return None };
        let mut file = fixed(&path, text.clone(), spec.mode);
        file.place = place(draft, &path).ok()?;
        file.on_change = spec.on_change;
        Some((file.place.clone(), file))
    };
    texts.iter().filter_map(one).collect()
}

fn place(draft: &Draft<'_>, path: &str) -> Result<Place, &'static str> {
    if path.starts_with('/') {
        return draft.common.folders.placed(path).map(|()| Place::Absolute(path.to_owned()));
    }
    paths::in_generation(path).map(|()| Place::Generation(path.to_owned()))
}

fn content<'t>(draft: &'t Draft<'_>, spec: &'t FileSpec, renderer: &mut Renderer<'_>) -> Option<&'t Template> {
    match &spec.content {
        FileContent::Inline(template) => Some(template),
        FileContent::TemplateFile(name) => {
            let template = draft.module.templates.get(name);
            if template.is_none() {
                let message = format!("there is no template `{name}` in the module's folder");
                renderer.report(Diag::at(Code::Unresolved, spec.span, message));
            }
            template
        }
        // Placed as they are, before anything is rendered.
        FileContent::Given(_) => None,
    }
}
