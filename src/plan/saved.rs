//! Plans in files: what stands beside a plan there, its digest, and reading one that somebody may have edited, cut or
//! made up.

use super::{FORMAT, Plan};
use crate::model::Digest;
use serde::{Deserialize, Serialize};

/// A plan as it is in a file.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a plan does nothing until it is shown or applied"]
pub struct Saved {
    /// Who made it, when, and until when it may be applied.
    pub made: Option<Made>,
    /// The plan.
    pub plan: Plan,
}

/// What is said of a plan beside it, and is no part of its digest. Times are RFC 3339, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// `user@machine`.
    pub by: String,
    /// When.
    pub at: String,
    /// It may not be applied later than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

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
    /// What is in it is not what its digest is of.
    #[error("it was changed after it was made: its digest is {is}, and it says {says}")]
    Edited {
        /// What it says.
        says: Digest,
        /// What it is.
        is: Digest,
    },
}

/// What every format of a plan says.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// What stands beside the plan.
#[derive(Deserialize)]
struct Beside {
    digest: Digest,
    #[serde(default)]
    made: Option<Made>,
}

/// The whole text.
#[derive(Serialize)]
struct Document<'a> {
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<&'a Made>,
    #[serde(flatten)]
    plan: &'a Plan,
}

impl Plan {
    /// The digest that two people compare to know that they speak of the same plan: of its JSON without line breaks,
    /// without who made it and when.
    pub fn digest(&self) -> Digest {
        // A plan is plain data with text keys: it always serialises. An empty text would only make the digest useless.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Indented JSON with the digest, and with who made it when that is given; with a final line end.
    pub fn to_json(&self, made: Option<&Made>) -> String {
        let document = Document { digest: self.digest(), made, plan: self };
        // Names are text and values are plain data: nothing of a plan can fail to be written.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a plan, without what stands beside it.
    ///
    /// # Errors
    /// As [`Saved::from_json`].
    pub fn from_json(text: &str) -> Result<Self, BadPlan> {
        Saved::from_json(text).map(|saved| saved.plan)
    }
}

impl Saved {
    /// Reads a plan. Whether it may be applied is for the check and the fingerprints to say.
    ///
    /// # Errors
    /// When the text is not a plan of this format, or was edited.
    pub fn from_json(text: &str) -> Result<Self, BadPlan> {
        let version: Version = read(text)?;
        if version.format != FORMAT {
            return Err(BadPlan::OtherFormat { found: version.format });
        }
        let Beside { digest: says, made } = read(text)?;
        let plan: Plan = read(text)?;
        let is = plan.digest();
        if is == says { Ok(Self { made, plan }) } else { Err(BadPlan::Edited { says, is }) }
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BadPlan> {
    serde_json::from_str(text).map_err(|error| not_a_plan(&error))
}

fn not_a_plan(error: &serde_json::Error) -> BadPlan {
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    BadPlan::NotAPlan { line: error.line(), column: error.column(), why: crate::inventory::printable(why, 200) }
}
