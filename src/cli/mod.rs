//! The two command lines: arguments → the stages → an exit code. The only place that knows the environment.

mod adopt;
mod apply;
pub mod args;
mod commands;
mod diff;
mod earlier;
pub mod error;
mod events;
mod examples;
pub mod exit;
pub mod files;
mod fmt;
pub mod format;
mod gates;
mod history;
mod import;
mod job;
mod load;
mod observe;
mod parse;
mod plan;
mod saved;
mod shell;
mod switched;
mod terminal;
mod validate;
mod world;

pub use parse::parse;

use args::{Esapply, EsapplyCommand, Esplan, EsplanCommand};
use error::CliError;
use exit::Exit;
use std::future::Future;
use terminal::Terminal;

/// Runs `esplan` on the program's arguments.
pub fn esplan() -> Exit {
    let args = match parse::<Esplan>(std::env::args_os()) {
        Ok(args) => args,
        Err(usage) => return wrong_usage(&usage),
    };
    let terminal = Terminal::new(args.common.no_color, args.common.verbose);
    run(&terminal, async {
        match &args.command {
            None => plan::show(&args, &terminal).await,
            Some(EsplanCommand::Validate { format }) => validate::validate(&args.common, *format, &terminal),
            Some(EsplanCommand::Lock { install }) => commands::lock(&args.common, install.as_deref(), &terminal).await,
            Some(EsplanCommand::Gates { format, part, waive }) => {
                gates::gates(&args.common, part, waive, *format, &terminal).await
            }
            Some(EsplanCommand::History(what)) => history::history(&args.common, what, &terminal).await,
            Some(EsplanCommand::Status { format, look }) => {
                commands::status(&args.common, look, *format, &terminal).await
            }
            Some(EsplanCommand::Explain { module }) => commands::explain(&args.common, module, &terminal),
            Some(EsplanCommand::Diff(files)) => diff::diff(&args.common, files, &terminal),
            Some(EsplanCommand::Completions { shell, program }) => Ok(shell::completions(*shell, *program, &terminal)),
            Some(EsplanCommand::Man { out }) => shell::man(out, &terminal),
            Some(EsplanCommand::Adopt(hosts)) => adopt::adopt(&args.common, hosts, &terminal).await,
            Some(EsplanCommand::Import(folder)) => import::import(&args.common, folder, &terminal),
            Some(EsplanCommand::Fmt(fmt)) => fmt::fmt(&args.common, fmt, &terminal),
            Some(EsplanCommand::Graph { format }) => commands::graph(&args.common, *format, &terminal).await,
            Some(EsplanCommand::Observe { out, verify }) => {
                commands::observe(&args.common, out, *verify, &terminal).await
            }
        }
    })
}

/// Runs `esapply` on the program's arguments.
pub fn esapply() -> Exit {
    let args = match parse::<Esapply>(std::env::args_os()) {
        Ok(args) => args,
        Err(usage) => return wrong_usage(&usage),
    };
    let terminal = Terminal::new(args.common.no_color, args.common.verbose);
    run(&terminal, async {
        match &args.command {
            Some(EsapplyCommand::Run(asked)) => job::run(&args.common, asked, &terminal).await,
            _ => apply::converge(args, &terminal).await,
        }
    })
}

/// `--help` and `--version` are no mistakes; everything else that clap reports is one.
fn wrong_usage(usage: &clap::Error) -> Exit {
    // A closed pipe is the reader's business.
    let _ = usage.print();
    if usage.use_stderr() { Exit::Error } else { Exit::Done }
}

/// Runs a command on the one runtime of the program, and prints its error.
fn run(terminal: &Terminal, command: impl Future<Output = Result<Exit, CliError>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(cause) => Err(CliError::new(format!("can't start: {cause}"))),
    };
    result.unwrap_or_else(|error| {
        terminal.complain(&error.render(terminal.colour_of_stderr()));
        error.exit()
    })
}
