//! `phases` of a module.

use super::probe::{EXPR, PROBES, TEMPLATE};
use super::{Field, Spec};
use crate::config::values::FromKdl;
use crate::model::Name;
use std::time::Duration;

/// A change that needs several passes.
pub(super) static PHASES: Spec =
    Spec::word("phases", "A change of versions that needs several passes: each over the whole service, gated.")
        .props(&[&[Field::need("when", EXPR, "Over `from`, the lowest version that runs, and `to`.")]])
        .block(&[&PHASE]);

static PHASE: Spec = Spec::word("phase", "A pass. The last one leaves what is declared.")
    .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
    .props(&[&[
        Field::or("when", EXPR, "always", "Whether such a change needs it, over `from` and `to`."),
        Field::or("no-return", bool::WHAT, "#false", "Once an instance has gone through it the service can't go back."),
    ]])
    .block(&[&SET, &BEFORE])
    .many();

static SET: Spec = Spec::word("set", "Parameters that have another value until the pass is over.")
    .props(&[&[Field::several("PARAMETER", TEMPLATE, "Its value, over `from` and `to`.")]])
    .many();

static BEFORE: Spec = Spec::word("before", "What must hold of the service before the pass begins.")
    .props(&[&[Field::or("within", Duration::WHAT, "1m", "How long it may take to hold.")]])
    .block(&[&Spec::word("rule", "A rule; it can be waived by its name.")
        .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
        .props(&[&[
            Field::or("passes", bool::WHAT, "#false", "Whether what stands against it passes by itself."),
            Field::or("help", String::WHAT, "none", "The way out when it does not hold."),
            Field::or("when", EXPR, "always", "Whether it is asked: over an instance's context, `from` and `to`."),
        ]])
        .block(&PROBES)
        .many()]);
