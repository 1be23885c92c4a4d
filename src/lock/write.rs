//! The text of `cluster.lock`.

use super::{Key, Lock, Locked};
use std::fmt::Write as _;

/// The first lines: what the file is for people who find it.
const HEAD: &str =
    "// Which bytes each declared version is. Written by `esplan lock`; commit it with the cluster file.\n";

pub(super) fn lock(lock: &Lock) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("lock format=1\n");
    for (key, locked) in &lock.artifacts {
        artifact(&mut text, key, locked);
    }
    text
}

fn artifact(text: &mut String, key: &Key, locked: &Locked) {
    let plugin = key.plugin.as_ref().map(|plugin| format!(" plugin={}", quoted(plugin))).unwrap_or_default();
    let (module, version) = (quoted(key.module.as_str()), quoted(key.version.as_str()));
    _ = writeln!(text, "artifact {module}{plugin} version={version} source={} {{", quoted(&locked.source));
    let mut files: Vec<_> = locked.files.iter().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    for file in files {
        _ = writeln!(text, "    file {} sha256=\"{}\" size={}", quoted(&file.name), file.sha256, file.size);
    }
    if let Some(part) = &locked.bundle {
        let into = if part.into.is_empty() { String::new() } else { format!(" into={}", quoted(&part.into)) };
        _ = writeln!(text, "    bundle {} sha256=\"{}\" size={}{into}", quoted(&part.name), part.bundle, part.size);
    }
    if let Some(program) = &locked.system {
        _ = writeln!(text, "    system {}", quoted(program));
    }
    text.push_str("}\n");
}

/// A quoted KDL string. Characters that KDL forbids even when they are escaped are left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
                {}
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
