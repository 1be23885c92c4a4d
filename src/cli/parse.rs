//! Command lines → what was typed; what stands in front of a command and has no meaning for it is refused.

use crate::inventory::printable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Parser};
use std::ffi::OsString;

/// Longest value of an option that an error repeats.
const LONGEST: usize = 80;

/// Reads the words of a command line, the program's name first.
///
/// # Errors
/// Wrong usage, and the wish for `--help` or `--version`: clap's own report, ready to be printed.
pub fn parse<P: Parser>(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<P, clap::Error> {
    let mut command = P::command();
    let matches = command.try_get_matches_from_mut(words)?;
    if let Some(error) = misplaced(&mut command, &matches) {
        return Err(error);
    }
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// An option of the program itself in front of a command: the command would not see it.
fn misplaced(program: &mut Command, matches: &ArgMatches) -> Option<clap::Error> {
    let (name, _) = matches.subcommand()?;
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let stray = program.get_arguments().find(|arg| !arg.is_global_set() && typed(arg.get_id().as_str()))?;
    let id = stray.get_id().clone();
    let named = stray.get_long().map_or_else(|| stray.to_string(), |long| format!("--{long}"));
    let value = matches.get_raw(id.as_str()).filter(|_| stray.get_action().takes_values());
    let value = value.into_iter().flatten().next().map(|value| printable(&value.to_string_lossy(), LONGEST));
    let shown = value.map_or_else(|| named.clone(), |value| format!("{named} {value}"));
    let path = format!("{} {name}", program.get_name());
    let command = program.find_subcommand(name)?;
    let taken = command.get_arguments().any(|arg| arg.get_id() == &id && arg.get_long().is_some());
    let tip = if taken {
        format!("write it behind the command: `{path} {shown}`")
    } else {
        format!("`{path}` has no such option; `{path} --help` lists what it has")
    };
    let message = format!("`{named}` in front of `{name}` would have no effect\n\n  tip: {tip}");
    Some(program.error(ErrorKind::ArgumentConflict, message))
}
