//! The order of a platform as `esplan graph` shows it.

use crate::bad::Texts;
use crate::scenarios::{desired, folder};
use es_cluster::desired::Desired;
use es_cluster::plan::{Plan, PlanInput, PlanOptions, StepKind, Wave, plan, rehearsal};
use es_cluster::render::{self, GraphFormat};
use es_cluster::sim::{Behaviour, Cluster};
use std::collections::BTreeMap;

fn declared(change: impl Fn(&str) -> String) -> Desired {
    let texts = Texts::below(&folder().join("_base"));
    let cluster = String::from_utf8(texts.0["cluster.kdl"].clone()).expect("text");
    desired(&texts, &change(&cluster))
}

/// Who may be the canary of each role, and how many are.
fn canaries(plan: &Plan) -> BTreeMap<String, (Vec<String>, usize)> {
    let mut found = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.wave == Some(Wave::Canary)) {
        let (rolls, take) = match &step.kind {
            StepKind::Roll(roll) => (std::slice::from_ref(roll), 1),
            StepKind::PickNext { candidates, take, .. } => (candidates.as_slice(), *take as usize),
            _ => continue,
        };
        let ids: Vec<String> = rolls.iter().map(|roll| roll.instance.to_string()).collect();
        found.insert(rolls[0].instance.role.to_string(), (ids, take));
    }
    found
}

#[test]
fn the_first_of_each_role_is_who_a_plan_takes() {
    for rollout in ["canary 1 soak=\"30s\"", "canary 2", "canary 1 scope=\"host\"", "canary 0"] {
        let with =
            |cluster: &str| cluster.replace("rollout { canary 1 soak=\"30s\"; }", &format!("rollout {{ {rollout}; }}"));
        let with = |cluster: &str| with(cluster).replace("canary 1 scope=\"host\"", "canary 1; scope \"host\"");
        let before = declared(|cluster| with(cluster));
        // A runtime that everything is restarted for.
        let after = declared(|cluster| with(cluster).replace("runtime \"11.0.9\"", "runtime \"11.0.13\""));
        let platform = Cluster::new(&before, Behaviour::default(), 1);
        platform.converge(&before);
        let inventory = platform.inventory(&after);
        let options = PlanOptions::default();
        let (real, _) = plan(&PlanInput { desired: &after, inventory: &inventory, options: &options });
        let (mut all, taken) = (canaries(&rehearsal(&after)), canaries(&real));
        all.retain(|role, _| role != "view"); // it has no runtime
        assert_eq!(all, taken, "{rollout}");
        assert_eq!(taken.is_empty(), rollout == "canary 0");
    }
}

#[test]
fn the_graph_needs_no_host_and_folds_names() {
    let wide = |cluster: &str| {
        let hosts =
            cluster.replace("\"node[1-3]\" address=\"10.0.0.[1-3]\"", "\"node[1-40]\" address=\"10.0.0.[1-40]\"");
        hosts.replace("store \"hot\" on=\"node[1-3]\"", "store \"hot\" on=\"node[1-40]\"")
    };
    let declared = declared(wide);
    let text = render::graph(&declared, &rehearsal(&declared), GraphFormat::Text).expect("an order");
    let lines = [
        "scene: 48 instances, 4 roles, in this order\n",
        "\nstore · hot, after store · lead\n    store-hot@node[1-40]\n",
        " canary node1: ready 3m, healthy 30m, soak 30s\n",
        "\nview, after store · hot\n    view@node[1-2]\n",
    ];
    for line in lines {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn every_format_says_the_same_order() {
    let declared = declared(str::to_owned);
    let drawn = |format| render::graph(&declared, &rehearsal(&declared), format).expect("an order");
    assert!(drawn(GraphFormat::Dot).contains("n0 -> n1;") && drawn(GraphFormat::Mermaid).contains("n0 --> n1"));
    let svg = drawn(GraphFormat::Svg);
    let mut reader = quick_xml::Reader::from_str(&svg);
    let mut boxes = 0;
    loop {
        match reader.read_event().expect("the picture is XML") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(start) => {
                let class = start.try_get_attribute("class").expect("attributes").map(|class| class.value.into_owned());
                boxes += usize::from(class.is_some_and(|class| class.starts_with("g-node")));
            }
            _ => {}
        }
    }
    assert_eq!(boxes, 4, "coord, two tiers of store, view");
    assert!(svg.contains("prefers-color-scheme: dark"), "light and dark");
}
