//! Settings of whole services: what somebody left changed, and what follows how many members there are.

use super::*;

/// A store whose setting is a majority, with its lead on the first hosts.
fn roles(hosts: usize) -> Vec<RoleSpec> {
    const HOSTS: [&str; 6] = ["node1", "node2", "node3", "node4", "node5", "node6"];
    let mut module = store();
    module.quorum = Some(expr("true"));
    module.settled[0].expect = expr(&format!("value == {}", hosts / 2 + 1));
    module.settled[0].majority = true;
    let mut lead = RoleSpec::new("store-lead", module, &HOSTS[..hosts]);
    (lead.tier, lead.port) = ("lead", 2000);
    let mut coord = RoleSpec::new("coord", coord(), &HOSTS[..3]);
    coord.files.clear();
    vec![coord, lead.file("main.conf", &format!("members={hosts}\n"), OnChange::Restart)]
}

/// What a plan makes of it, from so many members to so many, with the setting at a number: steps in order, and values.
fn course(from: usize, to: usize, is: u64) -> Vec<String> {
    let (before, after) = (desired(&roles(from)), desired(&roles(to)));
    let mut inventory = converged(&before);
    let store = inventory.services.get_mut(&service("store")).expect("store");
    store.settings.insert(name("moves"), Ok(is.into()));
    for (host, empty) in empty(&after).hosts {
        inventory.hosts.entry(host).or_insert(empty);
    }
    let mut declared = after;
    declared.hosts.extend(before.hosts);
    let gone = before.instances.into_iter().filter(|(id, _)| !declared.instances.contains_key(id));
    declared.leaving = gone.collect();
    let waivers = [(name("quorum-outage"), "it is one".to_owned()), (name("quorum"), "it is one".to_owned())].into();
    let (plan, _) = made(&declared, &inventory, &PlanOptions { waivers, ..free() });
    assert_eq!(crate::check::check(&plan, &declared, &inventory), vec![], "{}", told(&plan));
    let about = |step: &Step| match &step.kind {
        StepKind::Repair { value, .. } => Some(format!("{} to {value}", step.id.0.replace(" moves of store", ""))),
        StepKind::Roll(roll) if roll.service == service("store") => {
            let word = step.id.0.split(' ').next().unwrap_or_default();
            Some(format!("{word} {}", roll.instance.host))
        }
        StepKind::PickNext { .. } => Some("rest".to_owned()),
        _ => None,
    };
    plan.steps.iter().filter_map(about).collect()
}

#[test]
fn a_majority_is_raised_before_members_join() {
    assert_eq!(course(3, 5, 2)[..3], ["repair to 3", "start node4", "start node5"]);
    // More than are there could not agree.
    let more = course(3, 6, 2);
    assert_eq!(more[..5], ["repair to 3", "start node4", "start node5", "start node6", "raise to 4"], "{more:?}");
    assert_eq!(course(1, 3, 1)[..3], ["start node2", "start node3", "raise to 2"]);
    assert_eq!(course(3, 3, 2), [""; 0]);
    assert_eq!(course(3, 3, 1), ["repair to 2"]);
}

#[test]
fn a_majority_is_lowered_as_members_leave() {
    let less = course(5, 3, 3);
    assert_eq!(less[0], "keep to 3", "files that name fewer are exchanged in between: {less:?}");
    let end = ["leave node4", "leave node5", "when store-lead@node5 leaves lower to 2"];
    assert!(less.ends_with(&end.map(str::to_owned)) && less.len() > 4, "{less:?}");
    let half = course(6, 3, 4);
    let end = [
        "leave node4",
        "when store-lead@node4 leaves lower to 3",
        "leave node5",
        "leave node6",
        "when store-lead@node6 leaves lower to 2",
    ];
    assert!(half.ends_with(&end.map(str::to_owned)), "{half:?}");
    // Whoever stays could not agree to it.
    let one = course(2, 1, 2);
    assert!(one.ends_with(&["when store-lead@node2 leaves lower to 1", "leave node2"].map(str::to_owned)), "{one:?}");
}

#[test]
fn leftovers_are_put_back_before_anything_is_rolled() {
    let mut before = converged(&desired(&platform()));
    before.services.get_mut(&service("store")).expect("store").settings.insert(name("moves"), Ok("off".into()));
    let (_, _, text) = checked(&platform(), &before, &free());
    assert_eq!(text, "repair moves of store\nstore converged\n");
    let record = crate::inventory::UndoRecord {
        service: service("store"),
        instance: id("store-hot@node2"),
        setting: name("moves"),
        value: "all".into(),
    };
    at(&mut before, "node2").undo.insert("store.moves.json".to_owned(), record);
    kill(&mut before, "store-hot@node2");
    let (_, _, text) = checked(&platform(), &before, &free());
    assert_eq!(
        text,
        "undo store.moves.json on node2\n[Repair] start store-hot@node2: start ready after healthy\nstore converged\n"
    );
}
