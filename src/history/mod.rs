//! What earlier runs have left on the hosts: their journals, read with distrust, put together to runs, and what things took.
//!
//! Every host has the journal of what a run did there, so no controller and no single host is needed to tell what was done.

mod durations;
mod forecast;
mod journal;
mod record;
mod run;

pub use durations::{about, durations, typical};
pub use forecast::{Forecast, Left, Progress, instances};
pub use journal::{Entry, Header, Journal, JournalText, Recorded};
pub use record::Record;
pub use run::{PastRun, PastStep, runs};

#[cfg(test)]
mod tests;
