//! Live lines: one for each host, instance or service that something happens to now, with what it waits for and for how long;
//! below them how far the run is.

use super::eta::Eta;
use super::lines::short;
use super::plain;
use crate::apply::{Event, Happening, Subject};
use crate::inventory::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

/// How often a live line is drawn.
const TICK: Duration = Duration::from_millis(120);

/// Frames a second, at most.
const RATE: u8 = 10;

/// How often the end of the run is reckoned anew: a fleet has many steps.
const RECKONED: Duration = Duration::from_millis(300);

/// Lines of the terminal that live lines leave to what scrolls above them.
const ABOVE: usize = 4;

/// Columns and lines of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    columns: u16,
    rows: u16,
}

impl Size {
    /// As it is now: it may have been resized. A terminal that does not know says 0.
    fn now() -> Self {
        let known = |size: u16, otherwise: u16| if size == 0 { otherwise } else { size };
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) => Self { columns: known(size.ws_col, 80), rows: known(size.ws_row, 24) },
            Err(_) => Self { columns: 80, rows: 24 },
        }
    }

    /// How many live lines there is room for, besides the last one.
    fn room(self) -> usize {
        usize::from(self.rows).saturating_sub(ABOVE).max(1)
    }

    /// A line: on a narrow terminal the name gets less of it, and is cut, so that what is waited for is seen.
    fn template(self) -> String {
        let name = if self.columns < 72 {
            format!("{{prefix:{}!}}", (self.columns / 3).max(10))
        } else {
            "{prefix:28}".to_owned()
        };
        format!("{{spinner}} {name} {{elapsed:>4}} {{wide_msg}}")
    }
}

/// What one live line says. Lines that there is no room for are known as well, and shown when there is.
#[derive(Debug)]
struct Line {
    text: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

/// All live lines.
#[derive(Debug)]
pub(super) struct Live {
    all: MultiProgress,
    size: Size,
    lines: BTreeMap<Subject, Line>,
    /// How far the run is; the last line.
    whole: Option<ProgressBar>,
    began: Option<(Instant, Duration)>,
    reckoned: Option<Instant>,
}

impl Live {
    pub(super) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
        Self { all, size: Size::now(), lines: BTreeMap::new(), whole: None, began: None, reckoned: None }
    }

    /// Takes in an event: its lines go above the live ones.
    pub(super) fn show(&mut self, event: &Event, lines: &[String], out: &mut (dyn Write + Send), eta: Option<&Eta>) {
        self.began.get_or_insert((Instant::now(), event.at));
        self.resize();
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
            Happening::Ended { .. } => return self.end(),
            _ => {}
        }
        self.refresh(eta);
    }

    /// Draws how far the run is, also while nothing happens.
    pub(super) fn refresh(&mut self, eta: Option<&Eta>) {
        self.resize();
        let (Some(eta), Some((began, at))) = (eta, self.began) else { return };
        if self.whole.is_some() && self.reckoned.is_some_and(|last| last.elapsed() < RECKONED) {
            return;
        }
        self.reckoned = Some(Instant::now());
        let hidden = self.lines.values().filter(|line| line.bar.is_none()).count();
        let more = if hidden > 0 { format!("... {hidden} more; ") } else { String::new() };
        let whole = self.whole.get_or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        whole.set_message(format!("{more}{}", eta.line(at + began.elapsed())));
    }

    /// Follows the terminal when it was resized.
    fn resize(&mut self) {
        let size = Size::now();
        if size == self.size {
            return;
        }
        self.size = size;
        // What was drawn for another width was wrapped by the terminal: it is drawn anew from the left.
        for line in self.lines.values_mut() {
            if let Some(bar) = line.bar.take() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        if let Some(bar) = self.whole.take() {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.fill();
    }

    /// Gives lines to subjects that have none, while there is room.
    fn fill(&mut self) {
        let shown = self.lines.values().filter(|line| line.bar.is_some()).count();
        let style = ProgressStyle::with_template(&self.size.template());
        let waiting = self.lines.iter_mut().filter(|(_, line)| line.bar.is_none());
        for (subject, line) in waiting.take(self.size.room().saturating_sub(shown)) {
            let bar = ProgressBar::new_spinner();
            let bar = match &self.whole {
                Some(whole) => self.all.insert_before(whole, bar),
                None => self.all.add(bar),
            };
            if let Ok(style) = &style {
                bar.set_style(style.clone());
            }
            bar.set_prefix(subject.to_string());
            bar.set_elapsed(line.since.elapsed());
            bar.set_message(line.text.clone());
            bar.enable_steady_tick(TICK);
            line.bar = Some(bar);
        }
    }

    fn line(&mut self, subject: &Subject, text: &str, begins: bool) {
        let new = || Line { text: text.to_owned(), since: Instant::now(), bar: None };
        let line = self.lines.entry(subject.clone()).or_insert_with(new);
        text.clone_into(&mut line.text);
        if begins {
            line.since = Instant::now();
        }
        if let Some(bar) = &line.bar {
            if begins {
                bar.reset_elapsed();
            }
            bar.set_message(text.to_owned());
        } else {
            self.fill();
        }
    }

    fn remove(&mut self, subject: &Subject) {
        if let Some(bar) = self.lines.remove(subject).and_then(|line| line.bar) {
            bar.finish_and_clear();
            self.all.remove(&bar);
            self.fill();
        }
    }

    /// Removes all live lines.
    pub(super) fn end(&mut self) {
        let bars = std::mem::take(&mut self.lines).into_values().filter_map(|line| line.bar);
        for bar in bars.chain(self.whole.take()) {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ProgressStyle, Size};

    #[test]
    fn a_narrow_terminal_has_room_for_what_is_waited_for() {
        let template = |columns| Size { columns, rows: 24 }.template();
        assert_eq!(template(40), "{spinner} {prefix:13!} {elapsed:>4} {wide_msg}");
        assert_eq!(template(80), "{spinner} {prefix:28} {elapsed:>4} {wide_msg}");
        for columns in [0, 40, 80, u16::MAX] {
            assert!(ProgressStyle::with_template(&template(columns)).is_ok(), "{columns}");
        }
    }
}
