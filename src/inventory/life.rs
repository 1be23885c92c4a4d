//! A look at one process, by its record: what a gate asks for again and again.

use super::answer::{BadAnswer, sections};
use super::instances::{Facts, process};
use super::parse::machine;
use super::{HostObservation, ProcessObservation};
use crate::model::{RoleId, sh_quote};

/// The script that looks at the process of one role below a prefix.
pub fn life_request(prefix: &str, role: &RoleId) -> String {
    let (functions, prefix, role) = (super::OBSERVE_FUNCTIONS, sh_quote(prefix), sh_quote(role.as_str()));
    format!(
        "{functions}say '[observation 1]'\nmachine ''\nsay '[instances]'\nrole={role}\n\
         if cd {prefix} 2>/dev/null; then process; fi\nsay '[end]'\nflush\n"
    )
}

/// Reads its answer. Whether the process is supervised is not told here.
///
/// # Errors
/// When the answer is not whole or has anything in it that can't be.
pub fn parse_life(answer: &[u8], role: &RoleId) -> Result<ProcessObservation, BadAnswer> {
    let (mut seen, mut facts) = (HostObservation::default(), Facts::default());
    for section in &sections(answer)? {
        match section.name {
            "machine" => _ = machine(section, &mut seen, &mut facts, &["boot", "uid", "uptime"])?,
            "instances" => facts.take(section)?,
            "observation 1" | "end" => {}
            other => return Err(section.garbage(other)),
        }
    }
    process(&facts, role.as_str(), false, &seen, None)
}
