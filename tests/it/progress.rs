//! Live progress on a real pseudo-terminal: what somebody sees of a run, on a wide terminal, on a narrow one, while it is
//! resized, and with `--quiet`. A run on the simulated platform, in a process of its own whose standard error is the terminal.

use crate::platform::declare::declare;
use crate::platform::drive::{observe, plan_of};
use crate::platform::spec::{Change, example};
use es_cluster::apply::{self, Cancel, Options};
use es_cluster::desired::Desired;
use es_cluster::host::Claim;
use es_cluster::inventory::{Durations, Typical};
use es_cluster::progress::{self, Eta, Style};
use es_cluster::sim::{Behaviour, Cluster};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A terminal whose other end somebody looks at.
struct Seen {
    controller: OwnedFd,
    screen: vt100::Parser,
    /// Every screen that was different from the one before it.
    screens: Vec<String>,
    /// Everything that was written.
    raw: Vec<u8>,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a size")
}

/// Runs the child on a terminal of this size; `resized` is its size once something has become healthy.
fn run(style: &str, columns: u16, rows: u16, resized: Option<(u16, u16)>) -> Seen {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&controller).expect("granted");
    unlockpt(&controller).expect("unlocked");
    let name = ptsname(&controller, Vec::new()).expect("a name").into_string().expect("text");
    let terminal = File::options().read(true).write(true).open(&name).expect("the terminal");
    tcsetwinsize(&controller, size(columns, rows)).expect("a size");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "progress::a_run_on_a_terminal", "--ignored", "--nocapture"])
        .env("PROGRESS", style)
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(terminal)
        .spawn()
        .expect("it runs");
    let (sender, receiver) = mpsc::channel();
    let mut reader = File::from(controller.try_clone().expect("a copy"));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        // The end is an error here: nobody has the other end open any more.
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let screen = vt100::Parser::new(cells(rows), cells(columns), 0);
    let mut seen = Seen { controller, screen, screens: Vec::new(), raw: Vec::new() };
    let (deadline, mut resized) = (Instant::now() + Duration::from_mins(1), resized);
    while let Ok(bytes) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        seen.take(&bytes);
        if let Some((columns, rows)) =
            resized.filter(|_| String::from_utf8_lossy(&seen.raw).contains("await healthy: done"))
        {
            tcsetwinsize(&seen.controller, size(columns, rows)).expect("resized");
            seen.screen.screen_mut().set_size(cells(rows), cells(columns));
            seen.screens.clear();
            resized = None;
        }
    }
    assert!(child.wait().expect("it ends").success(), "{}", seen.last());
    assert!(resized.is_none(), "it was never resized: {}", String::from_utf8_lossy(&seen.raw));
    seen
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.screen.process(bytes);
        let now = self.last();
        if self.screens.last() != Some(&now) {
            self.screens.push(now);
        }
    }

    /// The last screen, row by row.
    fn last(&self) -> String {
        let screen = self.screen.screen();
        let rows = screen.rows(0, screen.size().1.get());
        rows.map(|row| row.trim_end().to_owned() + "\n").collect()
    }
}

/// Lines that say how far the run is.
fn whole(screen: &str) -> Vec<&str> {
    screen.lines().filter(|line| line.contains(" steps, ") && !line.contains("done:")).collect()
}

/// Lines with a spinner.
fn live(screen: &str) -> usize {
    let spins = |line: &&str| line.starts_with(|c: char| ('\u{2800}'..='\u{28ff}').contains(&c));
    screen.lines().filter(spins).count()
}

#[test]
#[ignore = "run by the other tests, on a terminal"]
fn a_run_on_a_terminal() {
    let style = match std::env::var("PROGRESS").as_deref() {
        Ok("quiet") => Style::Quiet,
        Ok("live") => Style::Terminal,
        _ => return,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (quick, mut spec) = (Duration::from_millis(100), example());
        spec.soak = 0;
        spec.services[1].roles.truncate(1);
        let behaviour = Behaviour {
            start: quick,
            heal: quick,
            copies: quick,
            stop: quick,
            transfer: quick,
            ..Behaviour::default()
        };
        let desired = declare(&spec);
        let cluster = Cluster::new(&desired, behaviour, 7);
        // What starts everything has nothing to show.
        applied(&cluster, &desired, Style::Plain, &mut std::io::sink()).await;
        let desired = declare(&spec.changed(Change::Conf(0, 0)).changed(Change::Conf(1, 0)));
        cluster.declare(&desired);
        applied(&cluster, &desired, style, &mut std::io::stderr()).await;
    });
}

/// Applies what is declared, and shows it; each kind of action has taken half a second in earlier runs.
async fn applied(cluster: &Cluster, desired: &Desired, style: Style, out: &mut (dyn Write + Send)) {
    let inventory = observe(cluster, desired).await;
    let (plan, _) = plan_of(desired, &inventory);
    let mut durations = Durations::default();
    let actions = ["render", "check safe", "before stop", "stop", "switch", "start", "await ready", "after ready"];
    for action in actions.into_iter().chain(["await healthy", "healthy", "converged", "collect"]) {
        for about in ["alpha-a", "beta-a", "alpha", "beta", ""] {
            durations.note(about.to_owned(), action.to_owned(), Typical { millis: 500, of: 1 });
        }
    }
    let claim = Claim { who: "a test".into(), why: "esapply".into(), since: "now".into() };
    let options = Options::new(claim, format!("{style:?}"), false);
    let (sender, receiver) = tokio::sync::mpsc::channel(1024);
    let shown = progress::run(receiver, style, out, None, Some(Eta::new(&plan, &durations)));
    let done = apply::apply(&plan, desired, &inventory, cluster, options, sender, Cancel::new());
    let (_, outcome) = tokio::join!(shown, done);
    assert_eq!(outcome.exit_code(), 0, "{outcome:#?}");
}

#[test]
fn a_terminal_shows_who_waits_for_what_and_how_long_the_rest_takes() {
    let seen = run("live", 100, 30, None);
    let waits = |screen: &&String| {
        screen.lines().any(|line| line.contains("beta-a@node1") && line.contains("until ready, at most 60s"))
    };
    assert!(seen.screens.iter().any(|screen| waits(&screen)), "{:#?}", seen.screens);
    for screen in &seen.screens {
        assert!(whole(screen).len() <= 1, "how far it is stands there once:\n{screen}");
    }
    let told: Vec<&str> = seen.screens.iter().flat_map(|screen| whole(screen)).collect();
    assert!(
        told.iter().any(|line| line.contains(" steps, ") && line.contains("about ") && line.ends_with("s left")),
        "{told:#?}"
    );
    let last = seen.last();
    assert_eq!((live(&last), whole(&last).len()), (0, 0), "nothing live is left:\n{last}");
    assert!(last.lines().rev().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("done: ")), "{last}");
}

#[test]
fn a_small_terminal_is_never_filled_with_live_lines() {
    let seen = run("live", 44, 8, None);
    for screen in &seen.screens {
        assert!(whole(screen).len() <= 1, "lines are never longer than the terminal:\n{screen}");
        assert!(live(screen) <= 4, "{screen}");
    }
    let waits = |screen: &&String| screen.lines().any(|line| line.contains("beta-a@node1") && line.contains("until"));
    assert!(seen.screens.iter().any(|screen| waits(&screen)), "{:#?}", seen.screens);
    assert_eq!((live(&seen.last()), whole(&seen.last()).len()), (0, 0), "{}", seen.last());
}

/// What was drawn just before may still be there for a moment, and nothing of it in the end.
fn resized_to(columns: u16, rows: u16) {
    let seen = run("live", 90, 20, Some((columns, rows)));
    let late: Vec<&String> = seen.screens.iter().skip(seen.screens.len() / 3).collect();
    assert!(late.iter().any(|screen| live(screen) > 0), "{late:#?}");
    // Names get less of a line that is short, so that what is waited for is seen.
    assert!(late.iter().any(|screen| screen.contains("until ready, at most")), "{late:#?}");
    for screen in late {
        assert!(whole(screen).len() <= 1 && live(screen) < usize::from(rows), "{columns}:\n{screen}");
    }
    assert_eq!((live(&seen.last()), whole(&seen.last()).len()), (0, 0), "{}", seen.last());
}

#[test]
fn a_terminal_may_become_smaller_in_the_middle() {
    resized_to(50, 12);
}

#[test]
fn a_terminal_may_become_larger_in_the_middle() {
    resized_to(140, 40);
}

#[test]
fn quiet_says_how_it_ended_and_nothing_else() {
    let seen = run("quiet", 80, 24, None);
    let lines: Vec<String> = seen.last().lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("done: ") && !seen.raw.contains(&0x1b), "{lines:#?}");
}
