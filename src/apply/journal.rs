//! The journal: one file per run on every host that the run touches, a line before and a line after each action, synced.
//! It is an aid for people and for estimates, not the truth: the hosts are.

use super::mutation::Mutation;
use super::run::Run;
use super::trouble::Trouble;
use super::{End, Outcome, Subject};
use crate::history::Record;
use crate::host::Op;
use crate::model::HostName;
use crate::plan::StepId;
use futures::future::join_all;

impl Run<'_> {
    /// Does one action between its two records. `host` is where the journal of this action is kept.
    pub(crate) async fn recorded<T>(
        &self,
        host: &HostName,
        step: &StepId,
        subject: &Subject,
        action: &str,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        self.locks_held().await?;
        let begin = Record::Begin {
            at: self.millis(),
            step: step.clone(),
            subject: subject.to_string(),
            action: action.to_owned(),
        };
        let late = self.mutated(Mutation::JournalAfterEffect);
        if !late {
            self.write(host, &begin).await?;
        }
        self.action_began(step, subject, action).await;
        let started = tokio::time::Instant::now();
        let result = work.await;
        if late {
            self.write(host, &begin).await?;
        }
        let took = started.elapsed();
        let end = Record::End {
            at: self.millis(),
            step: step.clone(),
            subject: subject.to_string(),
            action: action.to_owned(),
            took: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            failed: result.as_ref().err().map(|trouble| trouble.why.clone()),
        };
        let written = self.write(host, &end).await;
        // The first failure is the one to tell.
        let value = result?;
        written?;
        self.action_ended(step, subject, action, took).await;
        Ok(value)
    }

    /// Appends one line, after the header, which whoever comes first on a host writes, and all others wait for.
    async fn write(&self, host: &HostName, record: &Record) -> Result<(), Trouble> {
        self.journal(host)?.get_or_try_init(|| self.open_journal(host)).await?;
        self.append(host, record).await
    }

    /// The first line on a host.
    async fn open_journal(&self, host: &HostName) -> Result<(), Trouble> {
        let waived = self.plan.refusals.iter();
        let waived = waived.filter_map(|refusal| Some((refusal.name.clone(), refusal.waived.clone()?))).collect();
        let header = Record::Run {
            cluster: self.plan.cluster.clone(),
            plan: self.plan_digest(),
            steps: self.plan.steps.len(),
            who: self.options.claim.who.clone(),
            why: self.options.claim.why.clone(),
            since: self.options.claim.since.clone(),
            waived,
        };
        self.append(host, &header).await
    }

    async fn append(&self, host: &HostName, record: &Record) -> Result<(), Trouble> {
        let line = serde_json::to_string(record).unwrap_or_default();
        let host = self.desired_host(host)?;
        self.operate(&Op::Record { host, run: self.options.run.clone(), line }).await
    }

    /// The last line, on every host that has a journal. A host that is lost by now keeps its journal as it is.
    pub(crate) async fn close_journals(&self, outcome: &Outcome) {
        let end = match outcome.end {
            End::Done => "done",
            End::Refused { .. } => "refused",
            End::Locked { .. } => "locked",
            End::Unreachable { .. } => "unreachable",
            End::Stale { .. } => "stale",
            End::Failed { .. } => "failed",
            End::Interrupted => "interrupted",
            End::Wrong { .. } => "wrong",
        };
        let (done, steps) = (outcome.done, outcome.steps);
        let record = Record::Outcome { at: self.millis(), end: end.to_owned(), exit: outcome.exit_code(), done, steps };
        for hosts in self.journals().chunks(self.options.parallel.max(1)) {
            let appended = join_all(hosts.iter().map(|host| self.append(host, &record))).await;
            for (host, trouble) in hosts.iter().zip(appended).filter_map(|(host, ended)| Some((host, ended.err()?))) {
                tracing::warn!(%host, "the outcome could not be recorded: {}", trouble.why);
            }
        }
    }
}
