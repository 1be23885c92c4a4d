//! What people read.

use super::*;
use crate::model::OnChange;
use crate::plan::tests::world::*;
use crate::plan::{PlanInput, PlanOptions, plan};

fn shown(roles: &[RoleSpec], inventory: &crate::inventory::Inventory) -> String {
    let desired = desired(roles);
    let options = PlanOptions::default();
    let (plan, report) = plan(&PlanInput { desired: &desired, inventory, options: &options });
    text(&plan, &report, &TextOptions::default())
}

#[test]
fn one_setting_shows_the_diff_once_for_all_hosts() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=1\nb=3\n", OnChange::Restart);
    insta::assert_snapshot!(shown(&roles, &before));
}

#[test]
fn bootstrap_reads_as_a_few_lines() {
    insta::assert_snapshot!(shown(&platform(), &empty(&desired(&platform()))));
}

#[test]
fn an_upgrade_says_where_there_is_no_way_back() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles[1..] {
        role.version = "2.0.0";
    }
    insta::assert_snapshot!(shown(&roles, &before));
}

#[test]
fn what_was_left_broken_is_told_as_what_it_is() {
    let mut before = converged(&desired(&platform()));
    kill(&mut before, "coord@node2");
    not_ready(&mut before, "store-hot@node3");
    process(&mut before, "store-lead@node1").supervised = None;
    process(&mut before, "view@node1").restart_generation = crate::model::Digest::of(b"older");
    before.services.get_mut(&service("store")).expect("store").settings.insert(name("moves"), Ok("off".into()));
    at(&mut before, "node1").debris = vec![".tmp-1".to_owned()];
    of(&mut before, "store-lead@node2").files.get_mut("main.conf").expect("file").mode = 0o600;
    insta::assert_snapshot!(shown(&platform(), &before));
    insta::assert_snapshot!(status(&desired(&platform()), &before).text(false));
}

#[test]
fn nothing_to_do_is_one_line() {
    let desired = desired(&platform());
    assert_eq!(
        shown(&platform(), &converged(&desired)),
        "test: nothing to do, 3 hosts and 11 instances are as declared\n"
    );
    let status = status(&desired, &converged(&desired));
    assert!(status.healthy);
}

#[test]
fn a_long_diff_can_be_shown_in_short_or_not_at_all_and_colour_is_only_colour() {
    let lines = |first: u32| (first..first + 40).map(|n| format!("key{n}={n}")).collect::<Vec<_>>().join("\n") + "\n";
    let mut roles = platform();
    roles[3] = roles[3].clone().file("main.conf", &lines(0), OnChange::Restart);
    let before = converged(&desired(&roles));
    roles[3] = roles[3].clone().file("main.conf", &lines(100), OnChange::Restart);
    let declared = desired(&roles);
    let (plan, report) = plan(&PlanInput { desired: &declared, inventory: &before, options: &PlanOptions::default() });
    let shown = |diff, colour| text(&plan, &report, &TextOptions { diff, width: 80, colour });
    let short = shown(DiffStyle::Short, false);
    assert!(short.contains("-key0=0") && !short.contains("+key100=100"), "{short}");
    assert!(short.contains("      ... 69 more lines, shown by --diff full\n"), "{short}");
    let none = shown(DiffStyle::None, false);
    assert!(none.contains("~ main.conf") && !none.contains("key0"), "{none}");
    let full = shown(DiffStyle::Full, false);
    assert!(full.contains("+key100=100"), "{full}");
    let mut plain = shown(DiffStyle::Full, true);
    for code in ["1", "32", "31", "33", "1;31", "2", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, full);
    assert!(full.lines().all(|line| line.chars().count() <= 80), "{full}");
}
