//! What can be typed: options where they have a meaning, and the examples of the help.

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _};
use es_cluster::cli::args::{Esapply, Esplan};
use es_cluster::cli::parse;

/// The help of a program's commands, of its own and of those below.
fn helps(program: &Command) -> Vec<(String, String)> {
    let own = |path: String, command: &Command| (path, command.get_after_help().map(ToString::to_string));
    let mut all = vec![own(program.get_name().to_owned(), program)];
    for command in program.get_subcommands().filter(|one| one.get_name() != "help") {
        all.push(own(format!("{} {}", program.get_name(), command.get_name()), command));
    }
    all.into_iter().map(|(path, help)| (path, help.unwrap_or_default())).collect()
}

/// The commands of ours in the lines of some examples: without what explains them, and what the shell does.
fn commands(help: &str) -> Vec<String> {
    let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
    let bare = |line: &str| line.trim_start().split("  ").next().unwrap_or_default().to_owned();
    let lines = examples.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).map(bare);
    let parts =
        lines.flat_map(|line| line.split([';', '|', '&']).map(|part| part.trim().to_owned()).collect::<Vec<_>>());
    let ours = |part: &String| part.starts_with("esplan") || part.starts_with("esapply");
    parts
        .filter(ours)
        .map(|part| {
            part.split_whitespace().take_while(|word| !matches!(*word, ">" | "<")).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn understood(command: &str) -> Result<(), clap::Error> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words[0] == "esplan" { parse::<Esplan>(words).map(drop) } else { parse::<Esapply>(words).map(drop) }
}

#[test]
fn every_example_of_the_help_is_understood() {
    for program in [Esplan::command(), Esapply::command()] {
        for (path, help) in helps(&program) {
            let commands = commands(&help);
            let own = commands.iter().filter(|command| **command == path || command.starts_with(&format!("{path} ")));
            assert!(own.count() >= 1, "`{path} --help` has no example of its own:\n{help}");
            for command in commands {
                let read = understood(&command);
                assert!(read.is_ok(), "`{path} --help` shows `{command}`: {}", read.unwrap_err());
            }
            assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
        }
    }
}

/// How an option is typed, with a value that it takes.
fn typed(arg: &clap::Arg) -> Vec<String> {
    let long = format!("--{}", arg.get_long().expect("a long name"));
    if !arg.get_action().takes_values() {
        return vec![long];
    }
    let value = match (arg.get_id().as_str(), arg.get_possible_values().first()) {
        (_, Some(value)) => value.get_name().to_owned(),
        ("report", _) => "plan.md".to_owned(),
        ("not_after", _) => return vec![long, "4h".to_owned(), "--out".to_owned(), "plan.json".to_owned()],
        ("limit_rate" | "lock_timeout", _) => "1m".to_owned(),
        _ => "x".to_owned(),
    };
    vec![long, value]
}

/// What each command needs to be complete.
fn needed(command: &Command) -> Vec<String> {
    let required = command.get_arguments().filter(|arg| arg.is_required_set());
    required
        .flat_map(|arg| {
            let value = arg.get_possible_values().first().map_or("x".to_owned(), |value| value.get_name().to_owned());
            arg.get_long().map(|long| format!("--{long}")).into_iter().chain([value])
        })
        .collect()
}

#[test]
fn an_option_in_front_of_a_command_is_refused() {
    let mut tried = 0;
    for program in [Esplan::command(), Esapply::command()] {
        let name = program.get_name().to_owned();
        let read = |words: Vec<String>| match name.as_str() {
            "esplan" => parse::<Esplan>(words).map(|args| format!("{args:?}")),
            _ => parse::<Esapply>(words).map(|args| format!("{args:?}")),
        };
        let options: Vec<&clap::Arg> = program
            .get_arguments()
            .filter(|arg| arg.get_long().is_some_and(|long| !matches!(long, "help" | "version")))
            .collect();
        for command in program.get_subcommands().filter(|one| one.get_name() != "help") {
            let (whole, needed) = (command.get_name().to_owned(), needed(command));
            let behind = |option: &[String]| {
                // What is needed anyway is typed once.
                let twice = option.first().is_some_and(|option| needed.contains(option));
                let own = [name.clone(), whole.clone()];
                let needed = if twice { Vec::new() } else { needed.clone() };
                [own.as_slice(), needed.as_slice(), option].concat()
            };
            assert!(read(behind(&[])).is_ok(), "{:?}", read(behind(&[])));
            for option in &options {
                tried += 1;
                let typed = typed(option);
                let before = [std::slice::from_ref(&name), &typed, std::slice::from_ref(&whole), &needed].concat();
                let said = format!("{before:?}");
                if option.is_global_set() {
                    // Means the same on both sides.
                    assert_eq!(read(before).ok(), read(behind(&typed)).ok(), "{said}");
                    continue;
                }
                let error = read(before).expect_err(&said);
                assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{said}: {error}");
                let text = error.to_string();
                let named = typed.iter().any(|word| word.starts_with("--") && text.contains(word));
                assert!(named && text.contains(&whole) && text.contains("tip:"), "{text}");
                // Who is told to write it behind the command can do so.
                let advised = text.contains("write it behind");
                assert!(typed.len() > 2 || advised == read(behind(&typed)).is_ok(), "{said}: {text}");
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn what_stands_behind_its_command_is_told_in_the_error() {
    let error = parse::<Esplan>(["esplan", "--format", "json", "status"]).expect_err("in front");
    assert!(error.to_string().contains("`esplan status --format json`"), "{error}");
    let error = parse::<Esplan>(["esplan", "--only", "node1", "lock"]).expect_err("in front");
    assert!(error.to_string().contains("`esplan lock --help`"), "{error}");
}

#[test]
fn the_man_pages_have_the_examples() {
    let folder = crate::cli::folder("");
    let did = crate::cli::run(folder.path(), "esplan", &["man", "--out", "man"]);
    assert_eq!(did.code, 0, "{did:?}");
    for program in [Esplan::command(), Esapply::command()] {
        for (path, _) in helps(&program) {
            let page = folder.path().join(format!("man/{}.1", path.replace(' ', "-")));
            let text = std::fs::read_to_string(&page).unwrap_or_else(|cause| panic!("{}: {cause}", page.display()));
            assert!(text.contains("Examples:"), "{}: {text}", page.display());
        }
    }
}
