//! `esapply run`: one job of a role, on one host, when somebody asks for it. Locked like an apply, and only while the services
//! that it works on are well and nobody has left them half changed.

use super::apply::{command_line, listen};
use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;
use super::world::World;
use super::{load, observe, plan, saved};
use crate::apply::Cancel;
use crate::desired::{Desired, DesiredHost, DesiredJob};
use crate::diag::nearest;
use crate::history::Record;
use crate::host::{Claim, Failure, HostError, JobEnd, LockGuard, Op, Platform as _, Question};
use crate::inventory::{HostObservation, Inventory, SoftwareObservation, printable, visible};
use crate::model::HostName;
use crate::plan::{GateKind, StepId};
use clap::Args;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

/// Longest message of somebody else.
const MESSAGE: usize = 400;
/// Pause before a lock is asked for again.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// How often a service is asked whether it is well: a passing answer is no reason to leave a night's work undone.
const ASKED: usize = 5;
/// Pause between two such questions.
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// What is to be run.
#[derive(Debug, Clone, Args)]
pub struct Job {
    /// A job, or ROLE/JOB where several roles have one of that name.
    #[arg(value_name = "JOB")]
    pub name: String,
    /// On this host of its role; by default on the first one.
    #[arg(long, value_name = "HOST")]
    pub on: Option<String>,
    /// Only show what it would do, as the job itself tells it.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Wait this long for a host that another run has locked, e.g. 10m.
    #[arg(long, value_name = "DURATION", value_parser = super::args::duration, default_value = "0s")]
    pub lock_timeout: Duration,
}

/// Runs a job.
pub(crate) async fn run(common: &Common, asked: &Job, terminal: &Terminal) -> Result<Exit, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let job = find(&desired, asked)?;
    if asked.dry_run && job.dry_run.is_empty() {
        return Err(CliError::new(format!("{job} can't show what it would do: its module has no `dry-run` for it")));
    }
    if !asked.dry_run && !asked.yes {
        let what = if job.doc.is_empty() { String::new() } else { format!(": {}", job.doc) };
        match terminal.ask(&format!("{job}{what}\nRun it? Only 'yes' does: ")) {
            Some(true) => {}
            Some(false) => return Err(CliError::new("nothing was run")),
            None => {
                let hint = "say --yes to run it without being asked, or --dry-run to see what it would do";
                return Err(CliError::with_hint("nobody is there to be asked; nothing was run", hint));
            }
        }
    }
    let world = plan::world(common, &desired)?;
    let cancel = Cancel::new();
    let listener = tokio::spawn(listen(cancel.clone()));
    let errand = Errand { desired: &desired, world: &world, job, asked, cancel };
    let ended = errand.run(terminal).await;
    listener.abort();
    ended
}

/// The job that was meant.
fn find<'a>(desired: &'a Desired, asked: &Job) -> Result<&'a DesiredJob, CliError> {
    let (role, name) = asked.name.split_once('/').map_or((None, &*asked.name), |(role, name)| (Some(role), name));
    let meant = |job: &&DesiredJob| job.name.as_str() == name && role.is_none_or(|role| job.role.as_str() == role);
    let found: Vec<&DesiredJob> = desired.jobs.iter().filter(meant).collect();
    let Some(first) = found.first() else {
        let all: BTreeSet<String> = desired.jobs.iter().map(|job| format!("{}/{}", job.role, job.name)).collect();
        let names: BTreeSet<&str> = desired.jobs.iter().map(|job| job.name.as_str()).collect();
        let error = format!("no role of the file has a job `{}`", asked.name);
        let close = nearest(&asked.name, all.iter().map(String::as_str).chain(names));
        return Err(match close {
            Some(close) => CliError::with_hint(error, format!("did you mean `{close}`?")),
            None if all.is_empty() => CliError::with_hint(error, "no module of the file's roles has any"),
            None => {
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                CliError::with_hint(error, format!("there are {}", all.join(", ")))
            }
        });
    };
    let roles: BTreeSet<&str> = found.iter().map(|job| job.role.as_str()).collect();
    if roles.len() > 1 {
        let each: Vec<String> = roles.iter().map(|role| format!("{role}/{name}")).collect();
        let error = format!("several roles have a job `{name}`");
        return Err(CliError::with_hint(error, format!("say which: {}", each.join(", "))));
    }
    let Some(host) = &asked.on else { return Ok(first) };
    found.iter().find(|job| job.host.as_str() == host).copied().ok_or_else(|| {
        let hosts: Vec<&str> = found.iter().map(|job| job.host.as_str()).collect();
        let error = format!("--on: the role {} is not on `{host}`", first.role);
        CliError::with_hint(error, format!("it is on {}", hosts.join(", ")))
    })
}

/// One job with all that it takes.
struct Errand<'a> {
    desired: &'a Desired,
    world: &'a World,
    job: &'a DesiredJob,
    asked: &'a Job,
    cancel: Cancel,
}

impl Errand<'_> {
    async fn run(&self, terminal: &Terminal) -> Result<Exit, CliError> {
        let claim = Claim {
            who: format!("{} pid {}", saved::who(), std::process::id()),
            why: command_line(),
            since: saved::rfc3339(SystemTime::now()),
        };
        let hosts = self.hosts();
        let locks = self.lock_all(&hosts, &claim).await?;
        let others = self.desired.hosts.keys().filter(|host| !hosts.contains(*host)).cloned().collect();
        let inventory = observe::inventory(self.desired, self.world, &others, false).await;
        self.unchanged(&inventory, &hosts)?;
        self.healthy().await?;
        let machine = self.world.host(&self.job.host).ok_or_else(|| self.lost("there is no way to it"))?;
        let host = Arc::new(self.host()?.clone());
        let run = format!("{}-{}", claim.since.replace(['-', ':'], ""), std::process::id());
        let record = |record: Record| {
            let line = serde_json::to_string(&record).unwrap_or_default();
            let op = Op::Record { host: Arc::clone(&host), run: run.clone(), line };
            let machine = Arc::clone(&machine);
            async move { machine.run(&op).await.map_err(|error| CliError::new(error.to_string())) }
        };
        let (step, subject) = (StepId(format!("job {}", self.job.name)), self.job.to_string());
        let action = if self.asked.dry_run { "dry run" } else { "run" }.to_owned();
        record(Record::Run {
            cluster: self.desired.cluster.clone(),
            plan: self.job.digest(),
            steps: 1,
            who: claim.who,
            why: claim.why,
            since: claim.since,
            waived: Vec::new(),
        })
        .await?;
        let began = Instant::now();
        let since = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        record(Record::Begin { at: 0, step: step.clone(), subject: subject.clone(), action: action.clone() }).await?;
        let ended = tokio::select! {
            ended = machine.job(&host, self.job, self.asked.dry_run) => Some(ended),
            () = self.cancel.requested() => None,
        };
        let (exit, end, failed) = self.judged(ended, locks.iter().all(|lock| lock.is_held()), terminal);
        let told = failed.as_ref().map(|why| printable(why, MESSAGE));
        let took = since();
        record(Record::End { at: took, step, subject, action, took, failed: told.clone() }).await?;
        let done = usize::from(told.is_none());
        record(Record::Outcome { at: took, end: end.to_owned(), exit: exit.code(), done, steps: 1 }).await?;
        match told {
            None => Ok(exit),
            Some(why) => Err(CliError::new(why).exiting(exit)),
        }
    }

    /// The job's host, and those of the services that it works on.
    fn hosts(&self) -> BTreeSet<HostName> {
        let services = self.job.needs.iter().filter_map(|service| self.desired.services.get(service));
        let members = services.flat_map(|service| &service.instances).map(|id| id.host.clone());
        members.chain([self.job.host.clone()]).collect()
    }

    fn host(&self) -> Result<&DesiredHost, CliError> {
        self.desired.hosts.get(&self.job.host).ok_or_else(|| self.lost("it is not in the file"))
    }

    fn lost(&self, why: &str) -> CliError {
        CliError::new(format!("{}: {why}; nothing was run", self.job.host)).exiting(Exit::Unobserved)
    }

    /// All locks or none; asked for again for as long as somebody wants to wait.
    async fn lock_all(&self, hosts: &BTreeSet<HostName>, claim: &Claim) -> Result<Vec<Box<dyn LockGuard>>, CliError> {
        let until = Instant::now() + self.asked.lock_timeout;
        loop {
            let mut locks = Vec::new();
            let mut failed = None;
            for name in hosts {
                let way = self.world.host(name).zip(self.desired.hosts.get(name));
                let (machine, host) = way.ok_or_else(|| self.lost("there is no way to it"))?;
                match machine.lock(&host.prefix, claim).await {
                    Ok(lock) => locks.push(lock),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let Some(HostError { host, kind, message }) = failed else { return Ok(locks) };
            drop(locks);
            if kind != Failure::Locked {
                let exit = if kind == Failure::Unreachable { Exit::Unobserved } else { Exit::Error };
                return Err(CliError::new(format!("{host}: {message}; nothing was run")).exiting(exit));
            }
            if Instant::now() >= until {
                let error = format!("{host} is locked by {message}; nothing was run");
                return Err(CliError::with_hint(error, "wait for it with --lock-timeout").exiting(Exit::Locked));
            }
            tokio::select! {
                () = sleep(LOCK_PAUSE) => {}
                () = self.cancel.requested() => {
                    return Err(CliError::new("nothing was run").exiting(Exit::Interrupted));
                }
            }
        }
    }

    /// Nobody has left a service half changed, and the job's software is there.
    fn unchanged(&self, inventory: &Inventory, hosts: &BTreeSet<HostName>) -> Result<(), CliError> {
        let seen = |name: &HostName| -> Option<&HostObservation> { inventory.hosts.get(name)?.seen() };
        for name in hosts {
            let Some(host) = seen(name) else {
                let error = format!("{name} could not be observed; nothing was run");
                return Err(CliError::new(error).exiting(Exit::Unobserved));
            };
            let left = host.undo.values().find(|record| self.job.needs.contains(&record.service));
            if let Some(record) = left {
                let error = format!(
                    "a rollout of {} was interrupted: {} is changed; nothing was run",
                    record.service, record.setting
                );
                return Err(CliError::with_hint(error, "finish it first: esapply").exiting(Exit::Refused));
            }
        }
        let missing = self.job.software.iter().find(|folder| {
            let host = seen(&self.job.host);
            // What is on the host already has no folder of ours.
            let ours = self.desired.hosts.get(&self.job.host).and_then(|host| host.software.get(*folder));
            ours.is_some_and(|software| !software.parts.is_empty())
                && host.and_then(|host| host.software.get(*folder)) != Some(&SoftwareObservation::Intact)
        });
        match missing {
            None => Ok(()),
            Some(folder) => {
                let error = format!("{} has no whole {folder}; nothing was run", self.job.host);
                Err(CliError::with_hint(error, format!("bring it there: esapply --only {}", self.job.host)))
            }
        }
    }

    /// Every service that it works on is well.
    async fn healthy(&self) -> Result<(), CliError> {
        for name in &self.job.needs {
            let Some(service) = self.desired.services.get(name) else { continue };
            let members = service.instances.clone();
            let question = Question::Service { service: name.clone(), gate: GateKind::Healthy, members };
            let mut says = String::new();
            for turn in 0..ASKED {
                if turn > 0 {
                    sleep(ASK_PAUSE).await;
                }
                let verdict = self.world.services().ask(&question).await;
                if verdict.holds {
                    says.clear();
                    break;
                }
                says = printable(&verdict.says, MESSAGE);
                if says.is_empty() {
                    "it does not say why".clone_into(&mut says);
                }
            }
            if !says.is_empty() {
                let error = format!("{name} is not healthy: {says}; nothing was run");
                return Err(CliError::with_hint(error, "look at it: esplan status").exiting(Exit::Unhealthy));
            }
        }
        Ok(())
    }

    /// Prints what the job said. How the run ends, in the journal's word, and what failed.
    fn judged(
        &self,
        ended: Option<Result<JobEnd, HostError>>,
        locked: bool,
        terminal: &Terminal,
    ) -> (Exit, &'static str, Option<String>) {
        let end = match ended {
            None => return (Exit::Interrupted, "interrupted", Some(format!("{} was ended in the middle", self.job))),
            Some(Err(error)) => {
                let lost = error.kind == Failure::Unreachable;
                let (exit, end) = if lost { (Exit::Unobserved, "unreachable") } else { (Exit::Error, "failed") };
                return (exit, end, Some(error.to_string()));
            }
            Some(Ok(end)) => end,
        };
        let printed = visible(&end.printed);
        if !printed.trim().is_empty() {
            terminal.print(&format!("{}\n", printed.trim_end()));
        }
        let failed = match end.status {
            Some(0) if locked => return (Exit::Done, "done", None),
            Some(0) => "its lock was lost meanwhile: something else may have changed the platform under it".to_owned(),
            Some(code) => format!("it ended with {code}"),
            None => "a signal ended it".to_owned(),
        };
        (Exit::Error, "failed", Some(format!("{}: {failed}", self.job)))
    }
}
