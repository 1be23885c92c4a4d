//! Kernel settings that the plan lists.

use super::Transport;
use super::machine::{Calls, Machine};
use super::processes::SHORT;
use crate::desired::DesiredHost;
use crate::host::HostError;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Functions that set them.
const KERNEL: &str = include_str!("kernel.sh");

impl<T: Transport> Machine<T> {
    /// Keeps some for the next boot, and sets some now.
    pub(super) async fn provide(
        &self,
        host: &DesiredHost,
        keep: &BTreeMap<String, u64>,
        set: &BTreeMap<String, u64>,
    ) -> Result<(), HostError> {
        let mut calls = Calls::one("keep_settings", [host.kernel_file().as_str()]);
        for (name, value) in set {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            calls.add("set_kernel", [path.as_str(), value.to_string().as_str()]);
        }
        let text = file(host, keep).into_bytes();
        self.change_with(KERNEL, "setting what the kernel does", &host.prefix, &calls, text, SHORT).await.map(|_| ())
    }
}

/// The file that keeps them; nothing without any.
fn file(host: &DesiredHost, keep: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    if !keep.is_empty() {
        _ = writeln!(text, "# {}: written by es_cluster; `allow` of its cluster names these settings.", host.name);
    }
    // Writing to a String can't fail.
    for (name, value) in keep {
        _ = writeln!(text, "{name}={value}");
    }
    text
}
