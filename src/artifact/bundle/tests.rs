//! Crafted archives: each way out of a bundle, each limit, and the same bytes for the same contents.

use super::{Input, Layout, Limits, Refusal, pack};
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, Write as _};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("rewound");
    file
}

fn layout(root: &str, into: &str) -> Layout {
    Layout { root: root.to_owned(), into: into.to_owned(), as_it_is: false }
}

fn packed(name: &str, bytes: &[u8], layout: &Layout, limits: Limits) -> Result<Vec<u8>, Refusal> {
    let mut file = file_of(bytes);
    let mut out = Vec::new();
    let scratch = tempfile::tempfile().expect("a temporary file");
    pack(&mut [Input { name, file: &mut file }], layout, limits, scratch, &mut out).map_err(|refused| refused.why)?;
    Ok(out)
}

fn plain(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    packed(name, bytes, &Layout::default(), Limits::default())
}

/// `path mode [-> target] content` of every entry.
fn listing(bundle: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bundle);
    let line = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        let mode = header.mode().unwrap();
        let path = entry.path().unwrap().display().to_string();
        let slash = if header_is_folder(&entry) { "/" } else { "" };
        let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("content");
        let content = String::from_utf8_lossy(&bytes);
        format!("{}{slash} {mode:o}{link} {content}", path.trim_end_matches('/')).trim_end().to_owned()
    };
    archive.entries().expect("entries").map(line).collect()
}

fn header_is_folder(entry: &tar::Entry<'_, &[u8]>) -> bool {
    entry.header().entry_type().is_dir()
}

/// A tar with names as they are, also bad ones.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(mut self, name: &str, kind: EntryType, mode: u32, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let bytes = &mut header.as_old_mut().name;
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_cksum();
        self.0.append(&header, content).expect("appended");
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.add(name, EntryType::Regular, 0o640, "", content)
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(name, EntryType::Symlink, 0o777, target, b"")
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().expect("finished")
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("finished")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("finished")
}

fn zip_of(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        if name.ends_with('/') {
            writer.add_directory(*name, options).expect("a folder");
        } else if *mode == 0o120_777 {
            writer.add_symlink(*name, std::str::from_utf8(content).unwrap(), options).expect("a link");
        } else {
            writer.start_file(*name, options).expect("a file");
            writer.write_all(content).expect("content");
        }
    }
    writer.finish().expect("finished").into_inner()
}

fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from.as_bytes() {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{from} is not in the archive");
    bytes
}

fn deb(data_name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.xz", b"odd"), (data_name, data)] {
        bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len()).bytes());
        bytes.extend(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[test]
fn every_form_of_the_same_contents_gives_the_same_bytes() {
    let tree = |tar: Tar, top: &str| {
        tar.add(&format!("{top}/"), EntryType::Directory, 0o700, "", b"")
            .file(&format!("{top}/b.txt"), b"text")
            .add(&format!("{top}/bin/run"), EntryType::Regular, 0o4755, "", b"#!/bin/sh\n")
            .link(&format!("{top}/current"), "bin/run")
            .add(&format!("{top}/empty/"), EntryType::Directory, 0o777, "", b"")
    };
    let expected = ["b.txt 644 text", "bin/ 755", "bin/run 755 #!/bin/sh", "current 777 -> bin/run", "empty/ 755"];
    let tar = tree(Tar::new().file("other/x", b"left out"), "top-1").done();
    let root = layout("top-1", "");
    let bundle = packed("a.tar", &tar, &root, Limits::default()).expect("packed");
    assert_eq!(listing(&bundle), expected);
    for (name, bytes) in [("a.tar.gz", gzip(&tar)), ("a.tar.xz", xz(&tar)), ("a.deb", deb("data.tar.xz", &xz(&tar)))] {
        assert_eq!(packed(name, &bytes, &root, Limits::default()).expect(name), bundle, "{name}");
    }
    let zipped = zip_of(&[
        ("top-1/empty/", 0o755, b""),
        ("top-1/current", 0o120_777, b"bin/run"),
        ("top-1/bin/run", 0o755, b"#!/bin/sh\n"),
        ("top-1/b.txt", 0o600, b"text"),
    ]);
    assert_eq!(packed("a.zip", &zipped, &root, Limits::default()).expect("zip"), bundle);
    let dotted = tree(Tar::new(), "./top-1").done();
    assert_eq!(packed("b.tar", &dotted, &root, Limits::default()).expect("dots"), bundle);
}

#[test]
fn ordinary_tar_unpacks_a_bundle() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(150));
    let zipped = zip_of(&[(&long, 0o644, b"far"), ("bin/run", 0o755, b"x")]);
    let bundle = plain("a.zip", &zipped).expect("packed");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.tar");
    std::fs::write(&file, bundle).expect("written");
    let status = std::process::Command::new("tar").arg("xf").arg(&file).current_dir(folder.path()).status();
    assert!(status.expect("tar").success());
    assert_eq!(std::fs::read_to_string(folder.path().join(long)).expect("unpacked"), "far");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path().join("bin/run")).expect("unpacked").permissions(),
    );
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn jars_are_placed_as_they_are_and_archives_below_into() {
    let jar = zip_of(&[("META-INF/MANIFEST.MF", 0o644, b"x")]);
    assert!(
        listing_names(&packed("a.jar", &jar, &layout("", "lib"), Limits::default()).unwrap()).eq(["lib", "lib/a.jar"])
    );
    let as_it_is = Layout { as_it_is: true, ..layout("", "lib") };
    assert!(listing_names(&packed("a.zip", &jar, &as_it_is, Limits::default()).unwrap()).eq(["lib", "lib/a.zip"]));
    let opened = packed("a.jar", &jar, &layout("META-INF", "m"), Limits::default()).unwrap();
    assert!(listing_names(&opened).eq(["m", "m/MANIFEST.MF"]));
    assert_eq!(listing(&plain("tool", b"#!/bin/sh\n").unwrap()), ["tool 755 #!/bin/sh"]);
}

fn listing_names(bundle: &[u8]) -> impl Iterator<Item = String> {
    let names: Vec<String> = listing(bundle)
        .iter()
        .map(|line| line.split([' ', '\n']).next().unwrap().trim_end_matches('/').to_owned())
        .collect();
    names.into_iter()
}

#[test]
fn no_entry_of_a_tar_escapes() {
    let bad: Vec<(&str, Tar, &str)> = vec![
        ("absolute", Tar::new().file("/etc/x", b""), "is absolute"),
        ("dots", Tar::new().file("a/../../x", b""), "'..'"),
        ("backslash", Tar::new().file("..\\x", b""), "backslash"),
        ("control", Tar::new().file("a\u{1b}[2Jx", b""), "control character"),
        ("link up", Tar::new().link("a/l", "../../x"), "leads out"),
        ("absolute link", Tar::new().link("l", "/etc/passwd"), "leads out"),
        ("two hops", Tar::new().file("d/f", b"").link("d/top", "..").link("out", "d/top/../x"), "leads out"),
        ("loop", Tar::new().link("a", "b").link("b", "a"), "leads out"),
        ("through a link", Tar::new().link("d", "e").file("d/x", b""), "below something that is not a folder"),
        ("below a file", Tar::new().file("d", b"").file("d/x", b""), "below something that is not a folder"),
        ("a file over a folder", Tar::new().file("d/x", b"").file("d", b""), "comes twice"),
        ("twice", Tar::new().file("x", b"1").file("./x", b"2"), "comes twice"),
        ("case", Tar::new().file("readme", b"1").file("README", b"2"), "upper and lower case"),
        ("case of a folder", Tar::new().file("Lib/a", b"1").file("LIB/b", b"2"), "upper and lower case"),
        ("hard link", Tar::new().file("x", b"").add("y", EntryType::Link, 0o644, "x", b""), "a hard link"),
        ("device", Tar::new().add("dev", EntryType::Char, 0o644, "", b""), "a device"),
        ("pipe", Tar::new().add("pipe", EntryType::Fifo, 0o644, "", b""), "a named pipe"),
        ("sparse", Tar::new().add("s", EntryType::GNUSparse, 0o644, "", b""), "a sparse file"),
    ];
    for (name, tar, why) in bad {
        let refusal = plain("a.tar", &tar.done()).expect_err(name).to_string();
        assert!(refusal.contains(why), "{name}: {refusal}");
        assert!(!refusal.contains('\u{1b}'), "{name}: {refusal:?}");
    }
}

#[test]
fn no_entry_of_a_zip_escapes() {
    let one = |name: &str| replaced(zip_of(&[("PLACEHOLD", 0o644, b"x")]), "PLACEHOLD", name);
    for (bytes, why) in [
        (one("../../etc"), "'..'"),
        (one("/etc/cron"), "is absolute"),
        (one("..\\..\\etc"), "backslash"),
        (one("a/../../b"), "'..'"),
        (replaced(zip_of(&[("a", 0o644, b"1"), ("b", 0o644, b"2")]), "b", "a"), "comes twice"),
        (zip_of(&[("l", 0o120_777, b"../x")]), "leads out"),
        (zip_of(&[("A.txt", 0o644, b""), ("a.txt", 0o644, b"")]), "upper and lower case"),
    ] {
        let refusal = plain("a.zip", &bytes).expect_err(why).to_string();
        assert!(refusal.contains(why), "{refusal}");
    }
}

#[test]
fn what_is_outside_of_the_root_does_not_matter_but_may_not_escape_either() {
    let tar = Tar::new().add("etc/dev", EntryType::Char, 0o644, "", b"").link("etc/l", "/x").file("usr/a", b"1").done();
    assert_eq!(listing(&packed("a.tar", &tar, &layout("usr", ""), Limits::default()).unwrap()), ["a 644 1"]);
    let tar = Tar::new().file("../x", b"").file("usr/a", b"1").done();
    assert!(packed("a.tar", &tar, &layout("usr", ""), Limits::default()).is_err());
}

#[test]
fn an_absent_root_is_said_with_what_there_is() {
    let tar = Tar::new().file("tool-1.2/a", b"").file("readme", b"").done();
    let refusal = packed("a.tar", &tar, &layout("tool-1.3", ""), Limits::default()).expect_err("no root");
    assert_eq!(
        refusal.to_string(),
        "it has no folder \"tool-1.3\"; at its top are: readme, tool-1.2. correct `root` in the module"
    );
    assert!(packed("a.tar", &tar, &layout("tool-1", ""), Limits::default()).is_err(), "half a name is not a root");
}

#[test]
fn size_number_and_growth_have_limits() {
    let limits = Limits { entries: 20, names: 2000, unpacked: 4 << 20, stream: 8 << 20, ratio: 100, always: 1 << 20 };
    let zeros = vec![0u8; 3 << 20];
    let refusal = |name: &str, bytes: &[u8], root: &str| {
        packed(name, bytes, &layout(root, ""), limits).expect_err(name).to_string()
    };
    let many = (0..30).fold(Tar::new(), |tar, n| tar.file(&format!("f{n}"), b"")).done();
    assert!(refusal("many.tar", &many, "").contains("more than 20 entries"));
    let folders = Tar::new().file(&("d/".repeat(30) + "x"), b"");
    assert!(refusal("folders.tar", &folders.done(), "").contains("more than 20 entries"), "folders count too");
    let wordy = (0..15).fold(Tar::new(), |tar, n| tar.link(&format!("{n}{}", "n".repeat(90)), &"t".repeat(90))).done();
    assert!(refusal("wordy.tar", &wordy, "").contains("bytes of names"));
    assert!(refusal("bomb.zip", &zip_of(&[("x", 0o644, &zeros)]), "").contains("compression bomb"));
    assert!(refusal("bomb.tar.gz", &gzip(&Tar::new().file("x", &zeros).done()), "").contains("compression bomb"));
    assert!(refusal("bomb.tar.xz", &xz(&Tar::new().file("x", &zeros).done()), "").contains("compression bomb"));
    let large = vec![0u8; 5 << 20];
    assert!(refusal("large.tar", &Tar::new().file("x", &large).done(), "").contains("unpacked bytes"));
    let beside = gzip(&Tar::new().file("other/x", &vec![0u8; 9 << 20]).file("top/a", b"").done());
    assert!(refusal("beside.tar.gz", &beside, "top").contains("unpacked bytes"), "left out, but still decompressed");
    let named = Tar::new().add("././@LongLink", EntryType::GNULongName, 0o644, "", &vec![b'a'; 1 << 20]).done();
    assert!(refusal("named.tar", &named, "").contains("bytes in the name of one entry"));
    let path = format!("{}x", "long/".repeat(300));
    let deep =
        Tar::new().add("././@LongLink", EntryType::GNULongName, 0o644, "", path.as_bytes()).file("x", b"").done();
    assert!(refusal("deep.tar", &deep, "").contains("too long"));
}

#[test]
fn pax_names_are_read_and_contradicting_sizes_refused() {
    let pax = |records: &str| Tar::new().add("pax", EntryType::XHeader, 0o644, "", records.as_bytes());
    assert_eq!(
        listing(&plain("a.tar", &pax("15 path=a/long\n").file("short", b"1").done()).unwrap()),
        ["a/ 755", "a/long 644 1"]
    );
    assert!(plain("a.tar", &pax("14 path=../out\n").file("short", b"1").done()).is_err());
    let refusal = plain("a.tar", &pax("11 size=99\n").file("short", b"1").done()).expect_err("two sizes");
    assert!(refusal.to_string().contains("two sizes"), "{refusal}");
}

#[test]
fn what_is_damaged_or_unknown_is_refused() {
    let tar = Tar::new().file("x", &[7u8; 4000]).done();
    let zipped = gzip(&tar);
    let cut = &zipped[..zipped.len() - 9];
    assert!(matches!(plain("cut.tar.gz", cut), Err(Refusal::Damaged(_))));
    assert!(matches!(plain("cut.tar", &tar[..3000]), Err(Refusal::Damaged(_))));
    let mut broken = zip_of(&[("x", 0o644, &[7u8; 4000])]);
    let end = broken.len() - 60;
    broken.truncate(end);
    assert!(matches!(plain("cut.zip", &broken), Err(Refusal::Damaged(_))));
    let mut wrong = zipped.clone();
    let sum = wrong.len() - 6;
    wrong[sum] ^= 0xff;
    assert!(matches!(plain("crc.tar.gz", &wrong), Err(Refusal::Damaged(_))), "a wrong checksum at the end is seen");
    assert!(matches!(plain("a.tar.gz", &gzip(b"no tar")), Err(Refusal::Damaged(_))));
    assert!(matches!(
        plain("a.deb", &deb("data.tar.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0])),
        Err(Refusal::Unsupported { .. })
    ));
    assert!(matches!(plain("a.deb", &deb("other", b"")), Err(Refusal::Damaged(_))));
    assert!(matches!(plain("a.deb", b"!<arch>\nshort"), Err(Refusal::Damaged(_))));
    assert!(plain("empty.tar", &Tar::new().add("d/", EntryType::Directory, 0o755, "", b"").done()).is_ok());
    assert!(matches!(plain("empty.zip", &zip_of(&[])), Err(Refusal::Empty)));
}
