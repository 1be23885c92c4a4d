//! The one choice that a plan leaves open: which instance is next. Leaders move, so before each batch all candidates are
//! asked again; when nobody can say who leads, nothing is stopped.

use super::events::{Happening, Subject};
use super::gate::Wait;
use super::mutation::Mutation;
use super::roll::Halt;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::host::Question;
use crate::inventory::Verdict;
use crate::model::{InstanceId, ServiceName};
use crate::plan::{PickRule, Roll, Step, StepId};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a service may be without somebody who goes last (an election) before the rollout stops.
const ELECTION: Duration = Duration::from_mins(1);

/// What a `PickNext` step says.
pub(crate) struct Pick<'a> {
    pub(crate) candidates: &'a [Roll],
    pub(crate) rule: PickRule,
    pub(crate) budget: u32,
    pub(crate) take: u32,
    pub(crate) except: Option<&'a StepId>,
}

impl Run<'_> {
    /// Rolls as many of the candidates as the plan says, batch by batch.
    pub(crate) async fn pick_next(&self, step: &Step, pick: &Pick<'_>) -> Result<(), Halt> {
        let gone = pick.except.and_then(|other| self.state().rolled.get(other).cloned()).unwrap_or_default();
        let mut left: Vec<&Roll> = pick.candidates.iter().filter(|roll| !gone.contains(&roll.instance)).collect();
        let mut take = usize::try_from(pick.take).unwrap_or(usize::MAX).min(left.len());
        while take > 0 {
            if self.is_halting() {
                return Err(Halt::Halted);
            }
            let mut most = usize::try_from(pick.budget).unwrap_or(usize::MAX).clamp(1, take);
            if self.mutated(Mutation::BatchTooLarge) {
                most = (most + 1).min(left.len());
            }
            let last = match self.who_goes_last(step, pick.rule, &left).await {
                Ok(last) => last,
                Err(trouble) => return Err(self.pick_failed(step, &left, trouble).await),
            };
            // Those that go last are only taken when nobody else is left, and never together with others.
            let (others, leaders): (Vec<_>, Vec<_>) = left.iter().partition(|roll| !last.contains(&roll.instance));
            let (from, why) = if others.is_empty() { (leaders, "the last one") } else { (others, "by name") };
            let batch: Vec<&Roll> = from.into_iter().take(most).collect();
            for roll in &batch {
                self.state().rolled.entry(step.id.clone()).or_default().insert(roll.instance.clone());
                let (step, instance) = (step.id.clone(), roll.instance.clone());
                self.tell(Happening::Picked { step, instance, why: why.to_owned() }).await;
            }
            let taken: BTreeSet<&InstanceId> = batch.iter().map(|roll| &roll.instance).collect();
            left.retain(|roll| !taken.contains(&roll.instance));
            take = take.saturating_sub(batch.len());
            let ended = join_all(batch.into_iter().map(|roll| self.roll(step, roll))).await;
            // The whole batch has come to its end, whatever that was; the first failure decides.
            ended.into_iter().collect::<Result<Vec<()>, Halt>>()?;
        }
        Ok(())
    }

    /// Who of the candidates goes last.
    async fn who_goes_last(
        &self,
        step: &Step,
        rule: PickRule,
        left: &[&Roll],
    ) -> Result<BTreeSet<InstanceId>, Trouble> {
        let Some(first) = left.first() else { return Ok(BTreeSet::new()) };
        if rule == PickRule::ByName || left.len() == 1 || self.mutated(Mutation::LeaderNotLast) {
            return Ok(BTreeSet::new());
        }
        self.who_leads(step, &first.service).await
    }

    /// Who leads a service. All of it are asked, so that 'not this one' and 'nobody knows' differ; who can't be told is waited for.
    pub(crate) async fn who_leads(&self, step: &Step, of: &ServiceName) -> Result<BTreeSet<InstanceId>, Trouble> {
        let declared = self.desired.services.get(of).map_or(&[][..], |service| &service.instances);
        // One that leaves may lead until it does: then it is none of these.
        let leaving = self.desired.leaving_of(of).map(|one| &one.id);
        let members: Vec<&InstanceId> = declared.iter().chain(leaving).collect();
        let found = Mutex::new(BTreeSet::new());
        let look = || async {
            let services = self.platform.services();
            let questions: Vec<_> = members.iter().map(|id| Question::GoesLast((*id).clone())).collect();
            let verdicts = join_all(questions.iter().map(|question| services.ask(question))).await;
            let last: BTreeSet<InstanceId> = members
                .iter()
                .zip(&verdicts)
                .filter(|(_, verdict)| verdict.holds)
                .map(|(id, _)| (*id).clone())
                .collect();
            let holds = !last.is_empty();
            let why = verdicts.into_iter().map(|verdict| verdict.says).find(|says| !says.is_empty());
            *found.lock().unwrap_or_else(PoisonError::into_inner) = last;
            Verdict {
                holds,
                unknown: false,
                says: if holds { String::new() } else { why.unwrap_or_else(|| "no leader".to_owned()) },
            }
        };
        let wait = Wait {
            step: &step.id,
            subject: Subject::Service(of.clone()),
            what: "led by somebody",
            within: ELECTION,
            twice: false,
            process: None,
            ends_when_halting: true,
        };
        let known = self.wait_for(&wait, look).await;
        known.map_err(|trouble| match trouble.cause {
            Cause::Gate => Trouble { cause: Cause::Leader, ..trouble },
            _ => trouble,
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn pick_failed(&self, step: &Step, left: &[&Roll], trouble: Trouble) -> Halt {
        if trouble.cause == Cause::Halted {
            return Halt::Halted;
        }
        let service = left.first().map(|roll| Subject::Service(roll.service.clone()));
        match service {
            Some(subject) => self.halt(step, &subject, Some("pick next"), None, trouble).await,
            None => Halt::Halted,
        }
    }
}
