//! What instances need of their hosts.

use super::draft::Draft;
use super::render::Renderer;
use crate::model::NeedKind;
use std::sync::Arc;

/// Something that an instance needs of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub kind: NeedKind,
    /// Whether a host without it is only worth a warning.
    pub wish: bool,
}

/// What it needs of its host. The limits of its process are needs, too: a sandbox service may do with less.
pub(super) fn needs(draft: &Draft<'_>, renderer: &mut Renderer<'_>) -> Option<(Arc<[Need]>, u64)> {
    let host = &draft.module.host;
    let mut needs = Vec::new();
    for need in &host.needs {
        if renderer.holds(need.when.as_ref())? {
            needs.push(Need { kind: need.kind.clone(), wish: need.wish });
        }
    }
    let limits = draft.module.process.as_ref().and_then(|process| process.limits.nofile);
    needs.extend(limits.map(|least| Need { kind: NeedKind::OpenFiles(least), wish: true }));
    let free = match &host.free_disk {
        Some(expr) => renderer.number(expr).and_then(|bytes| u64::try_from(bytes).ok())?,
        None => 0,
    };
    Some((needs.into(), free))
}
