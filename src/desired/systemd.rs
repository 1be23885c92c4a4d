//! What only systemd needs: the unit of an instance, the same process definition as for a supervisor of our own. The unit
//! is a file of the generation; switching to the generation copies it to where systemd looks for it.

use super::DesiredProcess;
use super::paths::Folders;
use crate::model::{Limits, RoleId};
use std::fmt::Write as _;

/// Ended so many times within [`GIVE_UP_WITHIN`] seconds it is not started again: once, and three more tries.
const TRIES: u32 = 4;

/// With a pause of a second before each try, a process that ends at once comes to its fifth start after 4 s, and one that
/// has lived for a second each time not before 8 s.
const GIVE_UP_WITHIN: u32 = 7;

/// The unit of an instance. It is never enabled: `bin/boot` starts it, in the order of the services.
pub(super) fn unit(role: &RoleId, folders: &Folders, process: &DesiredProcess, limits: &Limits, locks: bool) -> String {
    let exit = 128 + number(&process.stop_signal);
    let mut text = format!("# {role}: written by es_cluster, edits by hand are drift.\n[Unit]\n");
    let mut line = |key: &str, value: &str| _ = writeln!(text, "{key}={}", value.replace('%', "%%"));
    line("Description", &format!("es_cluster: {role}"));
    line("RequiresMountsFor", &folders.prefix);
    _ = writeln!(text, "\n[Service]");
    let mut line = |key: &str, value: &str| _ = writeln!(text, "{key}={}", value.replace('%', "%%"));
    line("Type", "simple");
    line("ExecStart", &format!("/bin/sh {}/launch", folders.current()));
    // Whatever ends it but a stop is no end: a signal from somebody, too.
    line("Restart", "on-failure");
    line("SuccessExitStatus", &exit.to_string());
    line("RestartForceExitStatus", &format!("{exit} SIGHUP SIGINT SIGPIPE SIGTERM"));
    line("RestartSec", "1");
    // The names that old and new versions know.
    line("StartLimitInterval", &GIVE_UP_WITHIN.to_string());
    line("StartLimitBurst", &TRIES.to_string());
    // Asked, waited for, never forced; and only the process itself, which knows its children.
    line("KillMode", "process");
    line("KillSignal", &format!("SIG{}", process.stop_signal));
    line("SendSIGKILL", "no");
    line("TimeoutStopSec", "infinity");
    for (key, limit) in [("LimitNOFILE", limits.nofile), ("LimitNPROC", limits.nproc)] {
        if let Some(limit) = limit {
            line(key, &limit.to_string());
        }
    }
    if locks {
        line("LimitMEMLOCK", "infinity");
    }
    line("TasksMax", "infinity");
    line("UMask", "0022");
    text
}

/// The number of a signal, on the machines that we know.
fn number(signal: &str) -> u32 {
    match signal {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "USR1" => 10,
        "USR2" => 12,
        _ => 15,
    }
}
