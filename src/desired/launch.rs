//! The process definition of an instance: the script that becomes the service, and the supervisor's entry for it.

use super::DesiredProcess;
use super::paths::Folders;
use crate::model::{Limits, RoleId, sh_quote};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The fixed part of the script.
const BODY: &str = include_str!("launch.sh");

/// How long the supervisor waits before it would kill by itself: a year. No timeout of ours or its may force a stop.
const NEVER: u64 = 31_536_000;

/// Largest console log that is appended to, in bytes; a larger one is kept beside it at the next start.
const CONSOLE_LIMIT: u64 = 32 << 20;

/// Where what the process prints goes.
pub(super) fn console(folders: &Folders) -> String {
    format!("{}/console.log", folders.log)
}

/// What the launcher itself has to say, before there is a console log.
pub(super) fn launch_log(role: &RoleId, folders: &Folders) -> String {
    format!("{}/run/{}.launch", folders.prefix, role)
}

/// The script `launch`. `locks`: all memory may be locked.
pub(super) fn script(
    role: &RoleId,
    folders: &Folders,
    process: &DesiredProcess,
    limits: &Limits,
    locks: bool,
    user: Option<&str>,
) -> String {
    let mut text = format!(
        "#!/bin/sh\n# {role}: the supervisor runs this. It writes down which process it is, then becomes it.\n"
    );
    let mut set = |name: &str, value: &str| _ = writeln!(text, "{name}={}", sh_quote(value));
    set("record", &format!("{}/run/{}.proc", folders.prefix, role));
    set("aside", &format!("{}/run/.tmp-{}.proc", folders.prefix, role));
    set("held", &format!("{}/run/{}.held", folders.prefix, role));
    set("first", &format!("{}/run/{}.first", folders.prefix, role));
    set("generation_file", &format!("{}/restart-generation", folders.current()));
    set("folder", &folders.log);
    set("console", &console(folders));
    set("console_limit", &CONSOLE_LIMIT.to_string());
    set("user", user.unwrap_or_default());
    set("nofile", &limits.nofile.map(|limit| limit.to_string()).unwrap_or_default());
    set("nproc", &limits.nproc.map(|limit| limit.to_string()).unwrap_or_default());
    set("memlock", if locks { "unlimited" } else { "" });
    _ = writeln!(text, "service() {{\n    set --{}", words(&process.command));
    if !process.first_start.is_empty() {
        _ = writeln!(text, "    [ ! -e \"$first\" ] || set -- \"$@\"{}", words(&process.first_start));
    }
    // The environment of whoever started the supervisor is not the service's.
    _ = writeln!(text, "    become env -i{} \"$@\"\n}}", words(&variables(&process.env, folders)));
    text.push_str(&body(&limits.capabilities));
    text
}

/// Where the fixed part becomes the service's user.
const AS_USER: &str = "--init-groups \"$@\"";

/// The fixed part, for a service that keeps these rights of root as whoever it runs.
fn body(capabilities: &[String]) -> Cow<'static, str> {
    if capabilities.is_empty() {
        return Cow::Borrowed(BODY);
    }
    let kept: Vec<String> = capabilities.iter().map(|name| format!("+{name}")).collect();
    let kept = kept.join(",");
    Cow::Owned(BODY.replace(AS_USER, &format!("--init-groups --inh-caps={kept} --ambient-caps={kept} \"$@\"")))
}

/// The whole environment of the service, each variable as one word.
fn variables(own: &BTreeMap<String, String>, folders: &Folders) -> Vec<String> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::from([
        ("HOME", folders.run.as_str()),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("TMPDIR", folders.tmp.as_str()),
    ]);
    all.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// A command with the service's environment and nothing else; nothing when there is none.
pub(super) fn alone(command: &[String], own: &BTreeMap<String, String>, folders: &Folders) -> Vec<String> {
    if command.is_empty() {
        return Vec::new();
    }
    let variables = variables(own, folders);
    ["env", "-i"].map(str::to_owned).into_iter().chain(variables).chain(command.iter().cloned()).collect()
}

fn words(words: &[String]) -> String {
    let mut text = String::new();
    for word in words {
        _ = write!(text, " \\\n        {}", sh_quote(word));
    }
    text
}

/// The supervisor's entry. Nothing is started by the supervisor on its own: every start is gated.
pub(super) fn entry(role: &RoleId, folders: &Folders, process: &DesiredProcess) -> String {
    let command = format!("/bin/sh {}", sh_quote(&format!("{}/launch", folders.current())));
    let lines: [(&str, &str); 15] = [
        ("command", &command),
        ("process_name", &process.program),
        ("numprocs", "1"),
        ("autostart", "false"),
        ("autorestart", "unexpected"),
        ("exitcodes", "0"),
        ("startsecs", "1"),
        ("startretries", "3"),
        ("stopsignal", &process.stop_signal),
        ("stopwaitsecs", &NEVER.to_string()),
        ("stopasgroup", "false"),
        ("killasgroup", "false"),
        ("redirect_stderr", "true"),
        ("stdout_logfile", &launch_log(role, folders)),
        ("stdout_logfile_maxbytes", "65536"),
    ];
    let mut text =
        format!("; {role}: written by es_cluster, edits by hand are drift.\n[program:{}]\n", process.program);
    for (key, value) in lines {
        _ = writeln!(text, "{key}={}", value.replace('%', "%%"));
    }
    text.push_str("stdout_logfile_backups=0\n");
    text
}
