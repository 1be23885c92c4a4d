//! Shows what differs from `cluster.kdl`, and in which order it would be changed. Never changes anything on a host.

use std::process::ExitCode;

fn main() -> ExitCode {
    es_cluster::cli::esplan().into()
}
