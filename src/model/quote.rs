//! The one way in which a value gets into a shell script.

/// A text as one word for a POSIX shell, whatever it holds. (A null character can't be in a word at all; it is dropped.)
///
/// The word never looks like an option to the shell itself; a command that takes options still needs `--` or `./`
/// before a name that may begin with `-`.
pub fn sh_quote(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    for c in text.chars() {
        match c {
            '\0' => {}
            '\'' => word.push_str(r"'\''"),
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::sh_quote;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(sh_quote(""), "''");
        assert_eq!(sh_quote("-rf /"), "'-rf /'");
        assert_eq!(sh_quote("a'b\"c$d`e\\f\n*"), "'a'\\''b\"c$d`e\\f\n*'");
        assert_eq!(sh_quote("größe 水\u{1f642}"), "'größe 水\u{1f642}'");
        assert_eq!(sh_quote("a\0b"), "'ab'");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [
            "",
            "-n",
            "'",
            "''",
            "a b\tc\nd\n",
            "$(exit 3)`exit 4`",
            "\\",
            "!x",
            "\u{1b}[2J",
            "水 'x' \"y\"",
            "*?[a]~#;&|<>",
        ] {
            let script = format!("printf %s {}", sh_quote(text));
            let output = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().expect("sh");
            assert_eq!(output.stdout, text.as_bytes(), "{text:?}");
        }
    }
}
