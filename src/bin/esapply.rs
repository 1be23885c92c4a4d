//! Converges the platform to `cluster.kdl`: canary first, gated on health, with rollback.

fn main() {}
