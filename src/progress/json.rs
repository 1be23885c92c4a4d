//! Events as lines of JSON, for programs that follow a run.

use crate::apply::{Event, Happening};
use crate::render;
use serde_json::Value;
use std::io::Write;

/// An event as one line; the end of a run with its exit code. Nothing in it can do something to a terminal.
pub(super) fn line(event: &Event) -> String {
    // Events are plain data: nothing of one can fail to be written.
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let (Happening::Ended { outcome }, Value::Object(fields)) = (&event.what, &mut value) {
        fields.insert("exit_code".to_owned(), outcome.exit_code().into());
    }
    render::printable_json(&value.to_string())
}

/// Writes a line at once, so that a reader sees it when it happens.
pub(super) fn write(line: &str, out: &mut (dyn Write + Send)) {
    // A reader that went away is no reason to stop a rollout.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::apply::{End, Event, Happening, Outcome, Subject};
    use crate::model::HostName;
    use serde_json::Value;
    use std::time::Duration;

    #[test]
    fn an_event_is_one_line_without_escapes() {
        let text = "a\u{1b}[2J\nb\u{202e}c\u{9b}".to_owned();
        let subject = Subject::Host(HostName::new("node1").expect("a name"));
        let what = Happening::Warned { subject, text: text.clone() };
        let line = line(&Event { at: Duration::from_millis(1500), what });
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
        let read: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&read["at"], &read["event"], &read["text"]), (&1500.into(), &"warned".into(), &text.into()));
    }

    #[test]
    fn the_end_has_its_exit_code() {
        let outcome = Outcome { end: End::Interrupted, done: 1, steps: 2, rolled_back: Vec::new() };
        let line = line(&Event { at: Duration::ZERO, what: Happening::Ended { outcome: Box::new(outcome) } });
        let read: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&read["exit_code"], &read["outcome"]["end"]["end"]), (&130.into(), &"interrupted".into()));
    }
}
