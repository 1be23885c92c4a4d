//! Tests on real software: ZooKeeper, Kafka, Elasticsearch and supervisord on sandbox hosts of this machine.
//!
//! `./test ci` runs the most telling ones, `./test accept` all. A test that can't get its software fails.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints what it measures"
)]

mod adopt;
mod alerts;
mod artifact;
mod beats;
mod canary;
mod clients;
mod curator;
mod effects;
mod faults;
mod held;
mod hostile;
mod import;
mod installs;
mod journals;
mod kernel;
mod lab;
mod lab_hosts;
mod leaving;
mod load;
mod look;
mod lost;
mod machines;
mod masters;
mod memcached;
mod one_edit;
mod packages;
mod page;
mod pipeline;
mod platform;
mod reference;
mod running;
mod sdc;
mod search;
mod secrets;
mod secured;
mod ssh;
mod systemd;
mod upgrade;
mod versions;
mod web;
