//! Names whose reading is watched, and results that are remembered by what was read.
//!
//! What a template gives depends on its text and on what it reads, and it reads the same things in the same order as long
//! as they are the same. So a result is kept as a path through a tree: first what was read first, with its value, and so
//! on; whoever comes along the same path gets the same result without rendering. On a fleet that makes one rendering of a
//! file that is the same on ten thousand hosts, and one for each rack of a file that reads the rack. Nothing has to be
//! known of a template for that, and nothing is guessed: what was not read can't matter.

use super::engine::{Context, Shared};
use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Something that was read of a watched name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    /// One entry of a map, or that it has none.
    Entry(usize, Arc<str>),
    /// All of it.
    Whole(usize),
}

/// Some names of a context, and what was read of them.
#[derive(Clone)]
pub struct Watched {
    names: Arc<[(String, Value)]>,
    log: Log,
}

type Log = Arc<Mutex<Vec<Read>>>;

impl Watched {
    /// Names that stand for maps, or for something that is always read whole.
    pub fn new(names: impl IntoIterator<Item = (String, Shared)>) -> Self {
        Self { names: names.into_iter().map(|(name, value)| (name, value.0)).collect(), log: Log::default() }
    }

    /// A context with these names in it, watched.
    #[must_use]
    pub fn over(&self, context: &Context) -> Context {
        let watch = |(number, (name, value)): (usize, &(String, Value))| {
            (name.clone(), Value::from_object(Watch { number, value: value.clone(), log: Arc::clone(&self.log) }))
        };
        Context(minijinja::value::merge_maps([
            context.0.clone(),
            Value::from_pairs(self.names.iter().enumerate().map(watch)),
        ]))
    }

    /// A context with these names in it, not watched.
    #[must_use]
    pub fn plain(&self, context: &Context) -> Context {
        let names = Value::from_pairs(self.names.iter().map(|(name, value)| (name.clone(), value.clone())));
        Context(minijinja::value::merge_maps([context.0.clone(), names]))
    }

    /// How much was read so far.
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.log).len())
    }

    fn since(&self, mark: Mark) -> Vec<Read> {
        let log = lock(&self.log);
        let mut reads: Vec<Read> = Vec::new();
        for read in log.get(mark.0..).unwrap_or_default() {
            if !reads.contains(read) {
                reads.push(read.clone());
            }
        }
        reads
    }

    fn value(&self, read: &Read) -> Value {
        let (Read::Entry(number, _) | Read::Whole(number)) = read;
        let Some((_, value)) = self.names.get(*number) else { return Value::UNDEFINED };
        match read {
            Read::Entry(_, key) => value.get_attr(key).unwrap_or_default(),
            Read::Whole(_) => value.clone(),
        }
    }
}

/// A place in what was read.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

fn lock(log: &Log) -> std::sync::MutexGuard<'_, Vec<Read>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One watched name as templates see it.
#[derive(Debug)]
struct Watch {
    number: usize,
    value: Value,
    log: Log,
}

impl Watch {
    fn whole(&self) {
        lock(&self.log).push(Read::Whole(self.number));
    }
}

impl Object for Watch {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.value.as_object().map_or(ObjectRepr::Plain, DynObject::repr)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(name) if self.repr() == ObjectRepr::Map => lock(&self.log).push(Read::Entry(self.number, name.into())),
            _ => self.whole(),
        }
        self.value.as_object()?.get_value(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.whole();
        match self.value.as_object() {
            Some(object) => object.enumerate(),
            None => Enumerator::NonEnumerable,
        }
    }
}

/// Results of one thing that is made again and again, by what was read while it was made.
#[derive(Debug)]
pub struct Memo<T>(Node<T>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Node::Unknown)
    }
}

#[derive(Debug)]
enum Node<T> {
    /// Nobody has come here.
    Unknown,
    /// Nothing more is read.
    Known(T),
    /// What is read next, and where it goes from there.
    Reads(Read, BTreeMap<Key, Node<T>>),
}

impl<T: Clone> Memo<T> {
    /// The result for these names, if all that has to be read for it was read before with the same values. What is
    /// looked at for that counts as read.
    pub fn get(&self, watched: &Watched) -> Option<T> {
        let (mut node, mut reads) = (&self.0, Vec::new());
        loop {
            match node {
                Node::Unknown => return None,
                Node::Known(result) => {
                    lock(&watched.log).append(&mut reads);
                    return Some(result.clone());
                }
                Node::Reads(read, next) => {
                    node = next.get(&keyed(watched.value(read)))?;
                    reads.push(read.clone());
                }
            }
        }
    }

    /// Remembers a result that was made since a mark.
    pub fn learn(&mut self, watched: &Watched, since: Mark, result: T) {
        let mut node = &mut self.0;
        for read in watched.since(since) {
            if !matches!(node, Node::Reads(known, _) if *known == read) {
                *node = Node::Reads(read.clone(), BTreeMap::new());
            }
            let Node::Reads(_, next) = node else { return };
            node = next.entry(keyed(watched.value(&read))).or_insert(Node::Unknown);
        }
        *node = Node::Known(result);
    }
}

/// A value, and whether it is a truth value: 1 and `true` are equal otherwise.
type Key = (bool, Value);

fn keyed(value: Value) -> Key {
    (value.kind() == ValueKind::Bool, value)
}
