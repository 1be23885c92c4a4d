//! What stands in a block: taken by name, with a report of what the language does not have there.

use super::grammar::Spec;
use super::reader::Node;
use super::report::duplicate;
use crate::diag::nearest;

/// The children of a node, by name, in the order of the file.
#[derive(Debug)]
pub(super) struct Body<'a> {
    nodes: Vec<Node<'a>>,
    /// The known names that were most likely meant by names that are not known.
    misspelt: Vec<&'static str>,
}

impl<'a> Body<'a> {
    pub(super) fn new(nodes: Vec<Node<'a>>, within: &'static Spec, place: &str) -> Self {
        let known: Vec<&'static str> = within.words().collect();
        let (nodes, strangers): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| known.contains(&node.name()));
        let mut misspelt = Vec::new();
        for stranger in strangers {
            stranger.unknown(place, known.iter().copied());
            misspelt.extend(nearest(stranger.name(), known.iter().copied()));
        }
        Self { nodes, misspelt }
    }

    /// Whether a name that is not known most likely means this one: then it is not missing, and what is in it is there.
    pub(super) fn misspells(&self, name: &str) -> bool {
        self.misspelt.contains(&name)
    }

    /// The child of this name. Said twice is a mistake, with both places.
    pub(super) fn one(&mut self, name: &str) -> Option<Node<'a>> {
        let mut all = self.many(name).into_iter();
        let first = all.next()?;
        for more in all {
            let what = format!("`{name}`");
            first.cx.report(duplicate(&what, more.span(), first.span(), "keep one of them"));
        }
        Some(first)
    }

    /// All children of this name.
    pub(super) fn many(&mut self, name: &str) -> Vec<Node<'a>> {
        let (wanted, rest) = std::mem::take(&mut self.nodes).into_iter().partition(|node| node.name() == name);
        self.nodes = rest;
        wanted
    }

    /// Whether there is a child of this name that was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.name() == name)
    }

    /// The children that were not taken yet, in order.
    pub(super) fn rest(self) -> Vec<Node<'a>> {
        self.nodes
    }
}
