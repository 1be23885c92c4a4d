//! `docs/reference.md`, written from the tables that the decoders read with.

use super::probe::{PROBES, READS};
use super::{Absent, Called, Field, Spec, Times, languages};
use std::fmt::Write as _;

/// The page.
pub fn reference() -> String {
    let mut page = String::from(
        "# Reference\n\n\
         Every node of `cluster.kdl` and of modules, with its values, properties and block, from the tables that the programs \
         read\nwith. `UPDATE=1 cargo test --test it reference::` writes this page. The guides are [language.md](language.md) and\n\
         [modules.md](modules.md).\n\n\
         Words in capitals stand for names and values of your own; `…` says that there may be several. A node may stand once \
         in its\nblock unless its row says otherwise.\n",
    );
    for (file, top) in languages() {
        _ = writeln!(page, "\n## `{file}`\n\n{}", top.about);
        for spec in top.block {
            section(&mut page, spec);
        }
    }
    page.push_str("\n## Probes\n\nWhat stands in gates, rules, hooks, settings and status lines. In `read` of a `setting`, each of \
                   them also needs\n`value=`: an expression for the setting's value in the answer.\n");
    head(&mut page);
    let common: Vec<&Field> = PROBES.last().iter().flat_map(|last| last.fields()).collect();
    for spec in PROBES {
        _ = writeln!(page, "| **`{}`** | a probe | | {} |", synopsis(spec), spec.about);
        let shared = |field: &&Field| common.iter().any(|other| std::ptr::eq(*other, *field));
        for field in spec.args {
            row(&mut page, field, "");
        }
        for field in spec.fields().filter(|field| !shared(field)) {
            row(&mut page, field, "=");
        }
    }
    _ = writeln!(page, "| **any of them** | | | |");
    for field in common {
        row(&mut page, field, "=");
    }
    page
}

fn section(page: &mut String, spec: &'static Spec) {
    _ = writeln!(page, "\n### `{}`\n\n{}", shown(spec.name), spec.about);
    head(page);
    nodes(page, spec, "", &mut Vec::new());
}

fn head(page: &mut String) {
    page.push_str("\n| | what it is | when it is not there | what it says |\n| --- | --- | --- | --- |\n");
}

/// A node, what it takes, and what is in its block. What several nodes have is told where it stands first.
fn nodes(page: &mut String, spec: &'static Spec, within: &str, told: &mut Vec<&'static Spec>) {
    let times = match spec.times {
        Times::Once => ("a node", ""),
        Times::Needed => ("a node", "a mistake"),
        Times::Many => ("a node, any number of times", ""),
    };
    let about = if within.is_empty() { "" } else { spec.about };
    _ = writeln!(page, "| {within}**`{}`** | {} | {} | {about} |", synopsis(spec), times.0, times.1);
    if told.iter().any(|other| std::ptr::eq(*other, spec)) {
        return;
    }
    told.push(spec);
    for field in spec.args {
        row(page, field, "");
    }
    for field in spec.fields() {
        row(page, field, "=");
    }
    let within = format!("{within}`{}` › ", shown(spec.name));
    if std::ptr::eq(spec.block, PROBES.as_slice()) || std::ptr::eq(spec.block, READS.as_slice()) {
        _ = writeln!(page, "| {within}a probe | [below](#probes) | a mistake | What is asked. |");
        return;
    }
    for child in spec.block {
        nodes(page, child, &within, told);
    }
}

/// A value, or with a `=` a property.
fn row(page: &mut String, field: &Field, sign: &str) {
    let absent = match field.absent {
        Absent::Mistake => "a mistake",
        Absent::Means(means) => means,
        Absent::Several => "none of them",
    };
    let several = if field.absent == Absent::Several { "…" } else { "" };
    let name = shown(field.name);
    _ = writeln!(page, "| `{name}{sign}`{several} | {} | {absent} | {} |", field.kind, field.about);
}

/// How a node is written: its name, what stands for its values, and whether it has a block.
fn synopsis(spec: &Spec) -> String {
    let mut text = shown(spec.name).to_owned();
    for field in spec.args {
        let (open, close) = if matches!(field.absent, Absent::Means(_)) { ("[", "]") } else { ("", "") };
        let several = if field.absent == Absent::Several { "…" } else { "" };
        _ = write!(text, " {open}{}{several}{close}", shown(field.name));
    }
    if !spec.block.is_empty() {
        text.push_str(" { … }");
    }
    text
}

const fn shown(name: Called) -> &'static str {
    match name {
        Called::Word(name) | Called::Any(name) => name,
    }
}
