//! Processes that somebody has started by hand, and that an instance takes over.

use super::draft::Draft;

/// What a process started by hand is recognised by, besides the ports that it listens to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopts {
    /// Texts that are all in its command line.
    pub words: Vec<String>,
    /// The folder that its data is in, which stays there: the data folder below the prefix is a link to it.
    pub data: Option<String>,
}

/// What a process of an instance is recognised by that somebody started by hand.
pub(super) fn adopts(draft: &Draft<'_>) -> Option<Adopts> {
    let said = draft.role.adopt_on(&draft.id.host)?;
    let known = draft.module.adopt.as_ref()?;
    Some(Adopts { words: known.words.clone(), data: said.data.clone() })
}
