//! The executor: takes a finished plan to the hosts. It makes no decision but the typed ones that a plan leaves open
//! (which instance of a batch is next), and it touches the outside only through [`crate::host::Platform`].

mod bundle;
mod cancel;
mod events;
mod outcome;

pub use bundle::Bundle;
pub use cancel::Cancel;
pub use events::{Event, Happening, Subject};
pub use outcome::{End, Outcome};

use crate::desired::Desired;
use crate::host::{Claim, Platform};
use crate::inventory::Inventory;
use crate::plan::Plan;
use tokio::sync::mpsc;

/// How a plan is applied.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who applies it, which command, since when: goes into locks, journals and holds.
    pub claim: Claim,
    /// Identifies the run; the file name of its journal on every host (`20260131T120000Z-1234`).
    pub run: String,
    /// Steps at a time.
    pub parallel: usize,
    /// Compare software by content when hosts are looked at again (the plan was made with `--verify`).
    pub verify: bool,
}

/// Applies a plan. Dropping the future is safe at any moment in the sense that the next plan repairs what it leaves.
///
/// `inventory` is what the plan was made from; the events end with [`Happening::Ended`].
pub async fn apply(
    plan: &Plan,
    desired: &Desired,
    inventory: &Inventory,
    platform: &dyn Platform,
    options: Options,
    events: mpsc::Sender<Event>,
    cancel: Cancel,
) -> Outcome {
    let _ = (desired, inventory, platform, options, cancel);
    let end = End::Wrong { why: "the executor is not there yet".to_owned() };
    let outcome = Outcome { end, done: 0, steps: plan.steps.len(), rolled_back: Vec::new() };
    let what = Happening::Ended { outcome: Box::new(outcome.clone()) };
    // A reader that went away is no reason to stop a rollout.
    let _ = events.send(Event { at: std::time::Duration::ZERO, what }).await;
    outcome
}
