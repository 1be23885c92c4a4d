//! Orders, circles, reductions.

use super::*;
use crate::diag::{Span, Spanned};
use crate::model::ModuleName;
use crate::plan::tests::world::*;

fn after(name: &'static str, first: &[&str]) -> RoleSpec {
    let mut module = module(name);
    let spanned = |name: &&str| Spanned::new(ModuleName::new(name).expect("name"), Span::default());
    module.after = first.iter().map(spanned).collect();
    RoleSpec::new(name, module, &["node1"])
}

fn order(roles: &[RoleSpec]) -> Vec<String> {
    service_order(&desired(roles)).expect("an order").iter().map(ToString::to_string).collect()
}

#[test]
fn services_come_after_those_they_need_and_by_name_where_nothing_orders_them() {
    let roles = [after("b", &["z"]), after("a", &["c"]), after("c", &[]), after("z", &["c", "absent"])];
    assert_eq!(order(&roles), ["c", "a", "z", "b"]);
    let reversed: Vec<RoleSpec> = roles.iter().rev().cloned().collect();
    assert_eq!(order(&reversed), order(&roles), "the order of the file does not matter");
    assert_eq!(before(&desired(&roles), &service("b")), [service("c"), service("z")]);
}

#[test]
fn a_circle_is_an_error_that_names_its_members() {
    let roles = [after("a", &["c"]), after("b", &["a"]), after("c", &["b"]), after("d", &["a"])];
    let cycle = service_order(&desired(&roles)).expect_err("a circle");
    assert_eq!(cycle.to_string(), "these services come after each other in a circle: a, b, c");
}

#[test]
fn tiers_follow_the_order_of_the_module_and_services_wait_for_the_last_tier() {
    let desired = desired(&platform());
    let told = |which| {
        let stages = stages(&desired, |_| which).expect("stages");
        let names: Vec<String> =
            stages.stages.iter().map(|stage| format!("{} {}", stage.service, stage.tier)).collect();
        (names, stages.needs)
    };
    let needs = vec![vec![], vec![0], vec![1], vec![2]];
    let names = |tiers: [&str; 2]| {
        let [first, second] = tiers.map(|tier| format!("store {tier}"));
        vec!["coord ".to_owned(), first, second, "view ".to_owned()]
    };
    assert_eq!(told(TierOrder::Start), (names(["lead", "hot"]), needs.clone()));
    assert_eq!(told(TierOrder::Upgrade), (names(["hot", "lead"]), needs));
}

#[test]
fn a_reduction_keeps_what_comes_before_what_with_the_fewest_edges() {
    let needs = vec![vec![], vec![0], vec![0, 1], vec![0, 1, 2], vec![0], vec![3, 4, 0]];
    assert_eq!(reduced(&needs), [vec![], vec![0], vec![1], vec![2], vec![0], vec![3, 4]]);
    assert_eq!(reduced(&[]), Vec::<Vec<usize>>::new());
}
