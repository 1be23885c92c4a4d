use super::*;

const LIMITS: Limits = Limits { time: Duration::from_secs(20), stdout: 1 << 20 };

async fn said(sh: &str) -> String {
    let output = Local.exec(&Script::new(sh), LIMITS).await.expect("runs");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn a_script_sees_no_environment_of_ours() {
    assert_eq!(
        said("env | sed 's/=.*//' | grep -vx '_\\|PWD\\|SHLVL\\|OLDPWD' | sort | tr '\\n' ' '").await,
        "LANG LC_ALL PATH "
    );
}

#[tokio::test]
async fn input_status_and_errors_come_through() {
    let script = Script::with_stdin("cat; echo problem >&2; exit 3", vec![b'x'; 300_000]);
    let output = Local.exec(&script, LIMITS).await.expect("runs");
    assert_eq!((output.status, output.stdout.len()), (Some(3), 300_000));
    assert_eq!(output.stderr, b"problem\n");
    let ignores_input = Script::with_stdin("exit 0", vec![b'x'; 300_000]);
    assert_eq!(Local.exec(&ignores_input, LIMITS).await.expect("runs").status, Some(0));
}

#[tokio::test]
async fn a_script_longer_than_an_argument_runs_too() {
    let long = format!(": '{}'; echo done", "x".repeat(300_000));
    assert_eq!(said(&long).await, "done\n");
}

#[tokio::test]
async fn what_takes_too_long_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("pid").display().to_string();
    let limits = Limits { time: Duration::from_millis(500), ..LIMITS };
    let script = format!("sleep 600 & echo $! >{path}; wait");
    let error = Local.exec(&Script::new(script), limits).await.expect_err("too long");
    assert!(matches!(error, TransportError::TimedOut { .. }), "{error}");
    let pid = std::fs::read_to_string(&path).expect("pid");
    let gone = format!(
        "n=0; while [ -r /proc/{0}/stat ] && ! grep -q ') Z' /proc/{0}/stat; do n=$((n+1)); [ $n -gt 5000 ] && exit 1; done; echo gone",
        pid.trim()
    );
    assert_eq!(said(&gone).await, "gone\n");
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    let error = Local.exec(&Script::new("yes"), LIMITS).await.expect_err("too much");
    assert!(matches!(error, TransportError::TooMuch { .. }), "{error}");
}

#[tokio::test]
async fn wrong_bytes_leave_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a file").display().to_string();
    let right =
        Put { from: Bytes::Given(b"right".to_vec()), path: path.clone(), mode: 0o640, sha256: Digest::of(b"right") };
    let wrong = Put { from: Bytes::Given(b"wrong".to_vec()), ..right.clone() };
    assert!(matches!(Local.put(&wrong).await, Err(TransportError::WrongBytes { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    Local.put(&right).await.expect("written");
    Local.put(&right).await.expect("written again");
    assert!(Local.put(&wrong).await.is_err());
    assert_eq!(Local.read(&path, 5).await.expect("read"), Some(b"right".to_vec()));
    assert!(matches!(Local.read(&path, 4).await, Err(TransportError::TooMuch { .. })));
    assert_eq!(Local.read("/nonexistent", 1).await.expect("absent"), None);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("there").permissions());
    assert_eq!(mode & 0o7777, 0o640);
}

#[tokio::test]
async fn a_session_ends_with_its_input() {
    let session = Local.session("echo ready; cat; echo over").await.expect("starts");
    let Session { mut stdin, stdout } = session;
    stdin.write_all(b"ping ").await.expect("written");
    stdin.flush().await.expect("written");
    drop(stdin);
    assert_eq!(read_all(stdout, 100).await.expect("ends"), b"ready\nping over\n");
}
