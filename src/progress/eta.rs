//! How far a run is, and how long the rest will take: by what earlier runs took, and by what this one has taken so far.

use super::lines::short;
use crate::apply::{Event, Happening};
use crate::history::{Forecast, Left, Progress, about, typical};
use crate::inventory::Durations;
use crate::plan::{Plan, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Times of one kind that count.
const COUNTED: usize = 20;

/// What the end of a run is reckoned from.
#[derive(Debug)]
pub struct Eta {
    forecast: Forecast,
    /// What is known of earlier runs, and what this one has shown.
    durations: Durations,
    /// What each kind of action took in this run: newer than any journal.
    own: BTreeMap<(String, String), Vec<Duration>>,
    /// How far each step is, by its number.
    steps: Vec<Step>,
    done: usize,
    of: usize,
}

/// How far a step is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Waiting,
    Since(Duration),
    Done,
}

impl Eta {
    /// Of a plan, with what things took in earlier runs.
    pub fn new(plan: &Plan, durations: &Durations) -> Self {
        Self {
            forecast: Forecast::new(plan),
            durations: durations.clone(),
            own: BTreeMap::new(),
            steps: vec![Step::Waiting; plan.steps.len()],
            done: 0,
            of: plan.steps.len(),
        }
    }

    /// Takes in an event.
    pub(super) fn see(&mut self, event: &Event) {
        match &event.what {
            Happening::StepBegan { step, .. } => self.set(step, Step::Since(event.at)),
            Happening::StepEnded { step, .. } => {
                self.done += 1;
                self.set(step, Step::Done);
            }
            Happening::ActionEnded { step, subject, action, took } => {
                let of = about(&step.0, &subject.to_string(), action).to_owned();
                let times = self.own.entry((of.clone(), action.clone())).or_default();
                if times.len() < COUNTED {
                    times.push(*took);
                }
                if let Some(typical) = typical(times) {
                    self.durations.note(of, action.clone(), typical);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, step: &StepId, to: Step) {
        let known = self.forecast.number(step).and_then(|number| self.steps.get_mut(number));
        if let Some(known) = known {
            *known = to;
        }
    }

    /// What is left, so long after the beginning.
    fn left(&self, now: Duration) -> Left {
        self.forecast.left(&self.durations, |step| match self.steps.get(step) {
            None | Some(Step::Waiting) => Progress::Waiting,
            Some(Step::Done) => Progress::Done,
            Some(Step::Since(began)) => Progress::Running(now.saturating_sub(*began)),
        })
    }

    /// `12 of 40 steps, 2m10s, about 3m left`.
    pub(super) fn line(&self, now: Duration) -> String {
        let Left { known, unknown, .. } = self.left(now);
        let left = match (known.as_secs(), unknown) {
            (0, 0) => "nearly done".to_owned(),
            (0, _) => "time left not known".to_owned(),
            (_, 0) => format!("about {} left", short(whole(known))),
            _ => format!("at least {} left", short(whole(known))),
        };
        format!("{} of {} steps, {}, {left}", self.done, self.of, short(whole(now)))
    }
}

/// Whole seconds: tenths of what is reckoned mean nothing.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::Eta;
    use crate::apply::{Event, Happening, Subject};
    use crate::inventory::{Durations, Typical};
    use crate::model::HostName;
    use crate::plan::{PlanInput, PlanOptions, plan, tests::world};
    use std::time::Duration;

    #[test]
    fn what_this_run_took_counts_more_than_what_earlier_ones_did() {
        let desired = world::desired(&world::platform());
        let inventory = world::empty(&desired);
        let (plan, _) = plan(&PlanInput { desired: &desired, inventory: &inventory, options: &PlanOptions::default() });
        assert!(Eta::new(&plan, &Durations::default()).line(Duration::ZERO).ends_with("time left not known"));
        let mut known = Durations::default();
        known.note(String::new(), "prepare".to_owned(), Typical { millis: 90_000, of: 3 });
        let mut eta = Eta::new(&plan, &known);
        let of = plan.steps.len();
        assert_eq!(eta.line(Duration::ZERO), format!("0 of {of} steps, 0s, at least 90s left"));
        let first = &plan.steps[0];
        assert!(first.id.0.starts_with("prepare "), "{first:?}");
        let host = HostName::new(first.id.0.trim_start_matches("prepare ")).expect("a name");
        let (step, subject, took) = (first.id.clone(), Subject::Host(host), Duration::from_secs(20));
        let at = |seconds, what| Event { at: Duration::from_secs(seconds), what };
        eta.see(&at(1, Happening::StepBegan { step: step.clone(), subject: subject.clone() }));
        let action = "prepare".to_owned();
        eta.see(&at(21, Happening::ActionEnded { step: step.clone(), subject: subject.clone(), action, took }));
        eta.see(&at(21, Happening::StepEnded { step, subject, took }));
        let line = eta.line(Duration::from_secs(21));
        assert!(line.starts_with(&format!("1 of {of} steps, 21s, ")) && !line.contains("90s"), "{line}");
    }
}
