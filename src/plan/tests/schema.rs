//! The JSON Schema of plans: made from the types, kept in `docs/`, and true of every plan.

use super::world::*;
use crate::inventory::{Held, HeldWhat, Inventory};
use crate::model::{Digest, OnChange};
use crate::plan::{Made, Plan, PlanInput, PlanOptions, Saved, plan};
use schemars::JsonSchema;
use serde_json::Value;
use std::path::Path;

/// A plan as it is in a file, for its schema.
#[derive(JsonSchema)]
#[schemars(title = "A plan of es_cluster, format 6")]
#[expect(dead_code, reason = "only its shape is wanted")]
struct Document {
    /// sha256 of the rest, without `made`, as JSON without line breaks.
    digest: Digest,
    /// Who made it, when, and until when it may be applied; only in files.
    made: Option<Made>,
    #[schemars(flatten)]
    plan: Plan,
}

fn schema() -> String {
    let schema = schemars::schema_for!(Document);
    serde_json::to_string_pretty(&schema).expect("a schema") + "\n"
}

#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, schema()).expect("docs");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/plan.schema.json");
    assert!(kept == schema(), "the form of plans has changed: UPDATE=1 takes it over, and FORMAT has to go up");
}

/// Plans with everything in them that a plan can have.
fn plans() -> Vec<Plan> {
    let mut before = converged(&desired(&platform()));
    kill(&mut before, "store-hot@node2");
    let mut roles = platform();
    for role in &mut roles {
        *role = role.clone().file("main.conf", "a=2\n", OnChange::Restart);
        role.version = "2.0.0";
    }
    let changed = desired(&roles);
    let made =
        |inventory: &Inventory| plan(&PlanInput { desired: &changed, inventory, options: &PlanOptions::default() }).0;
    let mut held = before.clone();
    let from = Some(Digest::of(b"failed"));
    for one in ["view@node1", "coord@node2"] {
        of(&mut held, one).held =
            Some(Held { by: "eve".into(), why: "because".into(), what: HeldWhat::RolledBack, from, to: None });
    }
    vec![made(&Inventory::default()), made(&before), made(&held)]
}

#[test]
fn plans_are_as_their_schema_says() {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let made = Made { by: "ops@here".into(), at: "2026-01-31T12:00:00Z".into(), not_after: None };
    for plan in plans() {
        let text = plan.to_json(Some(&made));
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(Saved::from_json(&text).expect("a plan"), Saved { made: Some(made.clone()), plan });
    }
    let mut wrong: Value = serde_json::from_str(&plans()[1].to_json(None)).expect("JSON");
    wrong["steps"][0]["kind"] = "dance".into();
    assert!(!validator.is_valid(&wrong), "it says no, too");
}

#[test]
fn the_digest_is_of_the_plan_and_not_of_who_made_it() {
    let plan = &plans()[1];
    let made = |by: &str, until: Option<&str>| Made {
        by: by.to_owned(),
        at: "2026-01-31T12:00:00Z".to_owned(),
        not_after: until.map(str::to_owned),
    };
    let texts = [
        plan.to_json(None),
        plan.to_json(Some(&made("ops@here", None))),
        plan.to_json(Some(&made("eve@there", Some("2026-01-31T18:00:00Z")))),
    ];
    for text in &texts {
        assert!(text.contains(&format!("\"digest\": \"{}\"", plan.digest())));
        assert_eq!(Saved::from_json(text).expect("a plan").plan, *plan);
    }
    let edited = texts[0].replacen("\"take\": 1", "\"take\": 2", 1);
    assert_ne!(edited, texts[0]);
    let error = Saved::from_json(&edited).expect_err("edited").to_string();
    assert!(error.starts_with("it was changed after it was made"), "{error}");
}
