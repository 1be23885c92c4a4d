//! Which waits took longest: what people look at when a run was slow.

use super::lines::short;
use crate::apply::{Event, Happening, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many are named at the end.
const NAMED: usize = 3;

/// Shorter waits are not worth a line.
const SHORTEST: Duration = Duration::from_secs(5);

/// All waits of a run, as its events tell them.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Waits that have begun: since when, and for what.
    open: BTreeMap<Subject, (Duration, String)>,
    /// Those that watch on purpose, for as long as the file says.
    soaking: BTreeSet<Subject>,
    ended: Vec<(Duration, Subject, String)>,
}

impl Waits {
    /// Takes in an event.
    pub(super) fn see(&mut self, event: &Event) {
        match &event.what {
            Happening::ActionBegan { subject, action, .. } => {
                self.close(subject, event.at);
                if action == "soak" {
                    self.soaking.insert(subject.clone());
                }
            }
            Happening::Waiting { subject, what, waited, .. } if !self.soaking.contains(subject) => {
                let began = event.at.saturating_sub(*waited);
                if self.open.get(subject).is_some_and(|(_, known)| known != what) {
                    self.close(subject, event.at);
                }
                self.open.entry(subject.clone()).or_insert_with(|| (began, what.clone()));
            }
            Happening::ActionEnded { subject, .. } | Happening::StepEnded { subject, .. } => {
                self.soaking.remove(subject);
                self.close(subject, event.at);
            }
            Happening::Failed { bundle, .. } => self.close(&bundle.subject, event.at),
            Happening::Began { .. } | Happening::Ended { .. } => {
                for subject in self.open.keys().cloned().collect::<Vec<_>>() {
                    self.close(&subject, event.at);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, subject: &Subject, at: Duration) {
        if let Some((began, what)) = self.open.remove(subject) {
            self.ended.push((at.saturating_sub(began), subject.clone(), what));
        }
    }

    /// The slowest in one line; nothing when nobody had to wait long.
    pub(super) fn line(&self) -> Option<String> {
        let mut waits: Vec<_> = self.ended.iter().filter(|(took, ..)| *took >= SHORTEST).collect();
        waits.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
        let told = |(took, subject, what): &&(Duration, Subject, String)| format!("{subject} {what} {}", short(*took));
        let named: Vec<String> = waits.iter().take(NAMED).map(told).collect();
        (!named.is_empty()).then(|| format!("slowest waits: {}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Event, Happening, Subject, Waits};
    use crate::model::ServiceName;
    use crate::plan::StepId;

    fn subject(name: &str) -> Subject {
        Subject::Service(ServiceName::new(name).expect("a name"))
    }

    fn at(at: u64, what: Happening) -> Event {
        Event { at: Duration::from_secs(at), what }
    }

    fn waiting(seconds: u64, name: &str, waited: u64) -> Event {
        let (step, says, limit) = (StepId("s".into()), String::new(), Duration::from_mins(1));
        let waited = Duration::from_secs(waited);
        at(seconds, Happening::Waiting { step, subject: subject(name), what: "healthy".into(), says, waited, limit })
    }

    fn began(seconds: u64, name: &str, action: &str) -> Event {
        at(seconds, Happening::ActionBegan { step: StepId("s".into()), subject: subject(name), action: action.into() })
    }

    fn ended(seconds: u64, name: &str) -> Event {
        let took = Duration::ZERO;
        at(seconds, Happening::StepEnded { step: StepId("s".into()), subject: subject(name), took })
    }

    #[test]
    fn the_slowest_come_first_and_what_is_watched_on_purpose_is_no_wait() {
        let mut waits = Waits::default();
        let events = [
            waiting(10, "b", 0),
            waiting(20, "b", 10),
            ended(52, "b"),
            waiting(60, "a", 8),
            ended(61, "a"),
            waiting(62, "quick", 1),
            ended(63, "quick"),
            began(70, "c", "soak"),
            waiting(70, "c", 0),
            ended(600, "c"),
        ];
        for event in &events {
            waits.see(event);
        }
        assert_eq!(waits.line().as_deref(), Some("slowest waits: b healthy 42s, a healthy 9s"));
        assert_eq!(Waits::default().line(), None);
    }
}
