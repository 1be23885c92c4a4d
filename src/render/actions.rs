//! What a roll does to its instance, and what it is gated by, in a few words each.

use super::words;
use crate::inventory::HeldWhat;
use crate::plan::{Action, Roll};

/// `stop (30s)`, `switch`, `start`, `ready (1m)`, `healthy (10m)`, `stays healthy for 30s`.
pub(super) fn actions(roll: &Roll) -> Vec<String> {
    let within = |what: &str, limit: &std::time::Duration| Some(format!("{what} ({})", words::duration(*limit)));
    let word = |action: &Action| match action {
        Action::IfLeads => Some("does it lead? if so".to_owned()),
        Action::Drain { within: limit } => within("drain", limit),
        Action::Withdraw => Some("remove its configuration".to_owned()),
        Action::PutBack => Some("put settings back".to_owned()),
        Action::Hold { what: HeldWhat::Stopped, .. } => Some("hold it stopped".to_owned()),
        Action::Hold { what: HeldWhat::RolledBack, .. } => Some("hold it rolled back".to_owned()),
        Action::Release => Some("release".to_owned()),
        Action::AwaitOthers { within: limit } => within("the others serve", limit),
        Action::CheckSafe => Some("safe to stop?".to_owned()),
        Action::BeforeStop => Some("before-stop".to_owned()),
        Action::Stop { within: limit } => within("stop", limit),
        Action::StopUnsupervised { started: Some(_), within: limit, .. } => {
            within("stop what was started by hand", limit)
        }
        Action::StopUnsupervised { pid, within: limit, .. } => within(&format!("stop process {pid}"), limit),
        Action::Switch { .. } => Some("switch".to_owned()),
        Action::Start { first: false } => Some("start".to_owned()),
        Action::Start { first: true } => Some("first start".to_owned()),
        Action::Reload => Some("reload".to_owned()),
        Action::AwaitReady { within: limit } => within("ready", limit),
        Action::AfterReady => Some("after-ready".to_owned()),
        Action::AwaitHealthy { within: limit } => within("healthy", limit),
        Action::Soak { for_ } if for_.is_zero() => None,
        Action::Soak { for_ } => Some(format!("stays healthy for {}", words::duration(*for_))),
    };
    roll.actions.iter().filter_map(word).collect()
}

/// `ready 1m`, `healthy 10m`, `soak 30s`.
pub(super) fn gates(roll: &Roll) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::AwaitReady { within } => Some(format!("ready {}", words::duration(*within))),
        Action::AwaitHealthy { within } => Some(format!("healthy {}", words::duration(*within))),
        Action::AwaitOthers { within } => Some(format!("others {}", words::duration(*within))),
        Action::Soak { for_ } if !for_.is_zero() => Some(format!("soak {}", words::duration(*for_))),
        _ => None,
    };
    roll.actions.iter().filter_map(word).collect()
}
