//! Small records on a host: what must be undone, what is held, the history; and the last lines of logs.

use super::machine::{Calls, Machine};
use super::{Script, Transport};
use crate::desired::{DesiredHost, DesiredInstance, UNIT_FOLDER};
use crate::host::{Failure, HostError};
use crate::inventory::{Held, UndoRecord, printable};
use crate::model::sh_quote;
use std::fmt::Write as _;
use std::time::Duration;

/// A small file with a sync on a loaded disk.
const RECORD_WITHIN: Duration = Duration::from_mins(1);
/// Most bytes that are read from the end of one log.
const TAIL_BYTES: usize = 64 * 1024;
/// Most lines of one log.
const TAIL_LINES: usize = 1000;
/// Longest line that is shown.
const TAIL_WIDTH: usize = 1000;

/// Whether a text is a plain file name.
pub(super) fn is_file_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=200).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
}

impl<T: Transport> Machine<T> {
    fn file_name<'a>(&self, name: &'a str) -> Result<&'a str, HostError> {
        if is_file_name(name) { Ok(name) } else { Err(self.error(Failure::Stop, format!("{name} is not a file name"))) }
    }

    /// Writes an undo record and syncs it.
    pub(super) async fn write_undo(
        &self,
        host: &DesiredHost,
        name: &str,
        record: &UndoRecord,
    ) -> Result<(), HostError> {
        let json = serde_json::to_vec(record).map_err(|error| self.error(Failure::Stop, error.to_string()))?;
        let calls = Calls::one("write", [format!("run/undo/{}", self.file_name(name)?).as_str()]);
        self.change("writing an undo record", &host.prefix, &calls, json, RECORD_WITHIN).await.map(|_| ())
    }

    /// Removes an undo record.
    pub(super) async fn remove_undo(&self, host: &DesiredHost, name: &str) -> Result<(), HostError> {
        let calls = Calls::one("erase", [format!("run/undo/{}", self.file_name(name)?).as_str()]);
        self.change("removing an undo record", &host.prefix, &calls, Vec::new(), RECORD_WITHIN).await.map(|_| ())
    }

    /// Writes or removes a hold.
    pub(super) async fn hold(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        held: Option<&Held>,
    ) -> Result<(), HostError> {
        let path = format!("run/{}.held", instance.id.role);
        let json = held.map(serde_json::to_vec).transpose();
        let json = json.map_err(|error| self.error(Failure::Stop, error.to_string()))?;
        let calls = Calls::one(if json.is_some() { "write" } else { "erase" }, [path.as_str()]);
        let stdin = json.unwrap_or_default();
        self.change("holding an instance", &host.prefix, &calls, stdin, RECORD_WITHIN).await.map(|_| ())
    }

    /// Ends the trial of what an instance was switched to last, and its very first start: whoever starts it from now on, after
    /// a crash too, starts it without the words for that.
    pub(super) async fn accept(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<(), HostError> {
        let role = &instance.id.role;
        let mut calls = Calls::default();
        calls
            .add("erase", [format!("conf/{role}/trial").as_str()])
            .add("erase", [format!("run/{role}.first").as_str()]);
        self.change("accepting a change", &host.prefix, &calls, Vec::new(), RECORD_WITHIN).await.map(|_| ())
    }

    /// Appends a line to a journal and syncs it.
    pub(super) async fn record(&self, host: &DesiredHost, run: &str, line: &str) -> Result<(), HostError> {
        if line.contains('\n') {
            return Err(self.error(Failure::Stop, "a record is one line"));
        }
        let calls = Calls::one("append", [format!("log/history/{}.jsonl", self.file_name(run)?).as_str()]);
        let stdin = format!("{line}\n").into_bytes();
        self.change("writing the history", &host.prefix, &calls, stdin, RECORD_WITHIN).await.map(|_| ())
    }

    /// The last lines of what the process printed and of its logs.
    pub(super) async fn last_lines(&self, instance: &DesiredInstance, lines: usize) -> Result<Vec<String>, HostError> {
        let lines = lines.clamp(1, TAIL_LINES);
        let console = format!("{}/console.log", instance.log_dir);
        let mut sh = String::from("LC_ALL=C; export LC_ALL\n");
        let mut paths = vec![&console];
        paths.extend(instance.process.logs.iter().filter(|path| **path != console));
        for path in paths {
            let (word, title) = (sh_quote(path), sh_quote(&format!("--- {path}")));
            _ = writeln!(
                sh,
                "if [ -s {word} ]; then printf '%s\\n' {title}; tail -c {TAIL_BYTES} <{word} | tail -n {lines}; echo; fi"
            );
        }
        let unit = sh_quote(&instance.unit);
        _ = writeln!(
            sh,
            "if [ -d /run/systemd/system ] && [ -e {UNIT_FOLDER}/{unit} ]; then echo \"--- journal of \"{unit}; \
             journalctl -q --no-pager -o short-iso -n {lines} -u {unit} 2>/dev/null | tail -c {TAIL_BYTES}; fi"
        );
        let said = self.script("reading the logs", Script::new(sh).repeatable(), RECORD_WITHIN).await?;
        let said = String::from_utf8_lossy(&said);
        Ok(said.lines().filter(|line| !line.is_empty()).map(|line| printable(line, TAIL_WIDTH)).collect())
    }
}
