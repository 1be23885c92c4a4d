//! The executor: takes a finished plan to the hosts. It makes no decision but the typed ones that a plan leaves open
//! (which instance of a batch is next), and it touches the outside only through [`crate::host::Platform`].

mod asked;
mod bundle;
mod cancel;
mod dispatcher;
mod events;
mod gate;
mod gates;
mod held;
mod hooks;
mod journal;
mod leaving;
mod mutation;
mod outcome;
mod pick;
mod ready;
mod recreate;
mod roll;
mod rollback;
mod run;
mod safe;
mod step;
mod trouble;

pub use bundle::Bundle;
pub use cancel::Cancel;
pub use events::{Event, Happening, Subject};
pub use gates::gates;
#[cfg(not(feature = "mutants"))]
use mutation::Mutation;
#[cfg(feature = "mutants")]
pub use mutation::Mutation;
pub use outcome::{End, Outcome};

use crate::desired::Desired;
use crate::host::{Claim, Platform};
use crate::inventory::Inventory;
use crate::plan::Plan;
use run::Run;
use tokio::sync::mpsc;

/// How a plan is applied.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who applies it, which command, since when: goes into locks, journals and holds.
    pub claim: Claim,
    /// Identifies the run; the file name of its journal on every host (`20260131T120000Z-1234`).
    pub run: String,
    /// Steps at a time; 8 is a good number.
    pub parallel: usize,
    /// How long to wait for a host that another run has locked; nothing is held meanwhile. Zero: not at all.
    pub lock_within: std::time::Duration,
    /// Why something is held that somebody asked for; the command when nobody says.
    pub why: Option<String>,
    /// Compare software by content when hosts are looked at again (the plan was made with `--verify`).
    pub verify: bool,
    /// A deliberate mistake, for the tests of the tests.
    #[cfg(feature = "mutants")]
    pub mutation: Option<Mutation>,
}

impl Options {
    /// The usual way: eight steps at a time.
    pub const fn new(claim: Claim, run: String, verify: bool) -> Self {
        Self {
            claim,
            run,
            parallel: 8,
            lock_within: std::time::Duration::ZERO,
            why: None,
            verify,
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }
}

/// Applies a plan. Dropping the future is safe at any moment in the sense that the next plan repairs what it leaves.
///
/// `inventory` is what the plan was made from. Nothing is written, not even a journal, when the plan is empty or refused.
/// The last event is [`Happening::Ended`].
pub async fn apply(
    plan: &Plan,
    desired: &Desired,
    inventory: &Inventory,
    platform: &dyn Platform,
    options: Options,
    events: mpsc::Sender<Event>,
    cancel: Cancel,
) -> Outcome {
    let run = Run::new(plan, desired, inventory, platform, &options, events, &cancel);
    let outcome = match refused(plan, desired).or_else(|| run.violations()) {
        Some(end) => Outcome { end, done: 0, steps: plan.steps.len(), rolled_back: Vec::new() },
        None => run.dispatch().await,
    };
    run.tell(Happening::Ended { outcome: Box::new(outcome.clone()) }).await;
    outcome
}

impl Run<'_> {
    /// What the independent check has against the plan.
    fn violations(&self) -> Option<End> {
        if self.mutated(Mutation::CheckIgnored) {
            return None;
        }
        let found = crate::check::check(self.plan, self.desired, self.inventory);
        let why: Vec<String> = found.iter().map(ToString::to_string).collect();
        (!why.is_empty()).then_some(End::Refused { why })
    }
}

/// Why a plan may not be applied at all, or that there is nothing to do.
fn refused(plan: &Plan, desired: &Desired) -> Option<End> {
    if plan.format != crate::plan::FORMAT || plan.cluster != desired.cluster {
        let why = format!("the plan is of format {} for cluster {}", plan.format, plan.cluster);
        return Some(End::Wrong { why });
    }
    if plan.inputs != desired.inputs {
        return Some(End::Stale {
            why: "the file, its modules or cluster.lock have changed since the plan was made".to_owned(),
        });
    }
    let why: Vec<String> =
        plan.standing_refusals().map(|refusal| format!("{}: {}", refusal.name, refusal.message)).collect();
    if !why.is_empty() {
        return Some(End::Refused { why });
    }
    plan.steps.is_empty().then_some(End::Done)
}
