//! How an instance leaves for good.

use super::super::values::FromKdl;
use super::probe::{EXPR, PROBES, READS};
use super::{Field, Spec};
use crate::model::Name;
use std::time::Duration;

/// What is moved away before an instance is stopped for the last time.
pub(super) static DRAIN: Spec =
    Spec::word("drain", "What is moved away from an instance that leaves, before it is stopped for the last time.")
        .props(&[&[
            Field::or("within", Duration::WHAT, "1h", "How long that may take."),
            Field::or("when", EXPR, "always", "Which instances keep anything."),
        ]])
        .block(&[&RULE, &SET, &LEFT, &STUCK, &FINISH]);

static RULE: Spec = Spec::word("rule", "What must hold before it begins; it can be waived as `MODULE.NAME`.")
    .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
    .props(&[&[Field::or("passes", bool::WHAT, "#false", "Whether what stands against it passes by itself.")]])
    .block(&PROBES)
    .many();

static TO: [Field; 1] =
    [Field::need("to", EXPR, "Over `value`, what it is now, and `leaving`, its name; `none`: as it is.")];

static SET: Spec = Spec::word("set", "Makes the service move what is there.")
    .args(&[Field::need("SETTING", Name::WHAT, "A `setting` of the module.")])
    .props(&[
        &TO,
        &[Field::or("put-back", bool::WHAT, "#true", "Whether it becomes what it was once nothing runs there.")],
    ])
    .many();

static LEFT: Spec =
    Spec::word("left", "What is left there: a list, of texts or of maps with a `name`.").block(&READS).needed();

static STUCK: Spec =
    Spec::word("stuck", "Why it does not get less, asked about once a minute; sees `left`.").block(&PROBES);

static FINISH: Spec = Spec::word("finish", "Set when nothing is left there.")
    .args(&[Field::need("SETTING", Name::WHAT, "A `setting` of the module.")])
    .props(&[&TO])
    .many();
