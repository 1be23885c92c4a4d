//! Plans read from a file: somebody may have edited, cut or made up what is in it.

use super::{FORMAT, Plan};
use serde::Deserialize;

/// Why a text is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// It is not JSON, or not that of a plan.
    #[error("it is no plan: line {line}, column {column}: {why}; make a new one with `esplan --out`")]
    NotAPlan {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was wrong there, one line.
        why: String,
    },
    /// It was made by another version of this program.
    #[error("it has format {found}, and this program reads {FORMAT}; make a new one with `esplan --out`")]
    OtherFormat {
        /// Its format.
        found: u32,
    },
}

/// What every format of a plan says.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Plan {
    /// Reads a plan. Whether it may be applied is for the check and the fingerprints to say.
    ///
    /// # Errors
    /// When the text is not a plan of this format.
    pub fn from_json(text: &str) -> Result<Self, BadPlan> {
        let head: Head = serde_json::from_str(text).map_err(|error| not_a_plan(&error))?;
        if head.format != FORMAT {
            return Err(BadPlan::OtherFormat { found: head.format });
        }
        serde_json::from_str(text).map_err(|error| not_a_plan(&error))
    }
}

fn not_a_plan(error: &serde_json::Error) -> BadPlan {
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    BadPlan::NotAPlan { line: error.line(), column: error.column(), why: crate::inventory::printable(why, 200) }
}
