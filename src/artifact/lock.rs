//! `esplan lock`: every artifact in use is resolved, fetched when it is not at hand, packed, and written down. What is
//! locked stays as it is: bytes that differ from the lock are refused, whoever delivers them.

use super::cache::Made;
use super::fetch::Fetcher;
use super::make::{is_at_hand, make, part_name, same_bundle};
use super::needs::{BadNeed, Modules, Need, label, needs};
use super::recipe::{Kind, Recipe};
use super::{ArtifactError, Cache, Clients};
use crate::lock::{Lock, Locked, LockedFile};
use crate::model::Cluster;
use futures::stream::{self, StreamExt as _};
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

/// Clients that run side by side.
const AT_ONCE: usize = 3;
/// Largest file that is fetched, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024 * 1024;

/// What is to be locked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Its modules.
    pub modules: &'a Modules,
    /// `cluster.lock` as it is.
    pub existing: Option<&'a Lock>,
    /// Folders of vendor files, in order: that of `--install`, then `install/` beside the cluster file.
    pub vendor: &'a [PathBuf],
    /// The programs that fetch.
    pub clients: &'a Clients,
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is at hand: nothing to do.
    Kept {
        /// Software or plugin, with its version.
        what: String,
    },
    /// A source is tried; looking for vendor files takes no time and is not reported.
    Trying {
        /// Software or plugin, with its version.
        what: String,
        /// The source.
        source: String,
    },
    /// A source did not deliver; the next one is tried. That a vendor file is not there is not reported.
    Missed {
        /// Software or plugin, with its version.
        what: String,
        /// The source.
        source: String,
        /// Why.
        why: String,
    },
    /// It is locked now.
    Locked {
        /// Software or plugin, with its version.
        what: String,
        /// The source.
        source: String,
        /// Bytes of the bundle.
        size: u64,
    },
}

/// Is told what happens, from one thread at a time.
pub type Reporter<'a> = &'a (dyn Fn(Event) + Sync);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The cluster file or a module keep artifacts from being looked for; all mistakes.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Bad(Vec<BadNeed>),
    /// Artifacts that no source delivered; all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unobtainable(Vec<Unobtainable>),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] ArtifactError),
}

/// An artifact that no source delivered.
#[derive(Debug)]
pub struct Unobtainable {
    /// Software or plugin, with its version.
    pub what: String,
    /// Every source that was tried, with what came of it.
    pub tries: Vec<(String, ArtifactError)>,
}

impl fmt::Display for Unobtainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be had. tried:", self.what)?;
        for (source, error) in &self.tries {
            write!(f, "\n  {source}\n    {}", error.to_string().replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

/// An artifact that is still looked for.
struct Open<'a> {
    need: Need,
    left: VecDeque<Recipe>,
    locked: Option<&'a Locked>,
    tries: Vec<(String, ArtifactError)>,
}

/// Resolves everything in use. Entries of the existing lock are kept; what the cache lacks is fetched.
///
/// # Errors
/// All that is wrong with the files, or all that could not be had with every source that was tried.
pub async fn lock(cache: &Cache, request: &Request<'_>, report: Reporter<'_>) -> Result<Lock, LockError> {
    let fetcher = Fetcher { cache, clients: request.clients, vendor: request.vendor, limit: MAX_FILE };
    let needs = needs(request.cluster, request.modules).map_err(LockError::Bad)?;
    resolve(&fetcher, needs, request.existing, report).await
}

/// [`lock`], when it is known what is needed.
pub(super) async fn resolve(
    fetcher: &Fetcher<'_>,
    needs: Vec<Need>,
    existing: Option<&Lock>,
    report: Reporter<'_>,
) -> Result<Lock, LockError> {
    let cache = fetcher.cache;
    let mut lock = Lock::default();
    let mut open = Vec::new();
    for need in needs {
        let locked =
            existing.and_then(|lock| lock.artifacts.get(&need.key)).filter(|locked| still_meant(locked, &need));
        let kept = locked.cloned().filter(|locked| is_at_hand(cache, locked));
        match kept.or_else(|| known(fetcher, &need, locked)) {
            Some(kept) => {
                report(Event::Kept { what: label(&need.key) });
                lock.artifacts.insert(need.key, kept);
            }
            None => open.push(Open::new(need, locked)),
        }
    }
    let mut missed = Vec::new();
    while !open.is_empty() {
        let mut still = Vec::new();
        for (mut item, recipe, outcome) in round(fetcher, open, &mut still, report).await {
            let (what, source) = (label(&item.need.key), recipe.to_string());
            match outcome {
                Ok(locked) => {
                    let size = locked.bundle.as_ref().map_or(0, |part| part.size);
                    report(Event::Locked { what, source, size });
                    lock.artifacts.insert(item.need.key, locked);
                }
                Err(error) => {
                    if !matches!(error, ArtifactError::Absent { .. }) {
                        report(Event::Missed { what: what.clone(), source: source.clone(), why: error.to_string() });
                    }
                    item.tries.push((source, error));
                    if item.left.is_empty() {
                        missed.push(Unobtainable { what, tries: item.tries });
                    } else {
                        still.push(item);
                    }
                }
            }
        }
        open = still;
    }
    missed.sort_by(|a, b| a.what.cmp(&b.what));
    if missed.is_empty() { Ok(lock) } else { Err(LockError::Unobtainable(missed)) }
}

impl<'a> Open<'a> {
    /// The source that was locked comes first: it is the one that has the locked bytes.
    fn new(need: Need, locked: Option<&'a Locked>) -> Self {
        let mut left: VecDeque<Recipe> = need.recipes.clone().into();
        let of = |recipe: &Recipe| locked.is_some_and(|locked| recipe.to_string() == locked.source);
        if let Some(first) = left.iter().position(of).and_then(|at| left.remove(at)) {
            left.push_front(first);
        }
        Self { need, left, locked, tries: Vec::new() }
    }
}

/// Whether a locked entry comes from a source that the module still has, and goes to the same place.
fn still_meant(locked: &Locked, need: &Need) -> bool {
    let same_place = locked.bundle.as_ref().is_none_or(|part| part.into == need.into);
    same_place && need.recipes.iter().any(|recipe| recipe.to_string() == locked.source)
}

/// What the first source led to before, when its text alone says which bytes are meant and they are at hand. Vendor files
/// that are not there are passed over.
fn known(fetcher: &Fetcher<'_>, need: &Need, locked: Option<&Locked>) -> Option<Locked> {
    let cache = fetcher.cache;
    let recipe = need.recipes.iter().find(|recipe| match &recipe.kind {
        Kind::File { name } => fetcher.vendored(name).is_some(),
        _ => true,
    })?;
    let made = cache.led_to(&recipe.fixed()?)?;
    let locked_now = entry(recipe, need, &made);
    let same = locked.is_none_or(|locked| *locked == locked_now);
    (same && is_at_hand(cache, &locked_now)).then_some(locked_now)
}

fn entry(recipe: &Recipe, need: &Need, made: &Made) -> Locked {
    let part = crate::desired::Part {
        bundle: made.bundle,
        name: part_name(&need.key),
        size: made.size,
        into: need.into.clone(),
    };
    let files = made.files.iter().map(LockedFile::from).collect();
    Locked { source: recipe.to_string(), files, bundle: Some(part), system: None }
}

type Tried<'a> = (Open<'a>, Recipe, Result<Locked, ArtifactError>);

/// Tries the next source of everything that is open: vendor files alone, since they take no time and what is left then
/// can go together; then Maven's in one call and the others side by side.
async fn round<'a>(
    fetcher: &Fetcher<'_>,
    open: Vec<Open<'a>>,
    waiting: &mut Vec<Open<'a>>,
    report: Reporter<'_>,
) -> Vec<Tried<'a>> {
    let local = |item: &Open<'_>| item.left.front().is_some_and(|recipe| matches!(recipe.kind, Kind::File { .. }));
    let only_local = open.iter().any(local);
    let mut maven = Vec::new();
    let mut others = Vec::new();
    for mut item in open {
        if only_local && !local(&item) {
            waiting.push(item);
            continue;
        }
        let Some(recipe) = item.left.pop_front() else { continue };
        if !only_local {
            report(Event::Trying { what: label(&item.need.key), source: recipe.to_string() });
        }
        match recipe.kind {
            Kind::Maven { .. } => maven.push((item, recipe)),
            _ => others.push((item, recipe)),
        }
    }
    let together = async {
        if maven.is_empty() {
            return Vec::new();
        }
        let recipes: Vec<&Recipe> = maven.iter().map(|(_, recipe)| recipe).collect();
        let fetched = fetcher.maven(&recipes).await;
        let packed = maven.into_iter().zip(fetched).map(|((item, recipe), files)| pack(fetcher, item, recipe, files));
        stream::iter(packed).buffered(AT_ONCE).collect::<Vec<_>>().await
    };
    let beside = stream::iter(others)
        .map(|(item, recipe)| async move {
            let files = fetcher.one(&recipe).await;
            pack(fetcher, item, recipe, files).await
        })
        .buffered(AT_ONCE)
        .collect::<Vec<_>>();
    let (mut tried, more) = futures::join!(together, beside);
    tried.extend(more);
    tried
}

async fn pack<'a>(
    fetcher: &Fetcher<'_>,
    item: Open<'a>,
    recipe: Recipe,
    files: Result<Vec<LockedFile>, ArtifactError>,
) -> Tried<'a> {
    let outcome = match files {
        Ok(files) => entry_of(fetcher.cache, &item, &recipe, files).await,
        Err(error) => Err(error),
    };
    (item, recipe, outcome)
}

async fn entry_of(
    cache: &Cache,
    item: &Open<'_>,
    recipe: &Recipe,
    files: Vec<LockedFile>,
) -> Result<Locked, ArtifactError> {
    if let Kind::System { program } = &recipe.kind {
        let system = Some(program.clone());
        return Ok(Locked { source: recipe.to_string(), files, bundle: None, system });
    }
    if let Some(locked) = item.locked {
        same_files(locked, &files)?;
    }
    let (store, layout) = (cache.clone(), recipe.layout.clone());
    let (name, into) = (part_name(&item.need.key), item.need.into.clone());
    let packed = tokio::task::spawn_blocking(move || make(&store, &files, &layout, name, into)).await;
    let (part, made) = packed.map_err(|_| ArtifactError::Interrupted)??;
    if let Some(locked) = item.locked.and_then(|locked| locked.bundle.as_ref()) {
        same_bundle(locked, &part)?;
    }
    if let Some(fixed) = recipe.fixed() {
        cache.remember(&fixed, &made)?;
    }
    // The lock says where it was first had from, whoever delivered the same bytes now.
    let said = item.locked.map_or_else(|| recipe.to_string(), |locked| locked.source.clone());
    Ok(Locked { source: said, ..entry(recipe, &item.need, &made) })
}

/// Refuses files that are not the locked ones.
fn same_files(locked: &Locked, files: &[LockedFile]) -> Result<(), ArtifactError> {
    for file in files {
        let known = locked.files.iter().find(|known| known.name == file.name);
        if known.is_none_or(|known| known.sha256 != file.sha256) {
            return Err(ArtifactError::Mismatch {
                file: file.name.clone(),
                found: file.sha256.to_string(),
                locked: known.map_or_else(|| "no such file".to_owned(), |known| known.sha256.to_string()),
            });
        }
    }
    match locked.files.iter().find(|known| files.iter().all(|file| file.name != known.name)) {
        None => Ok(()),
        Some(gone) => Err(ArtifactError::Mismatch {
            file: gone.name.clone(),
            found: "not delivered".to_owned(),
            locked: gone.sha256.to_string(),
        }),
    }
}
