//! Programs that hosts lack, of which a module names the package: installed where the file allows it, before anything else.

use crate::platform::declare::{declare, host};
use crate::platform::drive::{self, How, converge, left_to_do, observe, paused, plan_of};
use crate::platform::spec::example;
use crate::platform::watch::Watch;
use es_cluster::apply::End;
use es_cluster::check::{Violation, check};
use es_cluster::desired::{Desired, Need, Supervisor};
use es_cluster::diff::Change;
use es_cluster::model::NeedKind;
use es_cluster::plan::{Again, NeedState, PlanInput, PlanOptions, StepKind, plan as plan_it};
use es_cluster::sim::{Behaviour, Cluster, Effect};
use std::sync::Arc;

const PROGRAM: &str = "interpreter";
const PACKAGE: &str = "interpreter-minimal";

fn need(allowed: bool) -> Need {
    let kind = NeedKind::Command { name: PROGRAM.to_owned(), package: Some(PACKAGE.to_owned()) };
    Need { kind, wish: false, allowed }
}

/// The example, of which everything on the first host needs a program that no host has.
fn needing(allowed: bool) -> (Desired, Cluster) {
    let mut desired = declare(&example());
    for one in desired.instances.values_mut().filter(|one| one.id.host == host(1)) {
        one.needs = Arc::new([need(allowed)]);
    }
    let cluster = lacking(&desired);
    (desired, cluster)
}

fn lacking(desired: &Desired) -> Cluster {
    let cluster = Cluster::new(desired, Behaviour::default(), 7);
    for at in cluster.hosts() {
        cluster.by_hand(&at, |machine| _ = machine.commands.insert(PROGRAM.to_owned(), false));
    }
    cluster
}

#[test]
fn what_is_allowed_is_installed_before_anything_is_made_ready() {
    paused(async {
        let (desired, cluster) = needing(true);
        let (plan, report) = plan_of(&desired, &observe(&cluster, &desired).await);
        assert!(plan.applyable(), "{:?}", plan.refusals);
        let row = report.needs.iter().find(|row| row.need == format!("command.{PROGRAM}")).expect("a row");
        assert_eq!((row.state, row.hosts.len()), (NeedState::Fixed, 1));
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        drive::settle(&cluster).await;
        assert_eq!(left_to_do(&cluster, &desired).await, [""; 0], "installed once");
        let behaviour = Behaviour::default();
        let watch = Watch { desired: &desired, behaviour: &behaviour, recreated: false, drifted: false };
        assert_eq!(watch.violations(&applied), [""; 0]);
        let wrote = |what: &str| {
            let here = |effect: &Effect| match effect {
                Effect::Wrote { host: at, paths } => *at == host(1) && paths.iter().any(|path| path.contains(what)),
                _ => false,
            };
            applied.trace.iter().position(|traced| here(&traced.effect)).unwrap_or_else(|| panic!("{what} is written"))
        };
        assert!(wrote(&format!("package {PACKAGE}")) < wrote("/software/"), "before anything is laid out there");
        assert!(!applied.trace.iter().any(|traced| matches!(&traced.effect,
            Effect::Wrote { host: at, paths } if *at != host(1) && paths.iter().any(|path| path.starts_with("package")))));
    });
}

#[test]
fn what_is_not_allowed_is_refused_and_says_how_it_could_be() {
    paused(async {
        let (desired, cluster) = needing(false);
        let inventory = observe(&cluster, &desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        let refused = plan.standing_refusals().find(|refusal| refusal.name.as_str() == "command.interpreter");
        let refused = refused.expect("refused");
        assert!(refused.help.contains("allow \"command.interpreter\""), "{}", refused.help);
        assert!(!plan.steps.iter().any(|step| matches!(step.kind, StepKind::Install { .. })));
        // Where nobody could install it, nothing is offered.
        let mut without = inventory.clone();
        for seen in without.hosts.values_mut() {
            if let es_cluster::inventory::Seen::Seen(seen) = seen {
                seen.facts.installs = Some(false);
            }
        }
        let (plan, report) = plan_of(&desired, &without);
        let refused = plan.standing_refusals().find(|refusal| refusal.name.as_str() == "command.interpreter");
        assert_eq!(refused.expect("refused").help, "install the package that has it");
        assert!(report.needs.iter().all(|row| !row.can_be_allowed), "{:?}", report.needs);
    });
}

/// What one module names the package of is there for another one that does not; and a run that gives nothing says so.
#[test]
fn a_program_is_one_program_whoever_needs_it() {
    paused(async {
        let (mut desired, cluster) = needing(true);
        let bare = NeedKind::Command { name: PROGRAM.to_owned(), package: None };
        let last = desired.instances.values_mut().rfind(|one| one.id.host == host(1)).expect("an instance");
        last.needs = Arc::new([Need { kind: bare, wish: false, allowed: true }]);
        let inventory = observe(&cluster, &desired).await;
        let (plan, report) = plan_of(&desired, &inventory);
        assert!(plan.applyable(), "{:?}", plan.refusals);
        assert!(report.needs.iter().all(|row| row.state != NeedState::Fail), "{:?}", report.needs);
        let options = PlanOptions { asked: Some(Again::Restart { since: 0 }), ..PlanOptions::default() };
        let (plan, report) = plan_it(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
        assert!(!plan.steps.iter().any(|step| matches!(step.kind, StepKind::Install { .. })));
        assert!(report.needs.iter().all(|row| row.state != NeedState::Fixed), "{:?}", report.needs);
    });
}

/// A supervisor can't be started without its interpreter, whatever the roles of its host need.
#[test]
fn what_a_supervisor_needs_is_looked_for_and_installed_too() {
    paused(async {
        for allowed in [true, false] {
            let mut desired = declare(&example());
            for one in desired.hosts.values_mut() {
                if let Supervisor::Supervisord(own) = &mut one.supervisor {
                    own.needs = vec![need(allowed)];
                }
            }
            let cluster = lacking(&desired);
            let (plan, _) = plan_of(&desired, &observe(&cluster, &desired).await);
            let refused = plan.standing_refusals().find(|refusal| refusal.name.as_str() == "command.interpreter");
            let installs = plan.steps.iter().any(|step| matches!(step.kind, StepKind::Install { .. }));
            assert_eq!((refused.is_some(), installs), (!allowed, allowed));
            if let Some(refused) = refused {
                assert!(refused.message.contains("supervisord"), "{}", refused.message);
            }
        }
    });
}

#[test]
fn nothing_is_installed_that_nobody_needs_or_that_the_plan_does_not_list() {
    paused(async {
        let (desired, cluster) = needing(true);
        let inventory = observe(&cluster, &desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        assert_eq!(check(&plan, &desired, &inventory), []);
        let wrong = |found: &[Violation]| found.iter().any(|one| matches!(one, Violation::PackageNotAllowed { .. }));
        let mut unlisted = plan.clone();
        unlisted.changes.retain(|change| !matches!(change, Change::Packages { .. }));
        assert!(wrong(&check(&unlisted, &desired, &inventory)));
        let mut other = plan.clone();
        for step in &mut other.steps {
            if let StepKind::Install { packages, .. } = &mut step.kind {
                packages.insert("netcat".to_owned(), [PROGRAM.to_owned()].into());
            }
        }
        assert!(wrong(&check(&other, &desired, &inventory)));
        let mut late = plan.clone();
        for step in &mut late.steps {
            step.needs.retain(|needed| needed.0 != "install node1");
        }
        let found = check(&late, &desired, &inventory);
        assert!(found.iter().any(|one| matches!(one, Violation::InstallsTooLate { .. })), "{found:?}");
        // It is there by now.
        cluster.by_hand(&host(1), |machine| _ = machine.commands.insert(PROGRAM.to_owned(), true));
        assert!(wrong(&check(&plan, &desired, &observe(&cluster, &desired).await)));
        let forbidden = needing(false).0;
        assert!(wrong(&check(&plan, &forbidden, &inventory)));
    });
}
