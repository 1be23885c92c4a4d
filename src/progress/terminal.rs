//! Live lines: one for each host, instance or service that something happens to now, with what it waits for and for how long.

use super::lines::short;
use super::plain;
use crate::apply::{Event, Happening, Subject};
use crate::inventory::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a live line is drawn.
const TICK: Duration = Duration::from_millis(120);

/// Columns of the terminal now.
fn columns() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| size.ws_col)
}

/// A line of so many columns: on a narrow terminal the name gets less of it, and is cut, so that what is waited for is seen.
fn template(columns: u16) -> String {
    let name = if columns < 72 { format!("{{prefix:{}!}}", (columns / 3).max(10)) } else { "{prefix:28}".to_owned() };
    format!("{{spinner}} {name} {{elapsed:>4}} {{wide_msg}}")
}

/// All live lines.
#[derive(Debug)]
pub(super) struct Live {
    all: MultiProgress,
    bars: Mutex<BTreeMap<Subject, ProgressBar>>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::new(), bars: Mutex::new(BTreeMap::new()) }
    }

    /// Takes in an event: its lines go above the live ones.
    pub(super) fn show(&self, event: &Event, lines: &[String], out: &mut (dyn Write + Send)) {
        // A wait is on its live line already.
        if !matches!(event.what, Happening::Waiting { .. }) && !lines.is_empty() {
            self.all.suspend(|| plain::write(lines, out));
        }
        match &event.what {
            Happening::StepBegan { step, subject } => self.line(subject, &step.0, true),
            Happening::ActionBegan { subject, action, .. } => self.line(subject, action, true),
            Happening::Waiting { subject, what, says, limit, .. } => {
                let limit = short(*limit);
                self.line(subject, &format!("until {what}, at most {limit}: {}", printable(says, 60)), false);
            }
            Happening::Retrying { subject, why, .. } => {
                self.line(subject, &format!("tries again: {}", printable(why, 60)), false);
            }
            Happening::StepEnded { subject, .. } => self.remove(subject),
            Happening::ActionEnded { subject, action, .. } if matches!(action.as_str(), "await healthy" | "soak") => {
                self.remove(subject);
            }
            Happening::Ended { .. } => self.end(),
            _ => {}
        }
    }

    fn line(&self, subject: &Subject, text: &str, begins: bool) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(subject.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template(&template(columns())) {
                bar.set_style(style);
            }
            bar.set_prefix(subject.to_string());
            bar.enable_steady_tick(TICK);
            bar
        });
        if begins {
            bar.reset_elapsed();
        }
        bar.set_message(text.to_owned());
    }

    fn remove(&self, subject: &Subject) {
        let gone = self.bars.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
        if let Some(bar) = gone {
            bar.finish_and_clear();
        }
    }

    /// Removes all live lines.
    pub(super) fn end(&self) {
        let bars = std::mem::take(&mut *self.bars.lock().unwrap_or_else(PoisonError::into_inner));
        for bar in bars.into_values() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ProgressStyle, template};

    #[test]
    fn a_narrow_terminal_has_room_for_what_is_waited_for() {
        assert_eq!(template(40), "{spinner} {prefix:13!} {elapsed:>4} {wide_msg}");
        assert_eq!(template(80), "{spinner} {prefix:28} {elapsed:>4} {wide_msg}");
        for columns in [0, 40, 80, u16::MAX] {
            assert!(ProgressStyle::with_template(&template(columns)).is_ok(), "{columns}");
        }
    }
}
