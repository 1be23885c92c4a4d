//! [`crate::host::Host`] over a [`Transport`]: every operation becomes one POSIX shell script, a copied file, or a call
//! to the supervisor through a tunnel. Nothing of ours stays on a host, and no value gets into a script unquoted.

mod courier;
mod generation;
mod jobs;
mod journals;
mod kernel;
mod leaving;
mod local;
mod lock;
mod machine;
mod packages;
mod processes;
mod rate;
mod records;
mod software;
pub mod spread;
mod ssh;
mod supervisord;
mod systemd;
#[cfg(test)]
mod tests;
mod transport;

pub use courier::Courier;
pub use local::Local;
pub use machine::{BundleSource, Machine};
pub use rate::Rate;
pub use ssh::{Passed, SettingsError, Ssh, SshHosts};
pub use transport::{
    Bytes, Endpoint, Limits, Output, Put, STDERR_LIMIT, Script, Session, Stream, Transport, TransportError,
};
