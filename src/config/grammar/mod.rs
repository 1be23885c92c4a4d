//! Both languages as data: which nodes there are, what they take, and what it means. The decoders read with these
//! tables (what is allowed where, the nearest known name), and `docs/reference.md` is written from them.

mod cluster;
mod connection;
mod drain;
mod import;
mod job;
mod live;
mod module;
mod needs;
mod page;
mod phases;
mod probe;

pub(super) use cluster::FILE;
pub(super) use module::MODULE_FILE;
pub use page::reference;

/// A node.
#[derive(Debug)]
pub struct Spec {
    /// How it is called.
    pub name: Called,
    /// What it says, in a sentence or two.
    pub about: &'static str,
    /// Its values, in order.
    pub args: &'static [Field],
    /// Its properties, in groups that several nodes share.
    pub props: &'static [&'static [Field]],
    /// What may stand in its block.
    pub block: &'static [&'static Spec],
    /// How often it may stand in its block.
    pub times: Times,
}

/// A node's or a property's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// This word.
    Word(&'static str),
    /// A word that the author chooses; shown as this.
    Any(&'static str),
}

/// How often a node may stand in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// At most once.
    Once,
    /// Once, and it must be there.
    Needed,
    /// Any number of times.
    Many,
}

/// A value or a property of a node.
#[derive(Debug)]
pub struct Field {
    /// The property's name; of a value, what stands for it.
    pub name: Called,
    /// What it is, with its article: the words of the mistake when it is something else.
    pub kind: &'static str,
    /// What happens when it is not there.
    pub absent: Absent,
    /// What it says.
    pub about: &'static str,
}

/// What it means that something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// A mistake.
    Mistake,
    /// This holds.
    Means(&'static str),
    /// It is one of several or of none.
    Several,
}

impl Spec {
    const fn new(name: Called, about: &'static str) -> Self {
        Self { name, about, args: &[], props: &[], block: &[], times: Times::Once }
    }

    const fn word(name: &'static str, about: &'static str) -> Self {
        Self::new(Called::Word(name), about)
    }

    const fn any(name: &'static str, about: &'static str) -> Self {
        Self { times: Times::Many, ..Self::new(Called::Any(name), about) }
    }

    const fn args(self, args: &'static [Field]) -> Self {
        Self { args, ..self }
    }

    const fn props(self, props: &'static [&'static [Field]]) -> Self {
        Self { props, ..self }
    }

    const fn block(self, block: &'static [&'static Self]) -> Self {
        Self { block, ..self }
    }

    const fn needed(self) -> Self {
        Self { times: Times::Needed, ..self }
    }

    const fn many(self) -> Self {
        Self { times: Times::Many, ..self }
    }

    /// The node of this name in the block.
    pub fn child(&self, name: &str) -> Option<&'static Spec> {
        let all = || self.block.iter().copied();
        let word = all().find(|child| matches!(child.name, Called::Word(word) if word == name));
        word.or_else(|| all().find(|child| matches!(child.name, Called::Any(_))))
    }

    /// The words that may stand in the block, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.block.iter().filter_map(|child| match child.name {
            Called::Word(word) => Some(word),
            Called::Any(_) => None,
        })
    }

    /// All its properties.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.props.iter().flat_map(|group| group.iter())
    }

    /// The names of its properties, without those that the author chooses.
    pub(super) fn property_names(&self) -> impl Iterator<Item = &'static str> {
        self.fields().filter_map(|field| match field.name {
            Called::Word(word) => Some(word),
            Called::Any(_) => None,
        })
    }
}

impl Field {
    const fn new(name: Called, kind: &'static str, absent: Absent, about: &'static str) -> Self {
        Self { name, kind, absent, about }
    }

    /// A value or property that must be there.
    const fn need(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self::new(Called::Word(name), kind, Absent::Mistake, about)
    }

    /// One that may be left out, and what holds then.
    const fn or(name: &'static str, kind: &'static str, means: &'static str, about: &'static str) -> Self {
        Self::new(Called::Word(name), kind, Absent::Means(means), about)
    }

    /// Several of a kind, under names that the author chooses.
    const fn several(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self::new(Called::Any(name), kind, Absent::Several, about)
    }
}

/// What is read without a table: values below a name that nobody knows.
pub(super) static UNKNOWN: Spec = Spec::any("NAME", "");

/// The nodes at the top of `cluster.kdl` and of a module's file.
pub fn languages() -> [(&'static str, &'static Spec); 2] {
    [("cluster.kdl", &FILE), ("modules/NAME.kdl", &MODULE_FILE)]
}
