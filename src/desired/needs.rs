//! What instances need of their hosts.

use super::DesiredHost;
use super::draft::Draft;
use super::render::Renderer;
use crate::model::{Cluster, NeedKind};
use std::sync::Arc;

/// Something that an instance needs of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub kind: NeedKind,
    /// Whether a host without it is only worth a warning.
    pub wish: bool,
    /// Whether the file allows that a host is given it.
    pub allowed: bool,
}

impl DesiredHost {
    /// Where kernel settings that the file allows are kept for the next boot. It is a file of this host of this cluster alone,
    /// so that none takes away what another one needs of the same machine.
    pub fn kernel_file(&self) -> String {
        let name: String = self.units.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{KERNEL_FOLDER}/60-{name}.conf")
    }
}

/// Where kernel settings are kept that hold after a boot.
const KERNEL_FOLDER: &str = "/etc/sysctl.d";

/// What it needs of its host. The limits of its process are needs, too: a sandbox service may do with less.
pub(super) fn needs(cluster: &Cluster, draft: &Draft<'_>, renderer: &mut Renderer<'_>) -> Option<(Arc<[Need]>, u64)> {
    let host = &draft.module.host;
    let mut needs = Vec::new();
    for need in &host.needs {
        if renderer.holds(need.when.as_ref())? {
            let allowed = cluster.allow.iter().any(|name| name.value == need.kind.name());
            needs.push(Need { kind: need.kind.clone(), wish: need.wish, allowed });
        }
    }
    let limits = draft.module.process.as_ref().and_then(|process| process.limits.nofile);
    needs.extend(limits.map(|least| Need { kind: NeedKind::OpenFiles(least), wish: true, allowed: false }));
    let free = match &host.free_disk {
        Some(expr) => renderer.number(expr).and_then(|bytes| u64::try_from(bytes).ok())?,
        None => 0,
    };
    Some((needs.into(), free))
}
