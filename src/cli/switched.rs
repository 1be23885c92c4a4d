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
use crate::render::History;

/// How many of the newest runs are looked through. Runs that only start, stop or go back switch nothing forth.
const RUNS: usize = 20;

/// The instances, as they are named on a command line.
pub(crate) async fn newest(common: &Common, without: &[String], terminal: &Terminal) -> Result<Vec<String>, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let without = plan::selected(&[], without, &desired)?.without;
    let reader = Reader { desired: &desired, world: plan::world(common, &desired)?, without };
    let known = |found: &History| match found.unread.as_slice() {
        [] => Ok(()),
        unread => {
            let hosts = crate::render::hosts(unread.iter().map(|(host, _)| host));
            let message = format!("what the newest run has switched is not known: {hosts} could not be asked");
            let hint = "name the role, or leave out what is dead: --without HOST";
            Err(CliError::with_hint(message, hint).exiting(Exit::Unobserved))
        }
    };
    let found = reader.read(&WantedJournals::Newest(RUNS)).await;
    known(&found)?;
    let declared =
        |name: &String| InstanceId::try_from(name.clone()).is_ok_and(|id| desired.instances.contains_key(&id));
    let newest = found.runs.iter().find(|run| run.switched().iter().any(declared));
    let Some(newest) = newest else {
        return Err(CliError::with_hint(
            format!("none of the newest {RUNS} runs of each host has switched anything that is declared"),
            "name the role: esapply rollback ROLE",
        ));
    };
    // A host on which much was done since may have it further back.
    let whole = reader.read(&WantedJournals::Run(newest.run.clone())).await;
    known(&whole)?;
    let switched = whole.runs.iter().flat_map(PastRun::switched).filter(declared).collect();
    terminal.complain(&format!("the newest run that has switched something is {}\n", newest.run));
    Ok(switched)
}
