//! The texts that diagnostics point into.

use miette::NamedSource;
use std::sync::Arc;

/// Number of a text in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// Every text that was read in a run: the file, what it includes, the modules.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Arc<NamedSource<String>>>,
}

impl Sources {
    /// No text yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text under the name that reports show.
    pub fn add(&mut self, name: &str, text: String) -> SourceId {
        let id = SourceId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(Arc::new(NamedSource::new(name, text)));
        id
    }

    /// The text with its name.
    pub fn named(&self, id: SourceId) -> Option<Arc<NamedSource<String>>> {
        self.texts.get(id.0 as usize).cloned()
    }

    /// The text alone.
    pub fn text(&self, id: SourceId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |named| named.inner().as_str())
    }

    /// The name alone.
    pub fn name(&self, id: SourceId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |named| named.name())
    }
}
