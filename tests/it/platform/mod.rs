//! Random platforms on simulated hosts: what is declared, what changes, what goes wrong; and an observer that judges the
//! trace without knowing the executor.

pub(crate) mod declare;
pub(crate) mod drive;
pub(crate) mod spec;
pub(crate) mod watch;
