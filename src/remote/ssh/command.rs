//! How a script comes to a host: one command line that every login shell understands, the script and its input by standard
//! input. Nothing of a script stands in a command line, where everybody on the host could read it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

/// A word that begins our answers, so that what a login shell prints by itself is not taken for one.
pub(super) fn marker() -> &'static str {
    static MARKER: OnceLock<String> = OnceLock::new();
    MARKER.get_or_init(|| format!("@es-{:016x}", RandomState::new().hash_one(std::process::id())))
}

/// What every script finds, whatever the login shell has set, and how it tells its processes.
fn prologue() -> String {
    let marker = marker();
    format!(
        "unset ENV BASH_ENV CDPATH; LANG=C LC_ALL=C \
         PATH=\"$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"; export LANG LC_ALL PATH; \
         cd /; x=; read -r x 2>/dev/null </proc/$$/stat; echo \"{marker} $$ ${{x##*)}}\""
    )
}

/// The command line that reads a script of `length` bytes from standard input and runs it with what is left as its input.
///
/// It is one line without backslashes, quotes inside quotes and exclamation marks: bash, dash, ash, zsh, fish and csh
/// all take it as the same three words. `dd` counts in whole blocks where it can, and in bytes where it can't.
pub(super) fn command_line(length: usize, sudo: bool) -> String {
    let (privileged, prologue, length) = (privileged(sudo), prologue(), length.max(1));
    format!(
        "exec {privileged}/bin/sh -c '{prologue}; \
         eval \"$(dd bs={length} count=1 iflag=fullblock 2>/dev/null || dd bs=1 count={length} 2>/dev/null)\"'"
    )
}

/// The command line of a script without input: the shell reads all of its standard input, which is [`alone`].
pub(super) fn shell(sudo: bool) -> String {
    format!("exec {}/bin/sh", privileged(sudo))
}

/// A script without input, for a shell that reads it from its standard input. It spares the host two processes. A shell
/// reads a group to its end before it begins: of a script that came only in part nothing is done.
pub(super) fn alone(sh: &str) -> String {
    format!("{}\n{{\n{sh}\n}} </dev/null\n", prologue())
}

const fn privileged(sudo: bool) -> &'static str {
    if sudo { "sudo -n -- " } else { "" }
}
