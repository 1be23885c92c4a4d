//! C5: what becomes of the scripts that this tool replaces, on sandbox hosts that match their lists. Nothing is started.

use crate::lab::Lab;
use std::path::Path;

/// What an operator writes into an imported file, since no folder of scripts says it: here, where the hosts are, that there
/// is no systemd on them, a Java that can be had, and the version that no archive tells.
fn completed(text: &str) -> String {
    let mut text = text.replace("cluster \"legacy\"", "cluster \"{cluster}\"");
    for number in 1..=4 {
        let named = format!("address=\"node{number}\"");
        assert!(text.contains(&named), "{text}");
        text = text.replace(&named, &format!("address=\"{{network}}.{number}\" transport=\"local\""));
    }
    for (from, to) in [
        ("supervisor \"systemd\"", "supervisor \"supervisord\""),
        ("versions {", "versions {\n    supervisord \"4.3.0\"\n    elastalert \"2.2.3\""),
        ("jdk \"8.0.202\"", "jdk \"11.0.13\""),
    ] {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn the_plan_of_imported_scripts_is_what_an_operator_expects() {
    let lab = Lab::new("import", "cluster \"{cluster}\"");
    let legacy = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/legacy").display().to_string();
    let imported = lab.esplan(&["import", &legacy]).expect(0).stdout;
    lab.write(&completed(&imported));
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);
    // Heaps for four machines, on one.
    let told = lab.esplan(&["--detailed-exitcode", "--waive", "memory=one machine stands for four"]).expect(2).stdout;
    let mut at = 0;
    for begins in [
        "bootstrap zookeeper@node[1-3], together",
        "bootstrap kafka@node[1-3], together",
        "bootstrap elasticsearch-master@node1",
        "bootstrap elasticsearch-hot@node[2-4], together",
        "bootstrap elasticsearch-warm@node[2-4], together",
        "bootstrap kibana@node1",
    ] {
        let found = told[at..].find(begins).unwrap_or_else(|| panic!("{begins} is not there, or too early:\n{told}"));
        at += found;
    }
    assert!(told.contains("29 to start") && !told.contains("to restart"), "{told}");
    assert!((1..=4).all(|number| !lab.prefix(&format!("node{number}")).exists()), "nothing was written on a host");
}
