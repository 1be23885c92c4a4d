//! Numbers as people say them.

use std::fmt::Write as _;
use std::time::Duration;

/// A duration: `200ms`, `30s`, `1m30s`, `2h`, `3d4h`.
pub fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    if seconds == 0 {
        return format!("{}ms", value.subsec_millis());
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut text = String::new();
    for (length, unit) in units.iter().skip(first).take(2) {
        let count = left / length;
        left %= length;
        if count > 0 {
            _ = write!(text, "{count}{unit}");
        }
    }
    text
}

/// A size: `512 B`, `1.5 KiB`, `240 MiB`.
pub fn bytes(value: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut whole, mut rest, mut unit) = (value, 0, 0);
    while whole >= 1024 && unit + 1 < units.len() {
        (whole, rest, unit) = (whole / 1024, whole % 1024, unit + 1);
    }
    let tenth = rest * 10 / 1024;
    let name = units.get(unit).copied().unwrap_or_default();
    if whole < 10 && tenth > 0 { format!("{whole}.{tenth} {name}") } else { format!("{whole} {name}") }
}

/// `1 change`, `2 changes`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn and(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
