//! What instances need of their hosts.

use super::DesiredHost;
use super::draft::Draft;
use super::render::Renderer;
use crate::model::{Cluster, Module, NeedKind};
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
    /// What the host itself must offer, whatever runs there: to its supervisor. Nothing where there is no role.
    pub fn own_needs(&self) -> &[Need] {
        let supervisor = self.supervisor.supervisord().filter(|_| !self.idle);
        supervisor.map(|supervisor| &supervisor.needs[..]).unwrap_or_default()
    }

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
    let mut needs = of_module(cluster, draft.module, renderer)?;
    let wish = |kind: NeedKind| Need { kind, wish: true, allowed: false };
    if let Some(limits) = draft.module.process.as_ref().map(|process| &process.limits) {
        needs.extend(limits.nofile.map(|least| wish(NeedKind::OpenFiles(least))));
        let locks = limits.memlock.is_some() && renderer.holds(limits.memlock.as_ref())?;
        if locks && needs.iter().all(|need| need.kind != NeedKind::LockedMemory) {
            needs.push(wish(NeedKind::LockedMemory));
        }
    }
    let free = match &host.free_disk {
        Some(expr) => renderer.number(expr).and_then(|bytes| u64::try_from(bytes).ok())?,
        None => 0,
    };
    Some((needs.into(), free))
}

/// What a module says that its host must offer.
pub(super) fn of_module(cluster: &Cluster, module: &Module, renderer: &mut Renderer<'_>) -> Option<Vec<Need>> {
    let mut needs = Vec::new();
    for need in &module.host.needs {
        if renderer.holds(need.when.as_ref())? {
            let allowed = cluster.allow.iter().any(|name| name.value == need.kind.name());
            needs.push(Need { kind: need.kind.clone(), wish: need.wish, allowed });
        }
    }
    Some(needs)
}
