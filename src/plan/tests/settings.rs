//! Settings of whole services: what somebody left changed, and what follows how many members there are.

use super::*;
use serde_json::json;

/// A store whose setting should be a number, with its lead on these hosts.
fn roles(should: u64, hosts: &[&'static str]) -> Vec<RoleSpec> {
    let mut module = store();
    module.settled[0].expect = expr(&format!("value == {should}"));
    module.settled[0].repair = crate::model::Repair::To(should.into());
    let mut lead = RoleSpec::new("store-lead", module, hosts);
    (lead.tier, lead.port) = ("lead", 2000);
    vec![
        RoleSpec::new("coord", coord(), &ALL),
        lead.file("main.conf", &format!("members={}\n", hosts.len()), OnChange::Restart),
    ]
}

/// What these roles have come to, with the setting at a number.
fn now(roles: &[RoleSpec], is: u64) -> Inventory {
    let mut inventory = converged(&desired(roles));
    let store = inventory.services.get_mut(&service("store")).expect("store");
    store.settings.insert(name("moves"), Ok(json!(is)));
    inventory
}

fn position(text: &str, step: &str) -> usize {
    text.lines().position(|line| line.contains(step)).unwrap_or_else(|| panic!("no {step:?} in\n{text}"))
}

#[test]
fn it_is_raised_before_a_member_joins() {
    let (before, after) = (roles(2, &ALL[..2]), roles(3, &ALL));
    let inventory = now(&before, 2);
    let (_, _, text) = checked(&after, &inventory, &free());
    assert!(position(&text, "repair moves of store") < position(&text, "start store-lead@node3"), "{text}");
}

#[test]
fn it_stays_until_those_that_leave_have_left() {
    let (before, after) = (roles(3, &ALL), roles(2, &ALL[..2]));
    let inventory = now(&before, 3);
    let mut less = desired(&after);
    let gone = id("store-lead@node3");
    less.leaving.insert(gone.clone(), desired(&before).instances.remove(&gone).expect("it was declared"));
    let (plan, _) = made(&less, &inventory, &free());
    assert_eq!(crate::check::check(&plan, &less, &inventory), vec![], "{}", told(&plan));
    let text = told(&plan);
    let order = ["keep moves of store", "roll store-lead@node1", "leave store-lead@node3", "repair moves of store"];
    let places: Vec<usize> = order.iter().map(|step| position(&text, step)).collect();
    assert!(places.is_sorted(), "files that name fewer are exchanged in between: {text}");
    let kept = plan.steps.iter().find(|step| step.id.0 == "keep moves of store").expect("a step");
    assert!(matches!(&kept.kind, StepKind::Repair { value, .. } if *value == json!(3)));
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
