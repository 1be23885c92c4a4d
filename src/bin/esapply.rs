//! Converges the platform to `cluster.kdl`: canary first, gated on health, with rollback.

use std::process::ExitCode;

fn main() -> ExitCode {
    es_cluster::cli::esapply().into()
}
