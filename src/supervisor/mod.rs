//! Speaks to the supervisor of a host: supervisord 4.x, by XML-RPC over its socket, one short connection a call.
//!
//! Only ever one program is named. `update` without a name and a reload of everything restart services that nobody gated:
//! there is no way to ask for them here.

mod client;
mod xml;

pub use client::{Call, Dial, ProcessInfo, State, Supervisor, SupervisorError};
