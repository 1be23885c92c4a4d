//! Completions and man pages, made of the same command lines that the programs read.

use super::args::{Esapply, Esplan};
use super::error::CliError;
use super::exit::Exit;
use super::format::write;
use super::terminal::Terminal;
use clap::{Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use std::fs;
use std::path::Path;

/// The two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The one that looks.
    Esplan,
    /// The one that changes.
    Esapply,
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Esplan => Esplan::command(),
            Self::Esapply => Esapply::command(),
        }
    }
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// GNU Bash 4.4 or newer.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

/// `esplan completions SHELL`: for one program, or for both.
pub(crate) fn completions(shell: For, program: Option<Program>, terminal: &Terminal) -> Exit {
    let shell = match shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    for program in [Program::Esplan, Program::Esapply].into_iter().filter(|one| program.is_none_or(|only| only == *one))
    {
        let mut command = program.command();
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, name, &mut script);
        terminal.print(&String::from_utf8_lossy(&script));
    }
    Exit::Done
}

/// `esplan man --out DIR`: a page for each program and command.
pub(crate) fn man(out: &Path, terminal: &Terminal) -> Result<Exit, CliError> {
    fs::create_dir_all(out).map_err(|cause| CliError::new(format!("{}: {cause}", out.display())))?;
    let mut pages = 0;
    for program in [Program::Esplan, Program::Esapply] {
        let mut command = program.command();
        command.build();
        let name = command.get_name().to_owned();
        let commands: Vec<Command> =
            command.get_subcommands().filter(|one| one.get_name() != "help").cloned().collect();
        page(out, &name, command)?;
        for one in &commands {
            let name = format!("{name}-{}", one.get_name());
            page(out, &name, one.clone())?;
        }
        pages += 1 + commands.len();
    }
    terminal.print(&format!("{}: {pages} pages\n", out.display()));
    Ok(Exit::Done)
}

fn page(out: &Path, name: &str, command: Command) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .title(name)
        .render(&mut text)
        .map_err(|cause| CliError::new(format!("{name}: {cause}")))?;
    write(&out.join(format!("{name}.1")), &String::from_utf8_lossy(&text))
}
