//! `esplan gates`: whether a rollout would pass now, and what would hold it.

use super::args::{Common, Part};
use super::error::CliError;
use super::exit::Exit;
use super::format::Plain;
use super::load;
use super::plan;
use super::terminal::Terminal;
use crate::apply;
use crate::plan::{Outcome, PlanInput, needs, rehearsal_on};
use crate::render;

/// Looks, asks, and says which gate would hold a rollout that restarts everything.
pub(crate) async fn gates(
    common: &Common,
    part: &Part,
    waive: &[String],
    format: Plain,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let mut options = plan::selected(&part.only, &part.without, &desired)?;
    plan::something(&options, &part.only, &desired)?;
    options.waivers = plan::waivers(waive)?;
    let world = plan::world(common, &desired)?;
    let inventory = super::observe::inventory(&desired, &world, &options.without, false).await;
    let rehearsal = rehearsal_on(&desired, &inventory, &options);
    let asked = apply::gates(&desired, &inventory, &world, &options).await;
    let gates = render::gates(&desired, &rehearsal, &asked);
    terminal.print(&match format {
        Plain::Text => {
            let table = needs(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
            gates.text(terminal.colour(), terminal.width()) + &render::needs(&table, terminal.colour())
        }
        Plain::Json => gates.json(),
    });
    Ok(match gates.outcome {
        Outcome::Refused => Exit::Refused,
        Outcome::Unobserved => Exit::Unobserved,
        Outcome::Changes | Outcome::Nothing if gates.passes => Exit::Done,
        Outcome::Changes | Outcome::Nothing => Exit::Unhealthy,
    })
}
