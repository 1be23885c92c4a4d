//! `accept`: what somebody changed on a host is left as it is, with a reason, until a day.

use crate::bad::Texts;
use crate::scenarios::{converged, desired, folder, nothing};
use es_cluster::config;
use es_cluster::desired::Desired;
use es_cluster::diag::{Code, Sources};
use es_cluster::inventory::{Inventory, Seen};
use es_cluster::model::Digest;
use es_cluster::plan::{Plan, PlanInput, PlanOptions, plan};
use es_cluster::render::{self, Format, Places, Shown, TextOptions};

const ACCEPT: &str = "accept \"coord\" \"coord.cfg\" on=\"node3\" until=\"2026-12-31\" reason=\"ticket 4711\"\n";

/// What was edited by hand: the same file on two hosts.
fn edited(desired: &Desired) -> Inventory {
    let mut inventory = converged(desired);
    for (name, seen) in &mut inventory.hosts {
        let Seen::Seen(host) = seen else { continue };
        if ["node2", "node3"].contains(&name.as_str()) {
            let file = host.instances.get_mut("coord").and_then(|one| one.files.get_mut("coord.cfg")).expect("a file");
            file.sha256 = Digest::of(b"by hand");
        }
    }
    inventory
}

fn planned(desired: &Desired, inventory: &Inventory) -> (Plan, String) {
    let options = PlanOptions::default();
    let (plan, report) = plan(&PlanInput { desired, inventory, options: &options });
    let places = Places::default();
    let shown = Shown { plan: &plan, report: &report, desired, places: &places };
    let text = render::plan(Format::Text, &shown, &TextOptions::default());
    (plan, text)
}

#[test]
fn what_is_accepted_is_left_until_its_day_and_an_error_after_it() {
    let base = Texts::below(&folder().join("_base"));
    let cluster = String::from_utf8(base.0["cluster.kdl"].clone()).expect("text");
    let accepting = format!("{cluster}\n{ACCEPT}");
    let declared = desired(&base, &accepting);

    // The host that is named is left alone and told about; the other one is not forgiven.
    let (made, text) = planned(&declared, &edited(&declared));
    let touched: Vec<String> = made.steps.iter().map(|step| step.id.0.clone()).collect();
    let of = |instance: &str| touched.iter().any(|id| id.contains(instance));
    assert!(of("coord@node2") && !of("coord@node3"), "{touched:?}\n{text}");
    assert!(text.contains("accepted until 2026-12-31: ticket 4711"), "{text}");

    // Nothing is accepted that is not there yet: a new host gets what is declared.
    let (made, _) = planned(&declared, &nothing(&declared));
    let coord = made.steps.iter().any(|step| step.id.0.clone().contains("coord@node3"));
    assert!(coord, "the file is written where there is none");

    // On the day itself it holds, and from the next one on it is an error with its place and its reason.
    let mut texts = base.clone();
    texts.0.insert("cluster.kdl".to_owned(), accepting.clone().into_bytes());
    let (loaded, _) = config::load(&texts, "cluster.kdl", "modules", &mut Sources::new());
    let loaded = loaded.expect("a valid file");
    assert!(config::expired(&loaded.cluster, "2026-12-31").is_empty());
    let late = config::expired(&loaded.cluster, "2027-01-01");
    let found: Vec<_> = late.iter().collect();
    let [diag] = found.as_slice() else { panic!("one mistake: {found:?}") };
    let span = diag.span.expect("a place");
    assert_eq!((diag.code, &accepting[span.start..span.start + span.len]), (Code::Expired, "\"2026-12-31\""));
    assert!(diag.help.as_ref().is_some_and(|help| help.contains("ticket 4711")), "{diag:?}");
}
