//! Software folders: whatever was done to one by hand is seen, however it was hidden.

use super::lab::Lab;
use es_cluster::host::Op;
use es_cluster::inventory::SoftwareObservation;
use std::process::Command;
use std::sync::Arc;

/// What was done below `software/`, with `$s` for the folder, and the paths that must be named.
const DONE: [(&str, &str, &[&str]); 10] = [
    ("a file is edited", "echo more >>$s/lib/a", &["lib/a"]),
    ("and its time put back", "cp -p $s/lib/a k; echo z >$s/lib/a; touch -r k $s/lib/a; rm k", &["lib/a"]),
    ("a file is added", "echo new >$s/lib/new", &["lib/new"]),
    ("a file is added at the top", "echo new >$s/new; touch -d 2001-01-01 $s $s/new", &["new"]),
    ("a file is removed", "rm $s/lib/a", &["lib/a"]),
    ("a folder is removed", "rm -r $s/lib", &["lib", "lib/a"]),
    ("a mode is changed", "chmod a+w $s/lib/a", &["lib/a"]),
    (
        "everything is a copy",
        "cp -r $s k; cp $s.manifest l; rm -r $s; mv k $s; mv l $s.manifest",
        &["bin/run", "lib/a"],
    ),
    ("the manifest was touched later", "echo more >>$s/lib/a; touch $s.manifest", &["lib/a"]),
    ("the manifest is from tomorrow", "echo more >>$s/lib/a; touch -d tomorrow $s.manifest", &["lib/a"]),
];

#[tokio::test]
async fn whatever_was_done_to_software_is_seen() {
    let mut lab = Lab::new("software");
    let other = lab.software("other-1.0-0123456789aa", &[("a", 0o644, "1")]);
    let files = [("bin/run", 0o755, "#!/bin/sh\n"), ("lib/a", 0o644, "x")];
    let thing = lab.software("thing-1.0-0123456789ab", &files);
    lab.prepare(&[], &[]).await.expect("prepared");
    for software in [&other, &thing] {
        lab.run(Op::Fetch { host: Arc::clone(&lab.host), software: Arc::clone(software) }).await.expect("fetched");
        lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(software) }).await.expect("assembled");
    }
    for (what, script, paths) in DONE {
        let seen = lab.look(&[], false).await;
        assert_eq!(seen.software[&thing.folder], SoftwareObservation::Intact, "before {what}");
        let script = format!("set -eu; s={}; {script}", thing.folder);
        let done = Command::new("sh").args(["-c", &script]).current_dir(lab.path("software")).status();
        assert!(done.expect("a shell").success(), "{what}");
        let seen = lab.look(&[], false).await;
        let named = paths.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(seen.software[&thing.folder], SoftwareObservation::Damaged(named), "{what}");
        assert_eq!(seen.software[&other.folder], SoftwareObservation::Intact, "{what}");
        lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(&thing) }).await.expect("repaired");
    }
    // Nothing is other than before, though every time is: only a whole comparison can tell.
    std::fs::remove_file(lab.path("software").join(format!("{}.manifest", thing.folder))).expect("removed");
    let seen = lab.look(&[], false).await;
    assert!(matches!(seen.software[&thing.folder], SoftwareObservation::Damaged(_)), "without a manifest");
    assert_eq!(lab.look(&[], true).await.software[&thing.folder], SoftwareObservation::Intact);
}
