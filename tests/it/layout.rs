//! `esplan fmt`, and the files of this repository: they are canonical, or become so without meaning anything else.

use crate::cli::{folder, run};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config;
use es_cluster::diag::{SourceId, Sources};
use es_cluster::layout::canonical;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kdl_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            kdl_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "kdl") {
            found.push(path);
        }
    }
}

/// What `cluster.kdl` in a folder comes to, all of it: decoded, with its module's defaults.
fn meaning(file: &Path) -> Option<String> {
    let modules = file.with_file_name("modules");
    let modules = if modules.is_dir() { modules } else { root().join("modules") };
    let mut sources = Sources::new();
    let (loaded, _) = config::load(&DiskFiles, &file.to_string_lossy(), &modules.to_string_lossy(), &mut sources);
    loaded.map(|loaded| {
        let debug = format!("{:?}", loaded.cluster);
        // Places move.
        debug.split("span: Span {").map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect()
    })
}

#[test]
fn every_valid_file_of_ours_is_laid_out_without_a_change_of_meaning() {
    let mut files = vec![root().join("cluster.kdl")];
    kdl_below(&root().join("modules"), &mut files);
    kdl_below(&root().join("fixtures"), &mut files);
    let (mut laid_out, mut compared) = (0, 0);
    for file in files {
        // Some in fixtures/bad are no text, and many are not KDL.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let Ok(once) = canonical("file", &text, SourceId(0)) else { continue };
        laid_out += 1;
        assert_eq!(canonical("file", &once, SourceId(0)).ok().as_deref(), Some(once.as_str()), "{}", file.display());
        let name = file.file_name().expect("a name");
        if let Some(before) = meaning(&file).filter(|_| name == "cluster.kdl" && !text.contains("include")) {
            let aside = tempfile::tempdir().expect("a folder");
            // What it names beside itself is beside the other one too.
            let folder = fs::read_dir(file.parent().expect("a folder")).expect("a folder");
            for other in folder.flatten().filter(|other| other.path() != file) {
                std::os::unix::fs::symlink(other.path(), aside.path().join(other.file_name())).expect("a link");
            }
            fs::write(aside.path().join("cluster.kdl"), &once).expect("written");
            assert_eq!(meaning(&aside.path().join("cluster.kdl")), Some(before), "{}", file.display());
            compared += 1;
        }
    }
    assert!(laid_out > 100 && compared >= 3, "{laid_out} files, {compared} of them compared");
}

#[test]
fn our_own_files_are_canonical() {
    let mut files = vec![root().join("cluster.kdl")];
    kdl_below(&root().join("modules"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        assert_eq!(canonical("file", &text, SourceId(0)).ok(), Some(text), "{}", file.display());
    }
}

#[test]
fn check_lists_what_is_not_canonical_and_fmt_writes_it_with_its_mode() {
    let ugly = "cluster   \"small\"{   // of it\n supervisor \"supervisord\"\n}\ninclude \"more.kdl\"";
    let folder = folder(ugly);
    let (file, more) = (folder.path().join("cluster.kdl"), folder.path().join("more.kdl"));
    fs::write(&more, "hosts {\n}\n").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("mode");
    let did = run(folder.path(), "esplan", &["fmt", "--check"]);
    assert_eq!((did.code, did.stdout.as_str()), (2, "cluster.kdl\nmore.kdl\n"), "{did:?}");
    assert_eq!(fs::read_to_string(&file).expect("text"), ugly, "--check writes nothing");
    let did = run(folder.path(), "esplan", &["fmt"]);
    assert_eq!((did.code, did.stdout.as_str()), (0, "cluster.kdl\nmore.kdl\n"), "{did:?}");
    let wanted = "cluster \"small\" {    // of it\n    supervisor \"supervisord\"\n}\n\ninclude \"more.kdl\"\n";
    assert_eq!(fs::read_to_string(&file).expect("text"), wanted);
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    let did = run(folder.path(), "esplan", &["fmt", "--check"]);
    assert_eq!((did.code, did.stdout.as_str(), did.stderr.as_str()), (0, "", ""), "{did:?}");
}

#[test]
fn a_mistake_in_one_file_leaves_all_of_them_as_they_are() {
    let folder = folder("cluster   \"small\"");
    fs::write(folder.path().join("bad.kdl"), "a {\n  version 6.7.0\n").expect("written");
    let did = run(folder.path(), "esplan", &["fmt", "cluster.kdl", "bad.kdl", "absent.kdl"]);
    assert_eq!((did.code, did.stdout.as_str()), (1, ""), "{did:?}");
    for part in ["bad.kdl:2", "6.7.0", "quotes", "absent.kdl", "no such file"] {
        assert!(did.stderr.contains(part), "{part}: {}", did.stderr);
    }
    assert_eq!(fs::read_to_string(folder.path().join("cluster.kdl")).expect("text"), "cluster   \"small\"");
}

#[test]
fn a_link_stays_a_link() {
    let folder = folder("a   1");
    let link = folder.path().join("link.kdl");
    std::os::unix::fs::symlink("cluster.kdl", &link).expect("a link");
    let did = run(folder.path(), "esplan", &["fmt", "link.kdl"]);
    assert_eq!(did.code, 0, "{did:?}");
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(folder.path().join("cluster.kdl")).expect("text"), "a 1\n");
}
