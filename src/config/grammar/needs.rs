//! What a module says of hosts and of ways between versions.

use super::super::values::FromKdl;
use super::probe::{EXPR, TEMPLATE};
use super::{Field, Spec};
use crate::model::{Name, Version};

static NEED: [Field; 2] = [
    Field::or("when", EXPR, "always", "Whether the instance needs it."),
    Field::or("wish", bool::WHAT, "#false", "A host without it is a warning, and no refusal."),
];

pub(super) static HOST: Spec = Spec::word("host", "What an instance needs of its host.").block(&[
    &Spec::word("memory", "How much memory it takes.").args(&[Field::need("EXPR", EXPR, "Bytes.")]),
    &Spec::word("free-disk", "What must be left on the disk of the prefix when everything is unpacked.")
        .args(&[Field::need("EXPR", EXPR, "Bytes.")]),
    &Spec::word("sysctl", "A kernel setting.")
        .args(&[Field::need("NAME", String::WHAT, "Its name.")])
        .props(&[
            &[
                Field::or("at-least", u64::WHAT, "`at-most`", "Its least value."),
                Field::or("at-most", u64::WHAT, "`at-least`", "Its largest value."),
            ],
            &NEED,
        ])
        .many(),
    &Spec::word(
        "open-files",
        "Open files of a process, as the hard limit allows; `limits nofile=` of the process asks for it, too.",
    )
    .props(&[&[Field::need("at-least", u64::WHAT, "How many.")], &NEED])
    .many(),
    &Spec::word("locked-memory", "All memory may be locked, as the hard limit allows.").props(&[&NEED]),
    &Spec::word("swap", "Whether memory may be swapped out.")
        .args(&[Field::need("WHAT", "`off`", "None.")])
        .props(&[&NEED]),
    &Spec::word("huge-pages", "Transparent huge pages.")
        .args(&[Field::need("WHAT", "`not-always`", "Only for who asks, or never.")])
        .props(&[&NEED]),
    &Spec::word("command", "A program in the path of the host.")
        .args(&[Field::need("NAME", String::WHAT, "Its name.")])
        .props(&[
            &[Field::or(
                "package",
                String::WHAT,
                "none",
                "The package that has it, which a cluster may `allow` to be installed.",
            )],
            &NEED,
        ])
        .many(),
    &Spec::word("raw-sockets", "The right to open raw sockets.").props(&[&NEED]),
]);

pub(super) static UPGRADE: Spec = Spec::word("upgrade", "Ways from one version to another that are refused.").block(&[
    &Spec::word("find", "Something in the data folder that rules ask for.")
        .args(&[
            Field::need("NAME", Name::WHAT, "Its name, below `found`: `found.NAME` is true or false."),
            Field::need("PATTERN", String::WHAT, "A path in the data folder; `*` is any part of a name."),
        ])
        .many(),
    &Spec::word("step", "A way that is refused; it can be waived as `MODULE.NAME`.")
        .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
        .props(&[&[
            Field::need("when", EXPR, "When it is refused: over `from`, `to`, `found`, `was` and the instance."),
            Field::need("says", TEMPLATE, "Why."),
            Field::or("through", Version::WHAT, "none", "The version to go to first."),
            Field::or("help", String::WHAT, "go through that version", "The way out."),
        ]])
        .many(),
]);
