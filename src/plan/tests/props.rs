//! Random platforms with random faults and changes: every plan passes the independent check.

use super::told;
use super::world::*;
use crate::check::check;
use crate::inventory::{Held, HeldWhat, Inventory, Previous, Seen, Unseen};
use crate::model::{Digest, OnChange, Scope};
use crate::plan::{Again, PlanInput, PlanOptions, Target, plan};
use proptest::prelude::*;

/// Something that happened to one instance, by number.
#[derive(Debug, Clone)]
enum Fault {
    Killed(usize),
    NotReady(usize),
    Unsupervised(usize),
    OldProcess(usize),
    Edited(usize),
    Held(usize, bool),
    Gone(usize),
    ReloadOwed(usize),
    HostUnseen(usize),
    SupervisorDown(usize),
    Setting,
}

/// Something that the file says now, about one role, by number.
#[derive(Debug, Clone)]
enum Edit {
    Restart(usize),
    Reload(usize),
    Note(usize),
    Version(usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let number = || 0..12_usize;
    prop_oneof![
        number().prop_map(Fault::Killed),
        number().prop_map(Fault::NotReady),
        number().prop_map(Fault::Unsupervised),
        number().prop_map(Fault::OldProcess),
        number().prop_map(Fault::Edited),
        (number(), any::<bool>()).prop_map(|(number, back)| Fault::Held(number, back)),
        number().prop_map(Fault::Gone),
        number().prop_map(Fault::ReloadOwed),
        (0..3_usize).prop_map(Fault::HostUnseen),
        (0..3_usize).prop_map(Fault::SupervisorDown),
        Just(Fault::Setting),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = || 0..5_usize;
    prop_oneof![
        number().prop_map(Edit::Restart),
        number().prop_map(Edit::Reload),
        number().prop_map(Edit::Note),
        number().prop_map(Edit::Version),
    ]
}

fn edited(edits: &[Edit]) -> Vec<RoleSpec> {
    let mut roles = platform();
    let mut other = RoleSpec::new("view-other", view(), &["node3"]);
    other.port = 3001;
    roles.push(other);
    for role in &mut roles {
        *role = role.clone().file("rules", "a\n", OnChange::Reload).file("note", "a\n", OnChange::Nothing);
    }
    for edit in edits {
        let (Edit::Restart(number) | Edit::Reload(number) | Edit::Note(number) | Edit::Version(number)) = edit;
        let role = &mut roles[*number];
        *role = match edit {
            Edit::Restart(_) => role.clone().file("main.conf", "b\n", OnChange::Restart),
            Edit::Reload(_) => role.clone().file("rules", "b\n", OnChange::Reload),
            Edit::Note(_) => role.clone().file("note", "b\n", OnChange::Nothing),
            Edit::Version(_) => RoleSpec { version: "2.0.0", ..role.clone() },
        };
    }
    roles
}

fn strike(inventory: &mut Inventory, fault: &Fault, names: &[String]) {
    let hosts = ["node1", "node2", "node3"];
    let seen = |inventory: &Inventory, at: &str| {
        inventory.hosts.iter().any(|(name, seen)| name.as_str() == at && seen.seen().is_some())
    };
    let whole = |inventory: &mut Inventory, number: usize| {
        let name = names.get(number)?.clone();
        let runs = seen(inventory, id(&name).host.as_str())
            && matches!(of(inventory, &name).process, crate::inventory::ProcessObservation::Running(_));
        runs.then_some(name)
    };
    match fault {
        Fault::Killed(number) => _ = whole(inventory, *number).map(|name| kill(inventory, &name)),
        Fault::NotReady(number) => _ = whole(inventory, *number).map(|name| not_ready(inventory, &name)),
        Fault::Unsupervised(number) => {
            _ = whole(inventory, *number).map(|name| process(inventory, &name).supervised = None);
        }
        Fault::OldProcess(number) => {
            let old = Digest::of(b"old");
            _ = whole(inventory, *number).map(|name| process(inventory, &name).restart_generation = old);
        }
        Fault::ReloadOwed(number) => {
            _ = whole(inventory, *number).map(|name| process(inventory, &name).reload_owed = true);
        }
        Fault::Edited(number) => {
            let Some(name) = whole(inventory, *number) else { return };
            let file = of(inventory, &name).files.get_mut("main.conf");
            _ = file.map(|file| file.sha256 = Digest::of(b"mine"));
        }
        Fault::Held(number, back) => {
            let Some(name) = whole(inventory, *number) else { return };
            let found = of(inventory, &name);
            let what = if *back { HeldWhat::RolledBack } else { HeldWhat::Stopped };
            let to = found.current.filter(|_| *back);
            found.held = Some(Held { by: "ann".to_owned(), why: "why".to_owned(), what, from: None, to });
        }
        Fault::Gone(number) => {
            let Some(name) = whole(inventory, *number) else { return };
            *of(inventory, &name) = crate::inventory::InstanceObservation::default();
        }
        Fault::HostUnseen(number) => {
            let unseen = Seen::Unseen(Unseen { why: "gone".to_owned() });
            inventory.hosts.insert(host(hosts[*number]), unseen);
        }
        Fault::SupervisorDown(number) => {
            if seen(inventory, hosts[*number]) {
                at(inventory, hosts[*number]).supervisor.pid = None;
            }
        }
        Fault::Setting => {
            let store = inventory.services.get_mut(&service("store"));
            _ = store.map(|store| store.settings.insert(name("moves"), Ok("off".into())));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_passes_the_check(
        faults in prop::collection::vec(fault(), 0..6),
        edits in prop::collection::vec(edit(), 0..4),
        whole_host in any::<bool>(),
        (batch, canary) in (1..4_u32, 0..3_u32),
        (canary_only, waived) in (any::<bool>(), any::<bool>()),
        asked in prop::sample::select(vec![
            None, None, Some(Again::Restart { since: 0 }), Some(Again::Reload), Some(Again::Start), Some(Again::Stop),
            Some(Again::Release), Some(Again::Rollback),
        ]),
        only in prop::option::of(prop::collection::vec(0..12_usize, 1..6)),
    ) {
        let before = desired(&edited(&[]));
        let names: Vec<String> = before.instances.keys().map(ToString::to_string).collect();
        let mut inventory = converged(&before);
        for (number, one) in names.iter().enumerate().filter(|_| asked == Some(Again::Rollback)) {
            let found = of(&mut inventory, one);
            let generation = Digest::of(b"before");
            found.generations.push(generation);
            found.previous = Some(Previous { generation, software: vec![], phased: number == 0 });
        }
        for fault in &faults {
            strike(&mut inventory, fault, &names);
        }
        let mut declared = desired(&edited(&edits));
        declared.rollout.scope = if whole_host { Scope::Host } else { Scope::Role };
        (declared.rollout.batch, declared.rollout.canary) = (batch.into(), canary);
        let mut options = PlanOptions { canary_only, asked, ..PlanOptions::default() };
        if let Some(only) = only.filter(|_| asked.is_some()) {
            options.only = only.iter().filter_map(|one| names.get(*one)).map(|one| Target::Instance(id(one))).collect();
        }
        if waived {
            options.waivers.insert(name("unobserved"), "known".to_owned());
        }
        let (made, _) = plan(&PlanInput { desired: &declared, inventory: &inventory, options: &options });
        // What is refused is checked too: it is shown, and what the refusals do not say must hold in it.
        let found = check(&made, &declared, &inventory);
        prop_assert!(found.is_empty(), "{found:#?}\n{}", told(&made));
        if asked.is_some() {
            return Ok(());
        }
        if faults.is_empty() && edits.is_empty() {
            prop_assert!(made.steps.is_empty());
        }
        if !made.changes.iter().any(|change| !change.only_shown()) {
            prop_assert!(made.steps.is_empty(), "{}", told(&made));
        }
    }
}
