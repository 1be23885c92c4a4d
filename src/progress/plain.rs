//! Which events become lines, and how often.

use super::lines;
use crate::apply::{Event, Happening, Subject};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// A wait that gets the same answer is told again this often.
const AGAIN: Duration = Duration::from_secs(10);

/// A wait that gets another answer each time is told at most this often.
const AT_MOST: Duration = Duration::from_secs(2);

/// Remembers what was told last.
#[derive(Debug)]
pub(super) struct Plain {
    quiet: bool,
    told: BTreeMap<(Subject, String), (Duration, String)>,
}

impl Plain {
    pub(super) const fn new(quiet: bool) -> Self {
        Self { quiet, told: BTreeMap::new() }
    }

    /// The lines of one event; none when it is not worth one.
    pub(super) fn lines(&mut self, event: &Event) -> Vec<String> {
        let problem = matches!(
            event.what,
            Happening::Warned { .. }
                | Happening::Failed { .. }
                | Happening::RollingBack { .. }
                | Happening::RolledBack { .. }
                | Happening::Interrupting { .. }
                | Happening::Ended { .. }
        );
        if (self.quiet && !problem) || !self.is_news(event) {
            return Vec::new();
        }
        lines::lines(event)
    }

    fn is_news(&mut self, event: &Event) -> bool {
        let Happening::Waiting { subject, what, says, .. } = &event.what else { return true };
        let key = (subject.clone(), what.clone());
        let news = self.told.get(&key).is_none_or(|(at, before)| {
            let since = event.at.saturating_sub(*at);
            since >= AGAIN || (since >= AT_MOST && before != says)
        });
        if news {
            self.told.insert(key, (event.at, says.clone()));
        }
        news
    }
}

/// Writes lines, each at once.
pub(super) fn write(lines: &[String], out: &mut dyn Write) {
    for line in lines {
        // A reader that went away is no reason to stop a rollout.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::{Happening, Plain, Subject};
    use crate::apply::Event;
    use crate::model::{HostName, InstanceId, RoleId};
    use crate::plan::StepId;
    use std::time::Duration;

    fn waiting(at: u64, says: &str) -> Event {
        let instance = InstanceId::new(RoleId::new("db").expect("name"), HostName::new("node1").expect("name"));
        let (waited, limit) = (Duration::from_secs(at), Duration::from_mins(1));
        let (step, what) = (StepId("roll db@node1".into()), "ready".to_owned());
        let subject = Subject::Instance(instance);
        let what = Happening::Waiting { step, subject, what, says: says.to_owned(), waited, limit };
        Event { at: Duration::from_secs(at), what }
    }

    #[test]
    fn an_unchanged_wait_is_told_now_and_then_and_a_new_answer_soon() {
        let mut plain = Plain::new(false);
        let told: Vec<u64> = (0..25).filter(|at| !plain.lines(&waiting(*at, "refused")).is_empty()).collect();
        assert_eq!(told, [0, 10, 20]);
        assert!(plain.lines(&waiting(21, "503")).is_empty(), "not more often than every two seconds");
        let line = plain.lines(&waiting(22, "\u{1b}[2Jno")).join("\n");
        assert!(line.contains("db@node1") && line.contains("ready") && line.contains("22s of 60s"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }

    #[test]
    fn quiet_is_quiet_about_what_goes_well() {
        assert!(Plain::new(true).lines(&waiting(0, "refused")).is_empty());
    }
}
