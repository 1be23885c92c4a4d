//! Asks for a passphrase on the terminal.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};

/// Longest passphrase, in bytes.
const LONGEST: usize = 1024;

/// Why there is no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPassphrase {
    #[error("there is no terminal to ask for its passphrase")]
    NoTerminal,
    #[error("no passphrase was given")]
    NotGiven,
}

/// Puts the terminal back as it was.
struct Restore<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        // Nothing better can be done.
        _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks on the controlling terminal, without showing what is typed. Blocks until there is an answer.
pub(super) fn ask(prompt: &str) -> Result<Vec<u8>, NoPassphrase> {
    let open = File::options().read(true).write(true).open("/dev/tty");
    let mut terminal = open.map_err(|_| NoPassphrase::NoTerminal)?;
    let before = tcgetattr(&terminal).map_err(|_| NoPassphrase::NoTerminal)?;
    let mut silent = before.clone();
    // Without signals: an interrupt would end us while the terminal is still silent. It is read as a character.
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON);
    let mut typed = Vec::new();
    {
        let _restore = Restore { terminal: &terminal, before };
        tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|_| NoPassphrase::NoTerminal)?;
        (&terminal).write_all(prompt.as_bytes()).map_err(|_| NoPassphrase::NoTerminal)?;
        let mut byte = [0];
        loop {
            match (&terminal).read(&mut byte) {
                Ok(1) => {}
                _ => return Err(NoPassphrase::NotGiven),
            }
            match byte {
                [b'\n' | b'\r'] => break,
                [3 | 4 | 28] => return Err(NoPassphrase::NotGiven),
                [8 | 127] => _ = typed.pop(),
                [21] => typed.clear(),
                [other] if typed.len() < LONGEST => typed.push(other),
                _ => {}
            }
        }
    }
    _ = terminal.write_all(b"\n");
    if typed.is_empty() { Err(NoPassphrase::NotGiven) } else { Ok(typed) }
}
