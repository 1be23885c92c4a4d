//! Clients: what they deliver is taken, what they break is not; they end in time; their words are shown safely.

use super::{Machine, archive, file, key, need, pypi, recipe, unpacked};
use crate::artifact::bundle::Layout;
use crate::artifact::recipe::{Coordinate, Kind, Recipe};
use crate::artifact::{ArtifactError, Cache, ensure_bundle};
use sha2::{Digest as _, Sha512};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_wheel_comes_through_pip_without_running_anything_of_it() {
    let mut machine = Machine::new();
    fs::write(machine.folder.path().join("wheel"), archive("tool/x", b"wheel")).expect("written");
    machine.clients.python =
        machine.program("python3", "echo \"$@\" > ../../called; cp ../../wheel tool-1.0-py3-none-any.whl");
    let source = Recipe { layout: Layout { root: "tool".to_owned(), ..Layout::default() }, ..pypi("tool==1.0") };
    let lock = machine.lock(vec![need("tool", "1.0", vec![source.clone()])], None).await.expect("locked");
    let locked = &lock.artifacts[&key("tool", "1.0")];
    assert_eq!(locked.source, "pypi tool==1.0 root=tool");
    let path = ensure_bundle(&machine.cache, &key("tool", "1.0"), Some(locked)).expect("a bundle");
    assert_eq!(unpacked(&path, "x"), b"wheel");
    let called = fs::read_to_string(machine.folder.path().join("called")).expect("called");
    assert!(called.contains("--no-deps --only-binary=:all:") && called.trim_end().ends_with(" tool==1.0"), "{called}");

    machine.clients.python = PathBuf::from("/absent");
    let needs = || vec![need("tool", "1.0", vec![file("tool.tar"), source.clone()])];
    let again = machine.lock(needs(), None).await.expect("known, without a lock");
    assert_eq!(again, lock);
    machine.vendor_file("tool.tar", &archive("x", b"vendor"));
    let vendor = machine.lock(needs(), None).await.expect("locked");
    assert_eq!(
        vendor.artifacts[&key("tool", "1.0")].source,
        "file tool.tar",
        "a vendor file comes before what is known"
    );
}

#[tokio::test]
async fn a_half_download_is_never_used_and_the_last_words_are_shown() {
    let mut machine = Machine::new();
    machine.clients.python = machine.program(
        "python3",
        "head -c 100 /dev/zero > tool.whl; printf 'bar 1%%\\rbar 9%%\\n\\033[31mno \\033[2Jroute\\a\\033[0m\\n' >&2; exit 23",
    );
    let error = machine.lock(vec![need("tool", "1.0", vec![pypi("tool==1.0")])], None).await.expect_err("failed");
    let text = error.to_string();
    assert!(
        text.contains("failed (exit status: 23)") && text.contains("bar 9%\n") && text.contains("no route"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    assert_eq!(machine.names("store"), [""; 0]);
    assert_eq!(
        machine.names("."),
        machine.names(".").into_iter().filter(|name| !name.starts_with(".tmp")).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_client_that_hangs_is_ended_with_what_it_started() {
    let mut machine = Machine::new();
    machine.clients.limit = Duration::from_millis(400);
    machine.clients.python = machine.program("python3", "sleep 300 & echo $! > ../../child; wait");
    let start = Instant::now();
    let error = machine.lock(vec![need("tool", "1.0", vec![pypi("tool==1.0")])], None).await.expect_err("slow");
    assert!(error.to_string().contains("did not end within 0 s and was stopped"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let child = fs::read_to_string(machine.folder.path().join("child")).expect("a child");
    let ended = || {
        // A zombie that nobody has collected yet counts as gone.
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')))
    };
    while !ended() {
        assert!(start.elapsed() < Duration::from_secs(15), "the child lives on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_talks_without_end_is_bounded() {
    let mut machine = Machine::new();
    machine.clients.limit = Duration::from_secs(2);
    machine.clients.python = machine.program("python3", "head -c 30000000 /dev/zero | tr '\\0' x >&2; exit 1");
    let error = machine.lock(vec![need("tool", "1.0", vec![pypi("tool==1.0")])], None).await.expect_err("failed");
    assert!(error.to_string().len() < 20_000);
}

fn maven(name: &str, with_dependencies: bool) -> Recipe {
    let coordinate = Coordinate {
        group: "org.example".to_owned(),
        name: name.to_owned(),
        version: "1.0".to_owned(),
        extension: "jar".to_owned(),
        classifier: None,
    };
    let layout = Layout { into: "lib".to_owned(), as_it_is: with_dependencies, ..Layout::default() };
    Recipe { kind: Kind::Maven { coordinates: vec![coordinate], with_dependencies }, layout }
}

#[tokio::test]
async fn maven_is_called_once_for_all_and_each_has_its_own_outcome() {
    let mut machine = Machine::new();
    // Does what the projects ask for: a copy, a folder of jars with dependencies; it fails for `lost`.
    machine.clients.mvn = machine.program(
        "mvn",
        r#"echo call >> ../../calls
for p in p*/; do
  p=${p%/}; pom=$(cat $p/pom.xml)
  case $pom in
  *lost*) failed="$failed $p";;
  *copy-dependencies*) d=$p/out/org/example/many/1.0; mkdir -p $d $p/out/org/dep/dep/2; echo many > $d/many-1.0.jar
     echo x > $d/../maven-metadata-local.xml; echo dep > $p/out/org/dep/dep/2/dep-2.jar;;
  *) mkdir $p/out; echo one > $p/out/one-1.0.jar;;
  esac
done
for p in $failed; do
  echo "[ERROR] Failed to execute goal x:y:copy (fetch) on project $p: Could not find artifact org.example:lost"
  echo "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch."
done
test -z "$failed""#,
    );
    let needs = vec![need("one", "1.0", vec![maven("one", false)]), need("many", "1.0", vec![maven("many", true)])];
    let lock = machine.lock(needs.clone(), None).await.expect("locked");
    let names =
        |module: &str| lock.artifacts[&key(module, "1.0")].files.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("one"), ["one-1.0.jar"]);
    assert_eq!(names("many"), ["dep-2.jar", "many-1.0.jar"]);
    let locked = lock.artifacts.get(&key("many", "1.0"));
    let path = ensure_bundle(&machine.cache, &key("many", "1.0"), locked).expect("a bundle");
    assert_eq!(unpacked(&path, "lib/dep-2.jar"), b"dep\n");
    assert_eq!(fs::read_to_string(machine.folder.path().join("calls")).expect("calls"), "call\n");

    let mut with_lost = needs;
    with_lost.push(need("lost", "1.0", vec![maven("lost", false)]));
    fs::remove_dir_all(machine.cache.root()).expect("removed");
    machine.cache = Cache::open(machine.cache.root()).expect("a cache");
    let error = machine.lock(with_lost, None).await.expect_err("one is lost").to_string();
    assert!(error.contains("lost 1.0 can't be had"), "{error}");
    assert!(error.ends_with("\n        Could not find artifact org.example:lost"), "only what matters: {error}");
    assert!(!error.contains("one 1.0") && !error.contains("many 1.0"), "{error}");
}

/// Serves each path's bytes; others are 404.
async fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0u8; 4096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            let answer = match files.iter().find(|(known, _)| *known == path) {
                Some((_, bytes)) => {
                    // Without a length: what counts is what comes.
                    let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
                    answer.extend(bytes);
                    answer
                }
                None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
            };
            // A client that has enough closes early.
            let _ = stream.write_all(&answer).await;
        }
    });
    format!("http://{address}")
}

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string");
        text
    })
}

#[tokio::test]
async fn a_download_is_compared_with_every_published_checksum_and_limited() {
    let mut machine = Machine::new();
    machine.clients.curl = PathBuf::from("curl");
    let good = archive("x", b"download");
    let server = serve(vec![
        ("/a/tool.tar", good.clone()),
        ("/b/tool.tar", good.clone()),
        ("/b/tool.tar.sha512", sha512(b"other").into_bytes()),
        ("/c/tool.tar", good.clone()),
        ("/c/tool.tar.sha512", format!("{}  tool.tar\n", sha512(&good)).into_bytes()),
        ("/large.tar", vec![0u8; 3 << 20]),
    ])
    .await;
    let get = async |path: &str, sha512: Option<String>| {
        let url = format!("{server}{path}");
        let needs = vec![need("tool", "1.0", vec![recipe(Kind::Url { url, sha512 })])];
        machine.lock(needs, None).await.map_err(|error| error.to_string())
    };
    let lock = get("/a/tool.tar", Some(sha512(&good))).await.expect("locked");
    assert_eq!(lock.artifacts[&key("tool", "1.0")].files[0].name, "tool.tar");
    get("/a/tool.tar", None).await.expect("nothing is published about it");
    get("/c/tool.tar", None).await.expect("as published");
    let error = get("/a/tool.tar", Some(sha512(b"x"))).await.expect_err("not what the module says");
    assert!(error.contains("its sha512 is") && error.contains("but the module says"), "{error}");
    let error = get("/b/tool.tar", None).await.expect_err("not as published");
    assert!(error.contains("/b/tool.tar.sha512 says"), "{error}");
    let error = get("/lost.tar", None).await.expect_err("absent");
    assert!(error.contains("404"), "{error}");
    let error = get("/large.tar", None).await.expect_err("too large");
    assert!(error.contains("has more than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_vendor_file_is_compared_with_the_checksum_beside_it() {
    let machine = Machine::new();
    machine.vendor_file("tool.tar", &archive("x", b"one"));
    machine.vendor_file("tool.tar.sha1", b"0123456789012345678901234567890123456789");
    let error = machine.fetcher().one(&file("tool.tar")).await.expect_err("damaged");
    assert!(matches!(error, ArtifactError::Checksum { algorithm: "sha1", .. }), "{error}");
}

#[tokio::test]
async fn a_package_comes_through_apt() {
    let mut machine = Machine::new();
    machine.clients.apt_get =
        machine.program("apt-get", "test \"$*\" = '--quiet download tool=1.0'; echo x > tool_1%3a1.0_all.deb");
    let files = machine.fetcher().one(&recipe(Kind::Deb { package: "tool=1.0".to_owned() })).await.expect("fetched");
    assert_eq!(files[0].name, "tool_1%3a1.0_all.deb");
}
