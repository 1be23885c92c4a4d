//! One difference in words: a sign, a sentence, and the diffs that belong to it. What all formats tell alike.

use super::words;
use crate::diff::{Change, FileDiff, Origin, SupervisorChange};
use crate::inventory::{Held, HeldWhat, printable};
use crate::model::{Digest, InstanceId, OnChange, SupervisorKind};
use std::collections::BTreeMap;

/// Longest text of a host or service in a line.
const LONGEST: usize = 200;

/// How many paths of a list are named.
const NAMED: usize = 3;

/// What a difference is about: what people filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Folders, the supervisor, what starts at boot, leftovers on disk.
    Host,
    /// Software and its versions.
    Software,
    /// Rendered files and their modes.
    File,
    /// What runs, and how it was started.
    Process,
    /// What does not serve, or is not healthy.
    Health,
    /// Settings behind a service's API.
    Setting,
    /// What is left as it is on purpose.
    Kept,
}

/// One difference in words. Ordered, so that what is told alike can be told once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told<'a> {
    /// `+` new, `-` goes away, `~` changes, `!` broken, `=` left as it is.
    pub(super) sign: char,
    /// What it is about.
    pub(super) topic: Topic,
    /// The sentence.
    pub(super) what: String,
    /// Unified diffs; `None` is one whose content is not shown.
    pub(super) diffs: Vec<Option<&'a str>>,
}

/// Texts of the diffs, by file.
pub(super) type Diffs<'a> = BTreeMap<(&'a InstanceId, &'a str), Option<&'a str>>;

/// The diffs of a plan by file.
pub(super) fn diffs(diffs: &[FileDiff]) -> Diffs<'_> {
    diffs.iter().map(|diff| ((&diff.instance, diff.path.as_str()), diff.text.as_deref())).collect()
}

/// A difference in words.
pub(super) fn told<'a>(change: &Change, diffs: &Diffs<'a>) -> Told<'a> {
    let topic = topic(change);
    let line = |sign: char, what: &str| Told { sign, topic, what: what.to_owned(), diffs: Vec::new() };
    let outside = |path: &str, from: Option<Digest>, to: Option<Digest>, what: &str| {
        line(sign(from, to), &format!("{}, {what}", printable(path, LONGEST)))
    };
    match change {
        Change::Unobserved { why, .. } => line('!', &format!("not observed: {}", printable(why, LONGEST))),
        Change::Unprepared { host, missing } => {
            let missing: Vec<String> = missing.iter().map(|path| path.replace(host.as_str(), "*")).collect();
            line('+', &format!("folders: {}", list(&missing)))
        }
        Change::Supervisor { how: SupervisorChange::Down, .. } => line('!', "the supervisor does not run"),
        Change::Supervisor { how: SupervisorChange::Config, .. } => line('~', "configuration of the supervisor"),
        Change::Supervisor { how: SupervisorChange::Superseded, .. } => {
            line('-', "the supervisor has nothing to do here any more, and still runs")
        }
        Change::Boot { host, path, from, to } => {
            outside(&path.replace(host.as_str(), "*"), *from, *to, "starts everything at boot")
        }
        Change::Kernel { host, path, kept, keep, set } => {
            line('~', &kernel(&path.replace(host.as_str(), "*"), kept, keep, set))
        }
        Change::Packages { packages, .. } => {
            let named: Vec<String> = packages.keys().cloned().collect();
            line('+', &format!("{}: {}", if named.len() == 1 { "package" } else { "packages" }, list(&named)))
        }
        Change::SoftwareMissing { folder, bytes: 0, .. } => line('+', &format!("software {folder}")),
        Change::SoftwareMissing { folder, bytes, .. } => {
            line('+', &format!("software {folder}, {} to copy", words::bytes(*bytes)))
        }
        Change::SoftwareDamaged { folder, paths, .. } => {
            line('!', &format!("software {folder} is not as it was unpacked: {}", list(paths)))
        }
        Change::NewInstance { .. } => line('+', "new"),
        Change::File { instance, path, on_change, from, to, by_hand, origin } => {
            let hand = match origin {
                Some(Origin::Both) => ", edited by hand and declared anew",
                Some(Origin::Host) => ", edited by hand",
                Some(Origin::Declared) | None if *by_hand => ", edited by hand",
                Some(Origin::Declared) | None => "",
            };
            let asks = match on_change {
                _ if *by_hand => "",
                OnChange::Restart => ", needs a restart",
                OnChange::Reload => ", needs a reload",
                OnChange::Nothing => "",
            };
            let mut told = line(sign(*from, *to), &format!("{path}{hand}{asks}"));
            told.diffs = of_files(instance, &[path], diffs);
            told
        }
        Change::Accepted { instance, path, acceptance } => {
            let (until, reason) = (&acceptance.until, printable(&acceptance.reason, LONGEST));
            let mut told = line('=', &format!("{path}, edited by hand, accepted until {until}: {reason}"));
            told.diffs = of_files(instance, &[path], diffs);
            told
        }
        Change::Mode { path, from, to, .. } => line('~', &format!("{path}: mode {from:04o} -> {to:04o}")),
        Change::Software { module, from: Some(from), to, .. } => line('~', &format!("{module} {from} -> {to}")),
        Change::Software { module, from: None, to, .. } => line('+', &format!("{module} {to}")),
        Change::NotRunning { died: true, .. } => line('!', "does not run: it has died"),
        Change::NotRunning { died: false, .. } => line('!', "does not run"),
        Change::RestartPending { .. } => {
            line('!', "restart pending: it runs on an older generation than the one on disk")
        }
        Change::ProcessDefinition { instance } => {
            let mut told = line('~', "process definition, needs a restart");
            let entries = [SupervisorKind::Supervisord.entry(), SupervisorKind::Systemd.entry()];
            told.diffs = of_files(instance, &["launch", entries[0], entries[1]], diffs);
            told
        }
        Change::Unsupervised { pid, .. } => {
            line('!', &format!("unsupervised: process {pid} runs, and no supervisor watches it"))
        }
        Change::Stranger { pid, data, .. } => {
            let data = data.as_ref().map(|data| format!(", and its data stays in {data}")).unwrap_or_default();
            line(
                '~',
                &format!(
                    "restarts once: becomes managed by es_cluster; process {pid}, started by hand, is asked to end{data}"
                ),
            )
        }
        Change::OtherSupervisor { from, to, .. } => {
            line('~', &format!("moves from {} to {}, needs a restart", from.word(), to.word()))
        }
        Change::Unit { path, from, to, .. } => outside(path, *from, *to, "outside the prefix"),
        Change::NotReady { says, .. } => line('!', &format!("does not serve: {}", printable(says, LONGEST))),
        Change::Unasked { says, .. } => line('!', &format!("can't be asked: {}", printable(says, LONGEST))),
        Change::Unproven { .. } => line('!', "changed by a run that was lost before it was seen to be healthy"),
        Change::ReloadOwed { .. } => line('!', "reload pending: it was never told to read its changed files"),
        Change::Held { held, .. } => line('=', &kept(held)),
        Change::Lapsed { held, .. } => line('~', &format!("{}; the file says something else now", kept(held))),
        Change::GoesBack { to, software, .. } => {
            let first = format!("goes back to its generation {}", to.short());
            let software = software.iter().map(|one| printable(one, LONGEST));
            let parts: Vec<String> =
                [first].into_iter().chain(software).chain(["needs a restart".to_owned()]).collect();
            line('~', &parts.join(", "))
        }
        Change::NotHealthy { says, .. } => line('!', &format!("not healthy: {}", printable(says, LONGEST))),
        Change::UndoLeft { service, setting, value, .. } => {
            let value = printable(&value.to_string(), LONGEST);
            line('!', &format!("{setting} of {service} was left changed; {value} is put back"))
        }
        Change::Setting { setting, observed, repair, .. } => {
            let (observed, repair) =
                (printable(&observed.to_string(), LONGEST), printable(&repair.to_string(), LONGEST));
            line('~', &format!("{setting}: {observed} -> {repair}"))
        }
        Change::Debris { paths, .. } => line('-', &format!("left behind by an interrupted run: {}", list(paths))),
        Change::Leaving { running, drained, .. } => {
            let how = match (running, drained) {
                (true, _) => "runs",
                (false, true) => "is drained and stopped",
                (false, false) => "does not run",
            };
            line('-', &format!("leaves: it is not declared any more, and {how}"))
        }
        Change::Kept { host, role } => {
            let role = printable(role, LONGEST);
            line('=', &format!("data of {role} is kept; `esapply --purge {role}@{host}` deletes it"))
        }
        Change::Orphan { role, running, .. } => {
            let runs = if *running { "runs here" } else { "is here" };
            line('=', &format!("{} {runs} and is not declared", printable(role, LONGEST)))
        }
    }
}

/// A file that is new, goes away or changes.
fn sign(from: Option<Digest>, to: Option<Digest>) -> char {
    match (from, to) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

fn topic(change: &Change) -> Topic {
    match change {
        Change::Unprepared { .. }
        | Change::Supervisor { .. }
        | Change::Boot { .. }
        | Change::Kernel { .. }
        | Change::Packages { .. }
        | Change::Debris { .. }
        | Change::Unobserved { .. } => Topic::Host,
        Change::SoftwareMissing { .. } | Change::SoftwareDamaged { .. } | Change::Software { .. } => Topic::Software,
        Change::File { .. } | Change::Mode { .. } => Topic::File,
        Change::NewInstance { .. }
        | Change::NotRunning { .. }
        | Change::Leaving { .. }
        | Change::GoesBack { .. }
        | Change::RestartPending { .. }
        | Change::ProcessDefinition { .. }
        | Change::Unsupervised { .. }
        | Change::Stranger { .. }
        | Change::OtherSupervisor { .. }
        | Change::Unit { .. }
        | Change::Unproven { .. }
        | Change::ReloadOwed { .. } => Topic::Process,
        Change::NotReady { .. } | Change::Unasked { .. } | Change::NotHealthy { .. } => Topic::Health,
        Change::UndoLeft { .. } | Change::Setting { .. } => Topic::Setting,
        Change::Held { .. }
        | Change::Lapsed { .. }
        | Change::Accepted { .. }
        | Change::Kept { .. }
        | Change::Orphan { .. } => Topic::Kept,
    }
}

/// The diffs that there are of some files.
fn of_files<'a>(instance: &InstanceId, paths: &[&str], diffs: &Diffs<'a>) -> Vec<Option<&'a str>> {
    paths.iter().filter_map(|path| diffs.get(&(instance, *path)).copied()).collect()
}

fn kept(held: &Held) -> String {
    let how = match held.what {
        HeldWhat::Stopped => "stopped",
        HeldWhat::RolledBack => "rolled back",
    };
    format!("held, {how} by {}: {}", printable(&held.by, LONGEST), printable(&held.why, LONGEST))
}

/// Kernel settings: those that are set, and what is kept of them for the next boot.
fn kernel(
    path: &str,
    kept: &BTreeMap<String, u64>,
    keep: &BTreeMap<String, u64>,
    set: &BTreeMap<String, u64>,
) -> String {
    let path = printable(path, LONGEST);
    let all = |values: &BTreeMap<String, u64>| {
        let named: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        named.join(", ")
    };
    let file = match (keep.is_empty(), keep == kept) {
        (true, _) => format!("{path} goes away, what it has set stays until a boot"),
        (_, true) => format!("kept in {path}"),
        (_, false) if keep == set => format!("and kept in {path}"),
        (_, false) => format!("{path} keeps {}", all(keep)),
    };
    if set.is_empty() { format!("kernel: {file}") } else { format!("kernel: {} set, {file}", all(set)) }
}

/// The first few of some paths.
fn list(paths: &[String]) -> String {
    let mut named: Vec<String> = paths.iter().take(NAMED).map(|path| printable(path, LONGEST)).collect();
    if paths.len() > NAMED {
        named.push(format!("{} more", paths.len() - NAMED));
    }
    named.join(", ")
}
