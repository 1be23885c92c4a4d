//! `esplan history`: what was applied, when, by whom, and how it ended, from the journals on the hosts.

use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::load;
use super::plan;
use super::terminal::Terminal;
use super::world::World;
use crate::desired::Desired;
use crate::history::{Journal, runs};
use crate::host::{Platform as _, WantedJournals};
use crate::inventory::printable;
use crate::model::HostName;
use crate::render::History;
use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// Hosts asked at a time.
const AT_ONCE: usize = 64;

/// Longest look at one host.
const HOST_LIMIT: Duration = Duration::from_secs(30);

/// How many runs are looked through for a name that is not whole.
const SEARCHED: usize = 500;

/// What was typed after `history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 shown, 1 no such run, 3 a host could not be asked (what the others know is shown).

Examples:
  esplan history                       the newest runs
  esplan history last                  a report of the newest one
  esplan history 20260131T1200         a report of the run whose name begins so")]
pub struct HistoryArgs {
    /// A report of this run: its name, the beginning of it, or `last`.
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// How many runs to list.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub newest: u16,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub format: Told,
    /// Do not ask this dead host; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
}

/// Output of `esplan history`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Told {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment or a page.
    Markdown,
}

/// Reads journals, puts them together, shows them.
pub(crate) async fn history(common: &Common, what: &HistoryArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let without = plan::selected(&[], &what.without, &desired)?.without;
    let reader = Reader { desired: &desired, world: plan::world(common, &desired)?, without };
    let found = match &what.run {
        None => {
            let mut found = reader.read(&WantedJournals::Ends(usize::from(what.newest))).await;
            found.runs.truncate(usize::from(what.newest));
            found
        }
        Some(name) => reader.one(name, common).await?,
    };
    let (colour, width) = (terminal.colour(), terminal.width());
    terminal.print(&match (what.format, what.run.is_some()) {
        (Told::Text, false) => found.text(colour, width),
        (Told::Json, false) => found.json(),
        (Told::Markdown, false) => found.markdown(),
        (Told::Text, true) => found.report(colour, width),
        (Told::Json, true) => found.report_json(),
        (Told::Markdown, true) => found.report_markdown(),
    });
    Ok(if found.unread.is_empty() { Exit::Done } else { Exit::Unobserved })
}

/// Asks all hosts.
pub(super) struct Reader<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: World,
    pub(super) without: BTreeSet<HostName>,
}

impl Reader<'_> {
    /// What all hosts have, as far as they can be asked.
    pub(super) async fn read(&self, wanted: &WantedJournals) -> History {
        let hosts = self.desired.hosts.values().filter(|host| !self.without.contains(&host.name));
        let asked = hosts.map(|host| async move {
            let journals = match self.world.host(&host.name) {
                None => Err("there is no way to reach it".to_owned()),
                Some(machine) => match tokio::time::timeout(HOST_LIMIT, machine.journals(&host.prefix, wanted)).await {
                    Err(_) => Err(format!("no answer within {} s", HOST_LIMIT.as_secs())),
                    Ok(answer) => answer.map_err(|error| error.message),
                },
            };
            (host.name.clone(), journals)
        });
        let mut answers: Vec<_> = futures::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        answers.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut found = History { cluster: self.desired.cluster.to_string(), runs: Vec::new(), unread: Vec::new() };
        let mut journals = Vec::new();
        for (host, answer) in answers {
            match answer {
                Ok(texts) => journals.extend(texts.iter().map(|text| Journal::read(&host, text))),
                Err(why) => found.unread.push((host, why)),
            }
        }
        found.runs = runs(journals);
        found
    }

    /// One run, whole.
    async fn one(&self, name: &str, common: &Common) -> Result<History, CliError> {
        let list = self.read(&WantedJournals::Ends(SEARCHED)).await;
        let matches: Vec<&str> = match name {
            "last" => list.runs.first().into_iter().map(|run| run.run.as_str()).collect(),
            name if list.runs.iter().any(|run| run.run == name) => vec![name],
            name => list.runs.iter().map(|run| run.run.as_str()).filter(|run| run.starts_with(name)).collect(),
        };
        let run = match matches.as_slice() {
            [one] => (*one).to_owned(),
            // An older one than those that were listed.
            [] if name != "last" && !name.is_empty() => name.to_owned(),
            [] => return Err(self.unknown(name, &list, common)),
            several => {
                let names = several.iter().take(5).copied().collect::<Vec<_>>().join(", ");
                return Err(CliError::new(format!(
                    "{} runs begin with {}: {names}",
                    several.len(),
                    printable(name, 60)
                )));
            }
        };
        let found = self.read(&WantedJournals::Run(run)).await;
        if found.runs.is_empty() { Err(self.unknown(name, &list, common)) } else { Ok(found) }
    }

    fn unknown(&self, name: &str, list: &History, common: &Common) -> CliError {
        let unread = match list.unread.as_slice() {
            [] => String::new(),
            hosts => format!(" (could not be asked: {})", crate::render::hosts(hosts.iter().map(|(host, _)| host))),
        };
        let exit = if unread.is_empty() { Exit::Error } else { Exit::Unobserved };
        let file = common.file.display();
        let message =
            format!("no host of {} has a journal of the run {}{unread}", self.desired.cluster, printable(name, 60));
        CliError::with_hint(message, format!("`esplan -f {file} history` lists the runs")).exiting(exit)
    }
}
