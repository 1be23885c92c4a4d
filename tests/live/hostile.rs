//! A host that answers with shell words and escapes, one line of its answer after the other: nothing of it is executed,
//! nothing reaches the terminal, and what can't be is named.

use crate::lab::{Lab, Tier, tier};
use crate::machines::Machines;
use std::fs;
use std::path::Path;

/// What the login of the host runs: what was asked for, with one line of the answer spoiled. `/opt/spoil` says which one,
/// and whether its words are replaced or only added to; `/opt/lines` is told how many there are.
const SPOILER: &str = r#"#!/bin/sh
read -r line how </opt/spoil
EVIL=$(cat /opt/evil) export EVIL
sh -c "$SSH_ORIGINAL_COMMAND" | awk -v line="$line" -v how="$how" '
    NR == line && how == "replace" { print ENVIRON["EVIL"]; next }
    NR == line && how == "first" { $1 = ENVIRON["EVIL"] }
    NR == line && how == "last" { $NF = $NF ENVIRON["EVIL"] }
    { print }
    END { print NR >"/opt/lines" }'
"#;

/// `esplan` looks at the spoiled host; every other host is looked at as always.
#[track_caller]
fn looked_at(lab: &Lab, machines: &Machines, spoil: &str, canary: &Path) -> i32 {
    machines.inside("node2", &format!("echo {spoil} >/opt/spoil"));
    let ran = lab.esplan(&["--detailed-exitcode"]);
    let text = ran.text();
    assert!([0, 2, 3, 7].contains(&ran.code), "{spoil}: {} {text:?}", ran.code);
    let control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!text.contains(control), "{spoil}: {text:?}");
    assert!(!canary.exists(), "{spoil}: something was executed");
    ran.code
}

/// Node 2 lies; then it is as before.
pub fn answers(lab: &Lab) {
    let machines = lab.machines.as_ref().expect("machines");
    let canary = lab.controller.join("executed");
    let evil =
        format!("$(touch {0})`touch {0}`;touch {0}|'\"\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}", canary.display());
    let keys = "/etc/ssh/authorized_keys";
    let prefix = machines.prefix("node2");
    let put = |name: &str, text: &str| fs::write(prefix.with_file_name(name), text).expect("a file of the host");
    put("evil", &evil);
    put("spoiler", SPOILER);
    machines.inside("node2", "echo 0 none >/opt/spoil");
    machines.inside("node2", &format!("cp {keys} /opt/keys; sed -i 's|^|command=\"sh /opt/spoiler\" |' {keys}"));
    assert_eq!(looked_at(lab, machines, "0 none", &canary), 0, "it does not lie yet");
    let lines: usize = machines.inside("node2", "cat /opt/lines").trim().parse().expect("a number");
    assert!(lines > 20, "{lines} lines were answered");
    let mut refused = 0;
    for line in 1..=lines {
        let ways = ["replace", "first", "last"];
        // Every way for every line takes minutes.
        let ways = if tier() == Tier::Accept { &ways[..] } else { &ways[line % 3..][..1] };
        for how in ways {
            refused += usize::from(looked_at(lab, machines, &format!("{line} {how}"), &canary) == 3);
        }
    }
    assert!(refused > lines / 3, "of {lines} lines, {refused} lies were refused");
    machines
        .inside("node2", &format!("cat /opt/keys >{keys}; rm /opt/keys /opt/evil /opt/spoil /opt/spoiler /opt/lines"));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
