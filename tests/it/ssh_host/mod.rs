//! Hosts over SSH, against a real OpenSSH server that each test starts for itself.

mod commands;
mod locks;
mod looks;
mod lost;
mod pass;
mod server;
mod trust;
mod tunnels;
mod uploads;
