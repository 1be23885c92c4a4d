//! `esplan validate`: the file and all modules, no host.

use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::format::Findings;
use super::load::{self, Files};
use super::terminal::Terminal;
use crate::config::Reach;
use crate::diag::Diag;
use crate::render::findings;

/// Checks, and shows what was found in the format that was asked for. With a format for programs that is what stands on
/// standard output, and the text for people stays on standard error.
pub(crate) fn validate(common: &Common, format: Findings, terminal: &Terminal) -> Result<Exit, CliError> {
    let checked = load::read_reach(common, Reach::All).and_then(|Files { loaded, mut sources }| {
        load::read_lock(common, &mut sources)?;
        if !loaded.declared.conflicts.is_empty() {
            return Err(CliError::Diagnostics(loaded.declared.diags()));
        }
        let warnings: Vec<Diag> =
            loaded.warnings.iter().map(|warning| warning.clone().with_sources(&sources)).collect();
        Ok((loaded, warnings))
    });
    let (mistakes, warnings) = match &checked {
        Ok((_, warnings)) => (&[][..], warnings.as_slice()),
        Err(CliError::Diagnostics(mistakes)) => (mistakes.as_slice(), &[][..]),
        Err(CliError::Plain { .. }) => (&[][..], &[][..]),
    };
    if !matches!(checked, Err(CliError::Plain { .. })) {
        match format {
            Findings::Text => {}
            Findings::Json => terminal.print(&findings::json(mistakes, warnings)),
            Findings::Github => terminal.print(&findings::github(mistakes, warnings)),
            Findings::Sarif => terminal.print(&findings::sarif(mistakes, warnings, env!("CARGO_PKG_VERSION"))),
        }
    }
    let (loaded, warnings) = checked?;
    for warning in &warnings {
        terminal.complain(&format!("warning: {}\n", warning.message));
    }
    if format == Findings::Text {
        let cluster = &loaded.cluster;
        let instances: usize = cluster.roles.iter().map(|role| role.hosts.len()).sum();
        terminal.print(&format!(
            "{}: {} hosts, {} roles, {instances} instances, {} modules: valid\n",
            cluster.name,
            cluster.hosts.len(),
            cluster.roles.len(),
            loaded.modules.len(),
        ));
    }
    Ok(Exit::Done)
}
