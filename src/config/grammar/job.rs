//! Jobs of a module.

use super::super::values::FromKdl;
use super::probe::{EXPR, TEMPLATE};
use super::{Field, Spec};
use crate::model::{ModuleName, Name};
use std::time::Duration;

pub(super) static JOB: Spec = Spec::word("job", "What people may ask for: `esapply run NAME`.")
    .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
    .props(&[&[
        Field::or("within", Duration::WHAT, "10m", "How long it may take; then it is ended."),
        Field::or("when", EXPR, "always", "Whether the role has it."),
    ]])
    .block(&[
        &Spec::word("doc", "What it does.").args(&[Field::need("TEXT", String::WHAT, "One sentence.")]),
        &Spec::word("needs", "Modules whose services it works on: they must be healthy, and not under a rollout.")
            .args(&[Field::several("MODULE", ModuleName::WHAT, "A module.")])
            .many(),
        &Spec::word("file", "A file in the folder that it runs in.")
            .args(&[Field::need("NAME", String::WHAT, "Its name.")])
            .props(&[&[
                Field::or("template", "a file in the module's folder", "`content` is given", "Its template."),
                Field::or("content", TEMPLATE, "`template` is given", "Its text."),
            ]])
            .many(),
        &Spec::word("command", "The program and its arguments; no shell reads them.")
            .args(&[Field::several("WORD", TEMPLATE, "A word.")])
            .needed(),
        &Spec::word("dry-run", "The command that only shows what it would do.")
            .args(&[Field::several("WORD", TEMPLATE, "A word.")]),
        &Spec::word("env", "Variables of its environment; an empty one is left out.")
            .props(&[&[Field::several("VARIABLE", TEMPLATE, "Its value.")]])
            .many(),
    ])
    .many();
