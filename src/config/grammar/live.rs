//! What a service takes without a restart.

use super::super::values::FromKdl;
use super::probe::EXPR;
use super::{Field, Spec};
use crate::model::Name;

/// Settings that are set through the service's API, and kept in step with its files.
pub(super) static LIVE: Spec =
    Spec::word("live", "Parameters that the service takes while it runs: nothing restarts for them.").block(&[
        &Spec::word("param", "One, or several that are one setting.")
            .args(&[Field::several("PARAMETER", "a parameter of the module", "Its name.")])
            .props(&[&[
                Field::need("setting", Name::WHAT, "The `setting` of the module by which it is read and set."),
                Field::or("value", EXPR, "the parameter", "What the setting should be; `none` leaves it as it is."),
                Field::or("when", EXPR, "always", "When the service can do that; else it restarts for them."),
                Field::or("each", bool::WHAT, "#false", "Each instance has its own, or the whole service one."),
            ]])
            .many(),
    ]);
