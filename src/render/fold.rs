//! Many names in few words: `node[1-3,5]`, `coord@node[1-3]`.

use crate::model::{HostName, InstanceId, RoleId};
use std::collections::{BTreeMap, BTreeSet};

/// Host names, those that differ in a final number as a range. Sorted.
pub fn hosts<'a>(names: impl IntoIterator<Item = &'a HostName>) -> String {
    let mut families: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let mut single: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        match split(name.as_str()) {
            Some((stem, number)) => _ = families.entry(stem).or_default().insert(number),
            None => _ = single.insert(name.as_str()),
        }
    }
    let families = families.into_iter().map(|(stem, numbers)| match ranges(&numbers).as_slice() {
        [one] if !one.contains('-') => format!("{stem}{one}"),
        several => format!("{stem}[{}]", several.join(",")),
    });
    let mut all: Vec<String> = families.chain(single.into_iter().map(str::to_owned)).collect();
    all.sort();
    all.join(",")
}

/// Instances, role by role: `coord@node[1-3], view@node1`.
pub fn instances<'a>(ids: impl IntoIterator<Item = &'a InstanceId>) -> String {
    let mut roles: BTreeMap<&RoleId, Vec<&HostName>> = BTreeMap::new();
    for id in ids {
        roles.entry(&id.role).or_default().push(&id.host);
    }
    let roles: Vec<String> = roles.into_iter().map(|(role, names)| format!("{role}@{}", hosts(names))).collect();
    roles.join(", ")
}

/// A name and its final number; a number with zeros in front is part of the name.
fn split(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let number = digits.parse().ok()?;
    let plain = digits == "0" || !digits.starts_with('0');
    (plain && !stem.is_empty()).then_some((stem, number))
}

fn ranges(numbers: &BTreeSet<u64>) -> Vec<String> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): (u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    runs.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(names: &[&str]) -> String {
        let names: Vec<HostName> = names.iter().map(|name| HostName::new(name).expect(name)).collect();
        hosts(&names)
    }

    #[test]
    fn names_with_numbers_become_ranges() {
        assert_eq!(folded(&["node1"]), "node1");
        assert_eq!(folded(&["node3", "node1", "node2"]), "node[1-3]");
        assert_eq!(folded(&["node1", "node2", "node5", "node10"]), "node[1-2,5,10]");
        assert_eq!(folded(&["edge", "node1", "node9"]), "edge,node[1,9]");
        assert_eq!(folded(&["n01", "n02"]), "n01,n02");
        assert_eq!(folded(&["7"]), "7");
    }
}
