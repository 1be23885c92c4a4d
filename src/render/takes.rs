//! How long a plan will take, by what earlier runs took: shown beside a plan, and never part of it.

use super::style::{Style, Tone, wrapped};
use super::text::TextOptions;
use super::words::{self, count};
use crate::history::{Forecast, Left, Progress, instances};
use crate::inventory::Durations;
use crate::plan::Plan;
use std::fmt::Write as _;
use std::time::Duration;

/// Most roles that are shown one by one.
const ROLES: usize = 20;

/// In one sentence; nothing when nothing would be done.
pub fn takes(plan: &Plan, durations: &Durations) -> Option<String> {
    if plan.steps.is_empty() {
        return None;
    }
    let left = Forecast::new(plan).left(durations, |_| Progress::Waiting);
    Some(sentence(left))
}

fn sentence(left: Left) -> String {
    let Left { known, unknown, of } = left;
    if unknown == of && of > 0 {
        return "how long it takes is not known: the hosts have no journal of anything like it".to_owned();
    }
    let known = words::duration(rounded(known));
    match unknown {
        0 => format!("takes about {known}, as earlier runs did"),
        some => format!(
            "takes at least {known}, as earlier runs did; how long {} of {} take is not known",
            some,
            count(of, "step")
        ),
    }
}

/// Whole seconds, at least one; more than a few minutes to ten seconds.
pub(super) fn rounded(time: Duration) -> Duration {
    let seconds = time.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    Duration::from_secs(if seconds < 300 { seconds } else { (seconds / 10).saturating_mul(10) })
}

/// The sentence, and what one instance of each role takes.
pub fn takes_text(plan: &Plan, durations: &Durations, options: &TextOptions) -> String {
    let Some(sentence) = takes(plan, durations) else { return String::new() };
    let style = Style { colour: options.colour };
    let label = style.paint(Tone::Strong, "Time:");
    let mut text = format!("{label} {}\n", wrapped(&sentence, 6, 4, options.width.max(40)));
    let roles = instances(plan, durations);
    if roles.values().all(Option::is_none) {
        return text;
    }
    let wide = roles.keys().map(|role| role.as_str().chars().count()).max().unwrap_or(0);
    for (role, one) in roles.iter().take(ROLES) {
        let (role, told) = (
            role.as_str(),
            match one {
                Some((took, 0)) => format!("{} an instance", words::duration(rounded(*took))),
                Some((took, times)) => format!(
                    "{} an instance, by {}",
                    words::duration(rounded(*took)),
                    count(usize::try_from(*times).unwrap_or(usize::MAX), "restart")
                ),
                None => "not known".to_owned(),
            },
        );
        _ = writeln!(text, "    {role:<wide$}  {told}");
    }
    if roles.len() > ROLES {
        _ = writeln!(text, "    ... {}", count(roles.len() - ROLES, "more role"));
    }
    text
}
