//! One look for processes that somebody started by hand, of all software that modules recognise.

use super::answer::{BadAnswer, Section, sections};
use super::strangers::address_and_port;
use crate::model::{ConfigPlace, Module, Recognition, VersionPlace, sh_quote};
use core::net::IpAddr;
use std::fmt::Write as _;

/// Shell functions that look for them; they need those of an observation.
const SEEK_FUNCTIONS: &str = concat!(include_str!("holders.sh"), include_str!("seek.sh"));

/// Most processes of one answer.
const MOST: usize = 200;

/// Longest file that is read.
const LONGEST: usize = 256 * 1024;

/// A process, with what its configuration and its data say of it. Nothing of it is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The module that recognised it.
    pub module: String,
    /// Its process id.
    pub pid: u32,
    /// Who runs it.
    pub user: String,
    /// Its program.
    pub exe: String,
    /// Where it was started.
    pub cwd: String,
    /// The words of its command line.
    pub words: Vec<String>,
    /// Files that it has open.
    pub opens: Vec<String>,
    /// What it listens to.
    pub listens: Vec<(IpAddr, u16)>,
    /// The unit that it is in.
    pub unit: Option<String>,
    /// Its configuration file, and the text of it when it could be read.
    pub config: Option<(String, Option<String>)>,
    /// Its data folder, and whether that is one.
    pub data: Option<(String, bool)>,
    /// The file that identifies its data.
    pub id: Option<String>,
    /// A file beside its program.
    pub home: Option<String>,
}

/// The script that looks for processes of these modules.
pub fn seek_request<'a>(modules: impl IntoIterator<Item = (&'a Module, &'a Recognition, &'a str)>) -> String {
    let mut script = format!("{}{SEEK_FUNCTIONS}say '[observation 1]'\nlistening\n", super::OBSERVE_FUNCTIONS);
    for (module, known, home) in modules {
        let (mut ends, mut starts, mut file, mut places) = ("", "", "", Vec::new());
        for place in &known.config {
            match place {
                ConfigPlace::Ends(text) => ends = text,
                ConfigPlace::Folder(text, name) => (starts, file) = (text, name),
                ConfigPlace::At(path) => places.push(path.as_str()),
            }
        }
        let (key, is_cwd) =
            known.data.as_ref().map_or((String::new(), ""), |data| (escaped(&data.setting), yes(data.else_cwd)));
        let id = known.id.as_ref().map_or("", |(file, _)| file.as_str());
        let places = places.join(" ");
        let given = [module.name.as_str(), ends, starts, file, &places, &key, is_cwd, id, home, "--"];
        script.push_str("seek");
        for word in given.into_iter().chain(known.words.iter().map(String::as_str)) {
            // Writing to a String can't fail.
            let _ = write!(script, " {}", sh_quote(word));
        }
        script.push('\n');
    }
    script + "say '[end]'\nflush\n"
}

const fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "" }
}

/// The name of a setting as a basic regular expression of which every character means itself, for sed between slashes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '.' | '*' | '[' | ']' | '^' | '$' | '\\' | '/') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Reads its answer.
///
/// # Errors
/// When the answer is not whole or has anything in it that can't be.
pub fn parse_seek(answer: &[u8]) -> Result<Vec<Found>, BadAnswer> {
    let mut all: Vec<Found> = Vec::new();
    for section in &sections(answer)? {
        if let Some(about) = section.about("process") {
            let (module, pid) = about.split_once(' ').ok_or_else(|| section.garbage(about))?;
            let pid = pid.parse().map_err(|_| section.garbage(about))?;
            let mut found = Found { module: module.to_owned(), pid, ..Found::default() };
            for line in &section.lines {
                take(&mut found, line).ok_or_else(|| section.garbage(line))?;
            }
            all.push(found);
            if all.len() > MOST {
                return Err(section.garbage("too many processes"));
            }
            continue;
        }
        match (section.name, all.last_mut()) {
            ("observation 1" | "end", _) => {}
            ("config", Some(last)) => {
                let text = read(section)?;
                if let Some((_, known)) = &mut last.config {
                    *known = text;
                }
            }
            ("id", Some(last)) => last.id = read(section)?,
            ("home", Some(last)) => last.home = read(section)?,
            (other, _) => return Err(section.garbage(other)),
        }
    }
    Ok(all)
}

/// A text; none when it is too long, or not one.
fn read(section: &Section<'_>) -> Result<Option<String>, BadAnswer> {
    let bytes = section.bytes()?;
    Ok(if bytes.len() > LONGEST { None } else { String::from_utf8(bytes).ok() })
}

fn take(found: &mut Found, line: &str) -> Option<()> {
    let (key, value) = line.split_once(' ')?;
    let text = value.to_owned();
    match key {
        "exe" => found.exe = text,
        "cwd" => found.cwd = text,
        "user" => found.user = text,
        "unit" => found.unit = Some(text),
        "opens" => found.opens.push(text),
        "word" => found.words.push(text),
        "config" => found.config = Some((text, None)),
        "data" => found.data = Some((text, false)),
        "data-is" => found.data.as_mut()?.1 = true,
        "listens" => found.listens.push(address_and_port(value)?),
        _ => return None,
    }
    Some(())
}

/// The files beside programs that say a version, of modules that another one requires.
pub fn home_file<'a>(known: impl IntoIterator<Item = &'a Recognition>) -> &'a str {
    let files = known.into_iter().flat_map(|known| &known.versions);
    let mut files = files.filter_map(|place| match place {
        VersionPlace::File { file, .. } => Some(file.as_str()),
        VersionPlace::After(_) => None,
    });
    files.next().unwrap_or_default()
}
