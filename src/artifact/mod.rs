//! Artifacts on the controller: sources, the cache, bundles, and `esplan lock`.
//!
//! ```text
//! module's sources ─► recipe ─► fetch ─► store/<sha256>-name ─► bundle/<sha256>-NAME.tar ─► hosts
//! ```
//!
//! Whatever a source delivers (an archive, a wheel, a Debian package, a folder of jars) becomes one canonical tar, so a
//! host needs nothing but `tar`. `cluster.lock` names the fetched files and the bundle by sha256. Everything fetched is
//! untrusted: archives can't write outside of their bundle, and every use of a file compares its bytes with its name.

mod bundle;
mod cache;
mod checksum;
mod client;
mod error;
mod fetch;
mod lock;
mod make;
mod needs;
mod recipe;
#[cfg(test)]
mod tests;

pub use bundle::{Refusal, Refused};
pub use cache::{Cache, write_whole};
pub use client::{ClientError, Clients};
pub use error::ArtifactError;
pub use lock::{Event, LockError, Reporter, Request, Unobtainable, lock};
pub use make::{ensure_bundle, ensure_part};
pub use needs::{BadNeed, Modules};
pub use recipe::BadSource;
