//! Why a step is there, as a sentence.

use super::words;
use crate::plan::{Reason, Step};

/// All reasons of a step; nothing when the step before it demands it.
pub(super) fn why(step: &Step) -> Option<String> {
    let reasons: Vec<String> = step.reason.iter().filter_map(reason).collect();
    (!reasons.is_empty()).then(|| format!("because {}", words::and(&reasons)))
}

fn reason(reason: &Reason) -> Option<String> {
    let text = match reason {
        Reason::New => "it is new".to_owned(),
        Reason::Revived => "nothing of it runs, and it has data".to_owned(),
        Reason::Files(paths) if paths.len() == 1 => format!("{} changes", paths.join(", ")),
        Reason::Files(paths) => format!("{} change", words::and(paths)),
        Reason::Software(changes) => changes.join(", "),
        Reason::ByHand(paths) => format!("somebody edited {}", words::and(paths)),
        Reason::ProcessDefinition => "its process definition changes".to_owned(),
        Reason::Unproven => "it was changed by a run that was lost before it was seen to be healthy".to_owned(),
        Reason::ReloadOwed => "it was never told to read its files".to_owned(),
        Reason::RestartPending => "it runs on an older generation than the one on disk".to_owned(),
        Reason::NotRunning => "it does not run".to_owned(),
        Reason::NotReady(_) => "it does not serve".to_owned(),
        Reason::Unsupervised => "no supervisor watches it".to_owned(),
        Reason::Stranger => {
            "somebody started it by hand: it restarts once and becomes managed by es_cluster".to_owned()
        }
        Reason::OtherSupervisor { from, to } => format!("it moves from {} to {}", from.word(), to.word()),
        Reason::Unit => "its unit differs".to_owned(),
        Reason::SoftwareDamaged => "its software is damaged".to_owned(),
        Reason::Missing(what) => format!("{} is missing", words::and(what)),
        Reason::Leftover => "an interrupted run left it".to_owned(),
        Reason::NotSettled => "no finished rollout leaves it so".to_owned(),
        Reason::UntilLeft => "it changes when those that leave have left".to_owned(),
        Reason::Recreate => "its versions can't be mixed".to_owned(),
        Reason::Undeclared => "it is not declared any more".to_owned(),
        Reason::Leads => "it leaves, and those that stay would not follow it as their leader".to_owned(),
        Reason::Lapsed => "the file says something else than what it was rolled back from".to_owned(),
        Reason::Asked => "it was asked for".to_owned(),
        Reason::Follows => return None,
    };
    Some(text)
}
