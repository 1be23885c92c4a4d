//! What hosts lack and may be given: set before anything that needs it starts, kept for the next boot, and taken away again.

use crate::platform::declare::{declare, host};
use crate::platform::drive::{self, How, converge, left_to_do, observe, paused, plan_of};
use crate::platform::spec::example;
use crate::platform::watch::Watch;
use es_cluster::apply::End;
use es_cluster::check::{Violation, check};
use es_cluster::desired::{Desired, Need};
use es_cluster::inventory::{parse, request};
use es_cluster::model::NeedKind;
use es_cluster::plan::{NeedState, StepKind};
use es_cluster::sim::{Behaviour, Cluster, Effect};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const NAME: &str = "vm.max_map_count";

/// The example, of which everything on the first host needs so many maps.
fn needing(least: u64, allowed: bool) -> Desired {
    let mut desired = declare(&example());
    let kind = NeedKind::Sysctl { name: NAME.to_owned(), at_least: Some(least), at_most: None };
    for one in desired.instances.values_mut().filter(|one| one.id.host == host(1)) {
        one.needs = Arc::new([Need { kind: kind.clone(), wish: false, allowed }]);
    }
    desired
}

/// Hosts on which nothing is, whose kernels allow so many maps.
fn empty(desired: &Desired, maps: u64) -> Cluster {
    let cluster = Cluster::new(desired, Behaviour::default(), 7);
    for at in cluster.hosts() {
        cluster.by_hand(&at, |machine| _ = machine.kernel.insert(NAME.to_owned(), maps));
    }
    cluster
}

fn kernel(cluster: &Cluster) -> (u64, Option<BTreeMap<String, u64>>) {
    let machine = cluster.machine(&host(1)).expect("a host");
    (machine.kernel[NAME], machine.kept)
}

#[expect(clippy::unnecessary_wraps, reason = "what is compared with it is an option")]
fn kept(value: u64) -> Option<BTreeMap<String, u64>> {
    Some([(NAME.to_owned(), value)].into())
}

async fn apply(cluster: &Cluster, desired: &Desired) -> drive::Applied {
    cluster.declare(desired);
    let applied = converge(cluster, desired, &How::default()).await;
    assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
    drive::settle(cluster).await;
    assert_eq!(left_to_do(cluster, desired).await, [""; 0]);
    applied
}

#[test]
fn what_is_allowed_is_set_before_anything_starts_and_kept() {
    paused(async {
        let desired = needing(262_144, true);
        let cluster = empty(&desired, 65_530);
        let (plan, report) = plan_of(&desired, &observe(&cluster, &desired).await);
        assert!(plan.applyable(), "{:?}", plan.refusals);
        assert!(report.needs.iter().any(|row| row.need == NAME && row.state == NeedState::Fixed), "{:?}", report.needs);
        let applied = apply(&cluster, &desired).await;
        assert_eq!(kernel(&cluster), (262_144, kept(262_144)));
        assert_eq!(cluster.machine(&host(2)).expect("a host").kept, None, "nobody needs it there");
        let at = |wanted: &dyn Fn(&Effect) -> bool| applied.trace.iter().position(|traced| wanted(&traced.effect));
        let path = desired.hosts[&host(1)].kernel_file();
        let wrote = at(&|effect| matches!(effect, Effect::Wrote { paths, .. } if paths.contains(&path)));
        let start = at(&|effect| matches!(effect, Effect::Start { instance, .. } if instance.host == host(1)));
        assert!(wrote.expect("it is written") < start.expect("it starts"));
        let behaviour = Behaviour::default();
        let watch = Watch { desired: &desired, behaviour: &behaviour, recreated: false, drifted: false };
        assert_eq!(watch.violations(&applied), [""; 0]);

        // What is enough is somebody else's: it is neither lowered nor written down.
        cluster.by_hand(&host(1), |machine| _ = machine.kernel.insert(NAME.to_owned(), 1_000_000));
        assert_eq!(left_to_do(&cluster, &desired).await, [""; 0]);
        // What somebody lowered is set again, and nothing restarts for it.
        cluster.by_hand(&host(1), |machine| _ = machine.kernel.insert(NAME.to_owned(), 1000));
        let again = apply(&cluster, &desired).await;
        assert_eq!((kernel(&cluster), again.disturbed().len()), ((262_144, kept(262_144)), 0));
        // More is needed than is kept: a boot would bring the old value back.
        cluster.by_hand(&host(1), |machine| _ = machine.kernel.insert(NAME.to_owned(), 1_000_000));
        let more = needing(300_000, true);
        apply(&cluster, &more).await;
        assert_eq!(kernel(&cluster), (1_000_000, kept(300_000)));
        // Nobody allows it any more: what we keep goes away, and what holds now stays.
        apply(&cluster, &needing(300_000, false)).await;
        assert_eq!(kernel(&cluster), (1_000_000, None));
    });
}

/// Shells read byte by byte where they can't go back, and the kernel gives no more than the first piece of such a file.
#[test]
fn a_kernel_setting_is_read_whole_by_whatever_shell_there_is() {
    let desired = needing(262_144, true);
    let own: Vec<_> = desired.instances.values().filter(|one| one.id.host == host(1)).cloned().map(Arc::new).collect();
    let asked = &desired.hosts[&host(1)];
    let script = request(asked, &own, false).expect("a script");
    let path = Path::new("/proc/sys").join(NAME.replace('.', "/"));
    let is: u64 = fs::read_to_string(path).expect("a kernel setting").trim().parse().expect("a number");
    for shell in ["sh", "bash"] {
        let mut child = Command::new(shell)
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
        let answer = child.wait_with_output().expect("an answer").stdout;
        let seen = parse(&answer, asked, &own).expect("an answer");
        assert_eq!(seen.facts.sysctl, [(NAME.to_owned(), is)].into(), "{shell}");
    }
}

#[test]
fn what_is_not_allowed_is_refused_and_says_how_it_could_be() {
    paused(async {
        let desired = needing(262_144, false);
        let cluster = empty(&desired, 65_530);
        let (plan, report) = plan_of(&desired, &observe(&cluster, &desired).await);
        let refused = plan.standing_refusals().find(|refusal| refusal.name.as_str() == NAME).expect("refused");
        assert!(refused.help.contains("allow \"vm.max_map_count\""), "{}", refused.help);
        assert!(report.needs.iter().any(|row| row.need == NAME && row.can_be_allowed), "{:?}", report.needs);
        assert!(!plan.steps.iter().any(|step| matches!(step.kind, StepKind::Provide { .. })));
    });
}

#[test]
fn nothing_is_set_that_nobody_needs_or_that_the_plan_does_not_list() {
    paused(async {
        let desired = needing(262_144, true);
        let cluster = empty(&desired, 65_530);
        let inventory = observe(&cluster, &desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        assert_eq!(check(&plan, &desired, &inventory), []);
        let mut unlisted = plan.clone();
        unlisted.changes.retain(|change| !matches!(change, es_cluster::diff::Change::Kernel { .. }));
        let found = check(&unlisted, &desired, &inventory);
        assert!(found.iter().any(|one| matches!(one, Violation::UnlistedFile { .. })), "{found:?}");
        for (name, value) in [("kernel.panic", 1), (NAME, 10)] {
            let mut wrong = plan.clone();
            for step in &mut wrong.steps {
                if let StepKind::Provide { set, .. } = &mut step.kind {
                    set.insert(name.to_owned(), value);
                }
            }
            let found = check(&wrong, &desired, &inventory);
            assert!(found.iter().any(|one| matches!(one, Violation::NotAllowed { .. })), "{name}: {found:?}");
        }
    });
}
