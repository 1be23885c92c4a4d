//! `esplan fmt`: files in their canonical layout. Either all of them are written, or none is.

use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::files::DiskFiles;
use super::load::beside;
use super::terminal::Terminal;
use crate::config::Files as _;
use crate::diag::{Code, Diag, Diagnostics, Sources};
use crate::inventory::printable;
use crate::layout;
use crate::syntax;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of one file.
const MOST_BYTES: u64 = 4 << 20;
/// Files of one run.
const MOST_FILES: usize = 10_000;

/// Flags of `esplan fmt`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = super::examples::FMT)]
pub struct Fmt {
    /// Write nothing; list the files that are not canonical, and exit with 2 when there are any.
    #[arg(long)]
    pub check: bool,
    /// Files, or folders whose *.kdl are meant; `-` is standard input. By default the cluster's file and what it includes.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// A file whose layout differs.
struct Differs {
    path: PathBuf,
    text: String,
}

/// Lays the files out, or says which are not.
pub(crate) fn fmt(common: &Common, args: &Fmt, terminal: &Terminal) -> Result<Exit, CliError> {
    if args.files.iter().any(|file| file == Path::new("-")) {
        return from_stdin(args, terminal);
    }
    let mut run = Run::default();
    if args.files.is_empty() {
        run.with_includes(&common.file);
    }
    for path in &args.files {
        run.named(path);
    }
    let Run { sources, mistakes, differing, seen } = run;
    if !mistakes.is_empty() {
        return Err(CliError::from_diagnostics(mistakes, &sources));
    }
    if args.check {
        for file in &differing {
            terminal.print(&format!("{}\n", shown(&file.path)));
        }
        let (count, all) = (differing.len(), seen.len());
        if count > 0 {
            terminal.complain(&format!("{count} of {all} files are not canonical; write them with: esplan fmt\n"));
            return Ok(Exit::Changes);
        }
        return Ok(Exit::Done);
    }
    for file in &differing {
        replace(&file.path, &file.text)
            .map_err(|cause| CliError::new(format!("{}: {cause}; it is as it was", shown(&file.path))))?;
        terminal.print(&format!("{}\n", shown(&file.path)));
    }
    Ok(Exit::Done)
}

/// Standard input → standard output, for editors.
fn from_stdin(args: &Fmt, terminal: &Terminal) -> Result<Exit, CliError> {
    if args.files.len() > 1 {
        return Err(CliError::with_hint("`-` stands alone", "name files, or pipe one text through `esplan fmt -`"));
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| CliError::new(format!("standard input: {cause}")))?;
    let mut run = Run::default();
    let name = "standard input";
    let text = run.text(name, bytes);
    let laid = text.as_ref().and_then(|text| run.laid(name, text));
    match laid.zip(text) {
        Some((laid, _)) if !args.check => terminal.print(&laid),
        Some((laid, text)) if laid == text => {}
        Some(_) => {
            terminal.print("standard input\n");
            return Ok(Exit::Changes);
        }
        None => return Err(CliError::from_diagnostics(run.mistakes, &run.sources)),
    }
    Ok(Exit::Done)
}

/// What was read so far.
#[derive(Default)]
struct Run {
    sources: Sources,
    mistakes: Diagnostics,
    differing: Vec<Differs>,
    seen: BTreeSet<PathBuf>,
}

impl Run {
    /// What somebody named: a file, or the KDL files in a folder.
    fn named(&mut self, path: &Path) {
        if !path.is_dir() {
            self.file(path);
            return;
        }
        match DiskFiles.list(&path.to_string_lossy()) {
            Ok(names) => {
                for name in names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "kdl")) {
                    self.file(&path.join(name));
                }
            }
            Err(why) => self.complain(path, &why),
        }
    }

    /// A file and the files that it includes.
    fn with_includes(&mut self, file: &Path) {
        let mut todo = vec![file.to_path_buf()];
        while let Some(path) = todo.pop() {
            let Some(text) = self.file(&path) else { continue };
            let Ok(document) = syntax::parse("", &text, crate::diag::SourceId(0), Code::Syntax) else { continue };
            let includes = document.nodes().iter().filter(|node| node.name().value() == "include");
            let targets = includes.filter_map(|node| node.get(0)?.as_string());
            todo.extend(targets.map(|target| beside(&path, target)));
        }
    }

    /// One file; its text when it could be read and was not seen before.
    fn file(&mut self, path: &Path) -> Option<String> {
        // Behind a link the file itself is meant: a rename must not put a file in the place of the link.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if self.seen.len() >= MOST_FILES || !self.seen.insert(real.clone()) {
            return None;
        }
        let bytes = match DiskFiles.read(&path.to_string_lossy(), MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.complain(path, &why);
                return None;
            }
        };
        let name = path.to_string_lossy();
        let text = self.text(&name, bytes)?;
        let laid = self.laid(&name, &text)?;
        if laid != text {
            let path = if real.as_path() == path || !path.is_symlink() { path.to_path_buf() } else { real };
            self.differing.push(Differs { path, text: laid });
        }
        Some(text)
    }

    fn text(&mut self, name: &str, bytes: Vec<u8>) -> Option<String> {
        if bytes.len() as u64 > MOST_BYTES {
            self.complain(Path::new(name), &format!("it has more than {MOST_BYTES} bytes"));
            return None;
        }
        String::from_utf8(bytes).map_err(|_| self.complain(Path::new(name), "it is not UTF-8")).ok()
    }

    fn laid(&mut self, name: &str, text: &str) -> Option<String> {
        let source = self.sources.add(name, text.to_owned());
        let found = match layout::canonical(name, text, source) {
            Ok(laid) => return Some(laid),
            Err(found) => found,
        };
        for diag in found {
            self.mistakes.push(diag);
        }
        None
    }

    fn complain(&mut self, path: &Path, why: &str) {
        let message = format!("`{}` can't be read: {why}", shown(path));
        let help = "nothing was written; name other files, or another file with `-f FILE`";
        self.mistakes.push(Diag::nowhere(Code::Unreadable, message).help(help));
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4096)
}

/// Writes beside the file, with its permissions, then takes its place.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mode = fs::metadata(path)?.permissions();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    aside.write_all(text.as_bytes())?;
    aside.as_file().set_permissions(mode)?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}
