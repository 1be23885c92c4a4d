//! Cluster-level settings: what an interrupted run has left changed is put back, what nobody recorded is repaired.

use super::sequence::{Draft, Sequence};
use super::{Reason, StepKind};
use crate::diff::Change;
use crate::model::ServiceName;

/// The steps for one service. Undo records first: what they put back is what was there before.
pub(super) fn drafts(changes: &[Change], of: &ServiceName) -> Vec<Draft> {
    let draft = |change: &Change| match change {
        Change::UndoLeft { service, host, record, setting, .. } if service == of => {
            let (host, record) = (host.clone(), record.clone());
            let id = format!("undo {record} on {host}");
            let kind = StepKind::Undo { host, record, service: service.clone(), setting: setting.clone() };
            Some(Draft::new(id, kind, vec![Reason::Leftover]))
        }
        Change::Setting { service, setting, repair, .. } if service == of => {
            let kind = StepKind::Repair { service: service.clone(), setting: setting.clone(), value: repair.clone() };
            Some(Draft::new(format!("repair {setting} of {service}"), kind, vec![Reason::NotSettled]))
        }
        _ => None,
    };
    changes.iter().filter_map(draft).collect()
}

/// Adds them, one after the other: two records of one setting must not race. Whether there were any.
pub(super) fn add(changes: &[Change], of: &ServiceName, sequence: &mut Sequence) -> bool {
    let drafts = drafts(changes, of);
    let any = !drafts.is_empty();
    for draft in drafts {
        sequence.group(vec![draft]);
    }
    any
}
