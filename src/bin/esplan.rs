//! Shows what differs from `cluster.kdl`, and in which order it would be changed. Never changes anything on a host.

fn main() {}
