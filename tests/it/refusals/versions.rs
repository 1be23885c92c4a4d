//! Rules about versions: what each refuses nearest to versions that go together, and beside that what it takes still.
//!
//! Such a rule has an edge in several directions (a newer one, an older one, another major version), and a pair that is far
//! from all of them looks the same with one edge less. So from versions that go together each direction is gone step by step,
//! until the rule refuses.

use super::cases::{Case, Platform, usual};
use super::table::{Found, add};
use es_cluster::expr;
use es_cluster::model::{CompatRule, Expr, Module, Requirement, RequirementRow, Version};
use serde_json::json;
use std::iter::once;

/// A direction in which a version is changed: in words, the number that changes, and whether it grows.
type Way = (&'static str, usize, bool);

const WAYS: [Way; 6] = [
    ("patch up", 2, true),
    ("minor up", 1, true),
    ("major up", 0, true),
    ("patch down", 2, false),
    ("minor down", 1, false),
    ("major down", 0, false),
];

/// Most steps in one direction.
const STEPS: u64 = 20;

/// Versions that rules are tried on.
pub(super) fn versions() -> impl Iterator<Item = String> {
    (0..25).flat_map(|major| (0..20).map(move |minor| format!("{major}.{minor}.0"))).chain(["99.0.0".to_owned()])
}

/// The version that is so many steps away; numbers behind the one that changes begin anew.
fn moved(from: &Version, (_, part, up): Way, steps: u64) -> Option<String> {
    let [major, minor, patch, _] = from.parts();
    let mut numbers = [major, minor, patch];
    let is = *numbers.get(part)?;
    let moved = if up { is.checked_add(steps) } else { is.checked_sub(steps) };
    numbers[part] = moved?;
    numbers[part + 1..].fill(0);
    Some(numbers.map(|number| number.to_string()).join("."))
}

/// The versions in one direction, the nearest first.
fn walk(from: &str, way: Way) -> Vec<String> {
    let from = Version::parse(from).expect("a version");
    (1..=STEPS).map_while(|steps| moved(&from, way, steps)).collect()
}

/// The first version in one direction that is refused, and the last one before it.
fn edge(from: &str, way: Way, refused: impl Fn(&str) -> bool) -> Option<(String, String)> {
    let all: Vec<String> = once(from.to_owned()).chain(walk(from, way)).collect();
    let at = all.iter().skip(1).position(|next| refused(next))?;
    Some((all[at + 1].clone(), all[at].clone()))
}

/// Versions of a module, those near to the platform's first.
fn near(module: &str) -> impl Iterator<Item = String> {
    let usual = usual(module);
    let around: Vec<String> = WAYS.iter().flat_map(|way| walk(&usual, *way)).collect();
    once(usual).chain(around).chain(versions())
}

/// With three numbers.
fn whole(version: &Version) -> String {
    let [major, minor, patch, _] = version.parts();
    format!("{major}.{minor}.{patch}")
}

/// The versions that an expression compares a name with.
fn compared(expression: &str, name: &str) -> Vec<String> {
    let call = format!("({name}, '");
    let literals = expression.split(call.as_str()).skip(1).filter_map(|rest| rest.split('\'').next());
    literals.filter_map(|literal| Some(whole(&Version::parse(literal).ok()?))).collect()
}

/// Each row of a table of versions refuses what is nearest to the versions that it names.
pub(super) fn requirement(module: &Module, need: &Requirement, found: &mut Found) {
    let (name, other) = (module.name.as_str(), need.module.as_str());
    let row_of = |version: &str| {
        let holds = |when: &Expr| expr::eval_bool(&when.0.value, &json!({ "version": version }));
        need.rows.iter().position(|row| row.when.as_ref().is_none_or(|when| holds(when) == Ok(true)))
    };
    let platform = |own: &str, with: &str| Platform::default().version(name, own).version(other, with);
    let case = |rule: &str, own: &str, with: &str| {
        let says = format!("`{name}` {own} with `{other}` {with}");
        let case = Case::new(format!("{rule}, {other} {with}"), format!("{name}.{other}"));
        case.declaring(&platform(own, with)).about(move |message| message.contains(&format!("{says} does not work")))
    };
    for (number, row) in need.rows.iter().enumerate() {
        let rule = format!("{name}.{other} row {}", number + 1);
        let own = near(name).find(|version| row_of(version) == Some(number));
        let tried = outside(row);
        let Some(own) = own.filter(|_| !tried.is_empty()) else {
            found.push((rule, None));
            continue;
        };
        for (refused, taken) in tried {
            let what = format!("{name} {own} with {other} {taken}");
            add(found, case(&rule, &own, &refused).beside(what, &platform(&own, &taken)));
        }
    }
    // A gap that no version falls into is none; without a row anything is taken.
    if !need.rows.is_empty()
        && let Some(own) = near(name).find(|version| row_of(version).is_none())
    {
        let (with, says) = (usual(other), format!("nothing is known about `{name}` {own} "));
        let case = Case::new(format!("{name}.{other} without a row"), format!("{name}.{other}"));
        let case = case.declaring(&platform(&own, &with));
        add(found, case.about(move |message| message.starts_with(&says)));
    }
}

/// The versions nearest to those that a row names: below them, between the first ones and above, each with the one beside it
/// that is named.
fn outside(row: &RequirementRow) -> Vec<(String, String)> {
    let known: Vec<&Version> = row.supported.iter().chain(&row.proven).collect();
    let beside = |prefix: &Version| {
        let last = prefix.as_str().split('.').count() - 1;
        [false, true].map(|up| Some((Version::parse(&moved(prefix, ("", last, up), 1)?).ok()?, whole(prefix))))
    };
    let mut found: Vec<(Version, String)> = known.iter().copied().flat_map(beside).flatten().collect();
    found.retain(|(version, _)| !known.iter().any(|prefix| version.starts_with(prefix)));
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    let above = found.pop();
    found.truncate(2);
    found.into_iter().chain(above).map(|(version, taken)| (version.to_string(), taken)).collect()
}

/// Each rule about two modules, at each of its edges.
pub(super) fn compat(module: &Module, found: &mut Found) {
    for rule in &module.compat {
        let (name, other) = (module.name.as_str(), rule.with.as_str());
        let called = format!("{name}.{}", rule.name);
        let judged =
            |[own, with]: &[String; 2]| expr::eval_bool(&rule.must.0.value, &json!({ "version": own, "other": with }));
        let platform = |[own, with]: &[String; 2]| Platform::default().version(name, own).version(other, with);
        let before = found.len();
        for (number, usual) in bases(rule, name, |pair| judged(pair) == Ok(true)).iter().enumerate() {
            // From a version that the rule names only the other one is changed: its own ways are gone from the usual one.
            let sides = if number == 0 { 0..2 } else { 1..2 };
            for side in sides {
                let with = |version: &str| {
                    let mut pair = usual.clone();
                    version.clone_into(&mut pair[side]);
                    pair
                };
                for way in WAYS {
                    let Some((bad, good)) = edge(&usual[side], way, |next| judged(&with(next)) == Ok(false)) else {
                        continue;
                    };
                    let (refused, taken) = (with(&bad), with(&good));
                    let of = [name, other][side];
                    let says = format!("{called}, {of} {} of {} with {}", way.0, usual[0], usual[1]);
                    let what = format!("{name} {} with {other} {}", taken[0], taken[1]);
                    let case = Case::new(says, &called).declaring(&platform(&refused)).beside(what, &platform(&taken));
                    add(found, case.about(move |message| message.contains(&bad)));
                }
            }
        }
        if found.len() == before {
            found.push((called, None));
        }
    }
}

/// Pairs that go together: the platform's, and of each version of the module that the rule names the first with another one
/// that it takes.
fn bases(rule: &CompatRule, name: &str, goes: impl Fn(&[String; 2]) -> bool) -> Vec<[String; 2]> {
    let must = rule.must.0.value.as_str();
    let mut found: Vec<[String; 2]> = Vec::new();
    for own in once(usual(name)).chain(compared(must, "version")) {
        let others = once(usual(rule.with.as_str())).chain(compared(must, "other")).chain([own.clone()]);
        let pair = others.map(|with| [own.clone(), with]).find(&goes);
        let new = pair.filter(|pair| !found.contains(pair));
        found.extend(new);
    }
    found
}

/// A plugin that was made for another version: in each way in which its own number may tell which one that is.
pub(super) fn plugins(module: &Module, found: &mut Found) {
    let Some(accepts) = module.plugins.as_ref().and_then(|plugins| plugins.accepts.as_ref()) else { return };
    let name = module.name.as_str();
    let (own, called, before) = (usual(name), format!("{name}.plugins"), found.len());
    let takes = |plugin: &str| {
        let context = json!({ "version": own, "plugin": { "name": "some", "version": plugin } });
        expr::eval_bool(&accepts.0.value, &context) == Ok(true)
    };
    let platform = |plugin: &str| {
        let mut platform = Platform::default();
        platform.versions.insert(name.to_owned(), format!("\"{own}\" {{ plugin \"some\" \"{plugin}\"; }}"));
        platform
    };
    for (form, ways) in [("VERSION", &WAYS[..]), ("VERSION.1", &WAYS[..1]), ("1.0.4-VERSION", &WAYS[..1])] {
        let plugin = |version: &str| form.replace("VERSION", version);
        if !takes(&plugin(&own)) {
            continue;
        }
        for way in ways {
            let Some((bad, good)) = edge(&own, *way, |next| !takes(&plugin(next))) else { continue };
            let (bad, good) = (plugin(&bad), plugin(&good));
            let says = format!("the plugin `some` {bad} is not for ");
            let case = Case::new(format!("{called}, {} as {form}", way.0), &called).declaring(&platform(&bad));
            let case = case.beside(format!("{name} {own} with its plugin {good}"), &platform(&good));
            add(found, case.about(move |message| message.starts_with(&says)));
        }
    }
    if found.len() == before {
        found.push((called, None));
    }
}
