//! The shell functions that take something on standard input, when its end is missing: in the shells that are here.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const CHANGE: &str = include_str!("change.sh");
const JOBS: &str = include_str!("jobs.sh");
const KERNEL: &str = include_str!("kernel.sh");
const SYSTEMD: &str = include_str!("systemd.sh");

/// Runs a call below a folder with so much of its input; whether it succeeds, and what it says.
fn run(at: &Path, functions: &str, call: &str, input: &[u8], whole: usize) -> (bool, String) {
    let pretend = "is_root() { true; }\nsystemctl() { true; }\n";
    let script = format!("{CHANGE}{functions}{pretend}units=.\nsent={whole}\ncd \"$0\"\n{call}\n");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg(at).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sh");
    child.stdin.take().expect("a pipe").write_all(input).expect("written");
    let output = child.wait_with_output().expect("ends");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every cut is refused and leaves the folder as it was; all of it is taken.
fn only_whole(functions: &str, call: &str, input: &[u8], made: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("run")).expect("a folder");
    for cut in [0, 1, 512, 1024, input.len() - 1].into_iter().filter(|cut| *cut < input.len()) {
        let (succeeds, says) = run(folder.path(), functions, call, &input[..cut], input.len());
        assert!(!succeeds && says.contains("ended in the middle"), "{call} {cut}: {says}");
        assert!(!folder.path().join(made).exists(), "{call} {cut}");
        let left = fs::read_dir(folder.path()).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != "run").collect();
        assert!(left.is_empty(), "{call} {cut}: {left:?}");
    }
    let (succeeds, says) = run(folder.path(), functions, call, input, input.len());
    assert!(succeeds && folder.path().join(made).exists(), "{call}: {says}");
}

#[test]
fn a_unit_and_kernel_settings_are_taken_whole_or_not_at_all() {
    only_whole(SYSTEMD, "write_unit a.service", b"[Service]\nExecStart=/bin/true\n", "a.service");
    only_whole(KERNEL, "keep_settings ./60-a.conf", b"vm.max_map_count=262144\n", "60-a.conf");
}

/// An archive that is cut at the end of a file looks whole to who unpacks it: the job would run without the rest.
#[test]
fn a_job_has_all_its_files_or_does_not_run() {
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["one", "two"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, &b"x"[..]).expect("an archive");
    }
    let archive = tar.into_inner().expect("an archive");
    only_whole(JOBS, "job work '' 100 /bin/sh -c 'touch ../../ran'", &archive, "ran");
}
