//! Journals of earlier runs, read from a host in one request. Their names and their lines come from the host: each line of
//! the answer says in its first character what it is, so that none can pass for another.

use super::Script;
use super::Transport;
use super::machine::Machine;
use crate::history::JournalText;
use crate::host::{Failure, HostError, WantedJournals};
use crate::model::sh_quote;
use std::fmt::Write as _;
use std::time::Duration;

/// Reading them.
const WITHIN: Duration = Duration::from_secs(30);

/// Most bytes of one journal that are read whole: some ten thousand actions.
const LONGEST: usize = 4 * 1024 * 1024;

/// Most bytes of one of several journals.
const LONGEST_OF_MANY: usize = 256 * 1024;

/// Longest line.
const LINE: usize = 16 * 1024;

/// Most journals of one request.
const MOST: usize = 1000;

impl<T: Transport> Machine<T> {
    /// Reads journals, the oldest first.
    pub(super) async fn read_journals(
        &self,
        prefix: &str,
        wanted: &WantedJournals,
    ) -> Result<Vec<JournalText>, HostError> {
        if let WantedJournals::Run(run) = wanted
            && !super::records::is_file_name(run)
        {
            return Err(self.error(Failure::Stop, "there is no run of that name"));
        }
        let said =
            self.script("reading the history", Script::new(request(prefix, wanted)).repeatable(), WITHIN).await?;
        Ok(answer(&String::from_utf8_lossy(&said), !matches!(wanted, WantedJournals::Ends(_))))
    }
}

/// The script: `=NAME` for each journal, then `<LINE` for its lines; of ends alone `<FIRST` and `>LAST`.
fn request(prefix: &str, wanted: &WantedJournals) -> String {
    let (names, most, limit) = match wanted {
        WantedJournals::Ends(most) => ("*.jsonl".to_owned(), *most, None),
        WantedJournals::Newest(most) => ("*.jsonl".to_owned(), *most, Some(LONGEST_OF_MANY)),
        WantedJournals::Run(run) => (sh_quote(&format!("{run}.jsonl")), 1, Some(LONGEST)),
    };
    let most = most.min(MOST);
    let folder = sh_quote(&format!("{prefix}/log/history"));
    let mut sh = String::from("LC_ALL=C; export LC_ALL\n");
    _ = writeln!(sh, "cd {folder} 2>/dev/null || exit 0\nset -- {names}");
    _ = writeln!(sh, "[ $# -le {most} ] || shift $(($# - {most}))");
    sh.push_str("for name do\n[ -f \"./$name\" ] && [ ! -h \"./$name\" ] || continue\nprintf '=%s\\n' \"$name\"\n");
    match limit {
        None => sh.push_str("sed -n -e '1{h;s/^/</p;g;}' -e '$s/^/>/p' <\"./$name\"\n"),
        Some(limit) => _ = writeln!(sh, "head -c {limit} <\"./$name\" | sed 's/^/</'"),
    }
    // A file whose last line has no end must not run into the next name.
    _ = writeln!(sh, "echo\ndone | cut -b 1-{LINE}");
    sh
}

/// Takes an answer apart. What has no meaning in it is left out.
fn answer(text: &str, whole: bool) -> Vec<JournalText> {
    let mut journals: Vec<JournalText> = Vec::new();
    for line in text.lines() {
        match line.split_at_checked(1) {
            Some(("=", name)) => {
                let run = name.strip_suffix(".jsonl").unwrap_or(name).to_owned();
                journals.push(JournalText { run, lines: Vec::new(), whole });
            }
            Some(("<" | ">", line)) => {
                if let Some(journal) = journals.last_mut() {
                    journal.lines.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    journals
}

#[cfg(test)]
mod tests {
    use super::{WantedJournals, answer, request};
    use std::fs;
    use std::process::Command;

    /// What the script says of a folder, by a real shell.
    fn asked(folder: &std::path::Path, wanted: &WantedJournals) -> Vec<(String, Vec<String>)> {
        let output = Command::new("sh").arg("-c").arg(request(&folder.display().to_string(), wanted)).output();
        let output = output.expect("sh");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let journals = answer(&String::from_utf8_lossy(&output.stdout), true);
        journals.into_iter().map(|journal| (journal.run, journal.lines)).collect()
    }

    #[test]
    fn journals_come_oldest_first_and_no_line_passes_for_another() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(asked(folder.path(), &WantedJournals::Ends(5)), []);
        let history = folder.path().join("log/history");
        fs::create_dir_all(&history).expect("a folder");
        assert_eq!(asked(folder.path(), &WantedJournals::Ends(5)), []);
        let put = |name: &str, text: &str| fs::write(history.join(name), text).expect("a journal");
        put("r1.jsonl", "one\n");
        put("r2.jsonl", "one\n=r9.jsonl\n<two\n>three");
        put("r3.jsonl", "");
        put("it's $(x).jsonl", "one\ntwo\n");
        put("other", "nothing of ours");
        std::os::unix::fs::symlink("/etc/passwd", history.join("r4.jsonl")).expect("a link");
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let named = |name: &str, text: &[&str]| (name.to_owned(), lines(text));
        let ends = asked(folder.path(), &WantedJournals::Ends(5));
        let odd = named("it's $(x)", &["one", "two"]);
        assert_eq!(ends, [odd, named("r1", &["one", "one"]), named("r2", &["one", ">three"]), named("r3", &[])]);
        // The link is one of the newest three, and is left out.
        let newest = asked(folder.path(), &WantedJournals::Newest(3));
        assert_eq!(newest, [named("r2", &["one", "=r9.jsonl", "<two", ">three"]), named("r3", &[])]);
        let one = asked(folder.path(), &WantedJournals::Run("r1".to_owned()));
        assert_eq!(one, [named("r1", &["one"])]);
        assert_eq!(asked(folder.path(), &WantedJournals::Run("r7".to_owned())), []);
    }
}
