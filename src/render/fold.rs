//! Many names in few words: `node[1-3,5]`, `coord@node[1-3]`. A long list is cut, and says how many more there are.

use crate::model::{HostName, InstanceId, RoleId};
use std::collections::{BTreeMap, BTreeSet};

/// Longest list that is shown whole: of ranges, and of names.
const WHOLE: usize = 24;

/// How much of a longer one is shown.
const SHOWN: usize = 16;

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
    let families = families.into_iter().map(|(stem, numbers)| {
        let count = numbers.len();
        match ranges(&numbers).as_slice() {
            [(one, _)] if !one.contains('-') => (format!("{stem}{one}"), count),
            several => (format!("{stem}[{}]", cut(several)), count),
        }
    });
    let mut all: Vec<(String, usize)> = families.chain(single.into_iter().map(|name| (name.to_owned(), 1))).collect();
    all.sort();
    cut(&all)
}

/// Some texts, each for so many hosts, as one list.
fn cut(all: &[(String, usize)]) -> String {
    let shown = if all.len() > WHOLE { SHOWN } else { WHOLE };
    let mut list: Vec<&str> = all.iter().take(shown).map(|(text, _)| text.as_str()).collect();
    let rest: usize = all.iter().skip(shown).map(|(_, hosts)| hosts).sum();
    let rest = format!("... {rest} more");
    if all.len() > shown {
        list.push(&rest);
    }
    list.join(",")
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

/// Runs of numbers, each with how many there are in it.
fn ranges(numbers: &BTreeSet<u64>) -> Vec<(String, usize)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): (u64, u64)| {
        let text = if first == last { first.to_string() } else { format!("{first}-{last}") };
        (text, usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1))
    };
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

    #[test]
    fn a_long_list_is_cut_and_says_how_many_more_there_are() {
        let odd: Vec<String> = (0..500).map(|number| format!("node{}", 2 * number + 1)).collect();
        let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
        assert_eq!(folded(&odd), "node[1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,... 484 more]");
        let words: Vec<String> = (0..26_u8).map(|letter| format!("h{}x", char::from(b'a' + letter))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = folded(&words);
        assert!(text.starts_with("hax,hbx,") && text.ends_with(",... 10 more"), "{text}");
    }
}
