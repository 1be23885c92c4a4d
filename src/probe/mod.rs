//! The real [`Services`](crate::host::Services): asks what runs on the hosts through its own APIs, and judges the
//! answers with the modules' expressions.
//!
//! A question goes through these files: [`services`](Prober) finds the module's probes, `whom` chooses the instances
//! to ask, `request` renders what is sent, `http`, `tcp`, `exec` or `kafka` exchange it over a [`Dial`], and `judge`
//! evaluates the answer. `connection` is what is said first, and over what (`tls`), where a service is secured. What services send is untrusted: every exchange is bounded in time and size, and what can't
//! be evaluated does not hold and says what was answered.

mod answer;
mod clauses;
mod collect;
mod connection;
mod dial;
mod exchange;
mod http;
mod judge;
mod kafka;
mod request;
mod safe;
mod services;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod tunnels;
mod whom;

pub use collect::{LOOK_WITHIN, services};
pub use dial::{Dial, DialError, ExecAnswer, ExecLimits};
pub use safe::{before, safe, to_ask};
pub use services::Prober;
pub use tunnels::Tunnels;
