//! What the newest run has switched, from the journals on the hosts: what a rollback is about when nobody says it.

use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::history::Reader;
use super::load;
use super::plan;
use super::terminal::Terminal;
use crate::history::PastRun;
use crate::host::WantedJournals;
use crate::model::InstanceId;
use std::collections::BTreeSet;

/// How many of the newest runs are looked through. Runs that only start, stop or go back switch nothing forth.
const RUNS: usize = 20;

/// The instances, as they are named on a command line.
pub(crate) async fn newest(common: &Common, without: &[String], terminal: &Terminal) -> Result<Vec<String>, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let without = plan::selected(&[], without, &desired)?.without;
    let reader = Reader { desired: &desired, world: plan::world(common, &desired)?, without };
    let found = reader.read(&WantedJournals::Newest(RUNS)).await;
    if !found.unread.is_empty() {
        let hosts = crate::render::hosts(found.unread.iter().map(|(host, _)| host));
        let message = format!("what the newest run has switched is not known: {hosts} could not be asked");
        let hint = "name the role, or leave out what is dead: --without HOST";
        return Err(CliError::with_hint(message, hint).exiting(Exit::Unobserved));
    }
    let declared = |names: BTreeSet<String>| -> Vec<String> {
        let declared =
            |name: &String| InstanceId::try_from(name.clone()).is_ok_and(|id| desired.instances.contains_key(&id));
        names.into_iter().filter(declared).collect()
    };
    let switched = |run: &PastRun| Some((run.run.clone(), declared(run.switched()))).filter(|(_, ids)| !ids.is_empty());
    match found.runs.iter().find_map(switched) {
        Some((run, ids)) => {
            terminal.complain(&format!("the newest run that has switched something is {run}\n"));
            Ok(ids)
        }
        None => Err(CliError::with_hint(
            format!("none of the newest {RUNS} runs has switched anything that is declared"),
            "name the role: esapply rollback ROLE",
        )),
    }
}
