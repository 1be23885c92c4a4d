//! Functions over rows that a service answers: who has what, and who else could have it.

use super::functions::field;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use std::collections::BTreeMap;

/// The rows that are at `name`: where `place` is that name, has it as its first word, or is a list with it.
pub(super) fn rows_at(state: &State, rows: &Value, place: &str, name: &Value) -> Result<Value, Error> {
    let mut found = Vec::new();
    for row in rows.try_iter()? {
        state.consume_fuel(1)?;
        let at = field(&row, place)?;
        let here = match at.kind() {
            ValueKind::Seq | ValueKind::Iterable => at.try_iter()?.any(|one| one == *name),
            ValueKind::String => at.as_str().and_then(|text| text.split(' ').next()) == name.as_str(),
            _ => at == *name,
        };
        if here {
            found.push(row);
        }
    }
    Ok(Value::from(found))
}

/// The rows with `name` in their list `place`, each with another one of `others` in its stead: one that is not in it, of
/// those with the fewest so far. Where there is none, it is left out.
pub(super) fn moved_away(
    state: &State,
    rows: &Value,
    place: &str,
    name: &Value,
    others: &Value,
) -> Result<Value, Error> {
    let others: Vec<Value> = others.try_iter()?.filter(|one| one != name).collect();
    let mut load: BTreeMap<String, usize> = BTreeMap::new();
    let mut lists = Vec::new();
    for row in rows.try_iter()? {
        let list: Vec<Value> = field(&row, place)?.try_iter()?.collect();
        state.consume_fuel(1 + list.len() as u64)?;
        for one in &list {
            *load.entry(one.to_string()).or_default() += 1;
        }
        if list.contains(name) {
            lists.push((row, list));
        }
    }
    let mut moved = Vec::new();
    for (row, list) in lists {
        state.consume_fuel(1 + others.len() as u64)?;
        let free = others.iter().filter(|one| !list.contains(one));
        let taker = free.min_by_key(|one| load.get(&one.to_string()).copied().unwrap_or(0)).cloned();
        if let Some(taker) = &taker {
            *load.entry(taker.to_string()).or_default() += 1;
        }
        let list: Vec<Value> =
            list.into_iter().filter_map(|one| if one == *name { taker.clone() } else { Some(one) }).collect();
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        for key in row.try_iter()? {
            fields.insert(key.to_string(), row.get_item(&key)?);
        }
        fields.insert(place.to_owned(), Value::from(list));
        moved.push(Value::from_pairs(fields));
    }
    Ok(Value::from(moved))
}

#[cfg(test)]
mod tests {
    use crate::expr::eval;
    use serde_json::json;

    fn rows() -> serde_json::Value {
        json!({ "rows": [
            { "id": "a", "at": [1, 2] }, { "id": "b", "at": [2, 3] }, { "id": "c", "at": [1, 3] }, { "id": "d", "at": [1, 2, 3] },
        ] })
    }

    #[test]
    fn rows_are_found_by_a_name_a_first_word_or_a_list() {
        let shards = json!({ "rows": [
            { "id": "a", "at": "node1" }, { "id": "b", "at": "node10" }, { "id": "c", "at": "node1 -> node2" }, { "id": "d", "at": null },
        ] });
        let ids = |text: &str, data| eval(text, data).expect("a list");
        assert_eq!(ids("rows_at(rows, 'at', 'node1') | map(attribute='id') | list", &shards), json!(["a", "c"]));
        assert_eq!(ids("rows_at(rows, 'at', 3) | map(attribute='id') | list", &rows()), json!(["b", "c", "d"]));
        eval("rows_at(rows, 'nowhere', 3)", &rows()).expect_err("no such field");
    }

    #[test]
    fn a_copy_goes_to_whom_it_is_not_at_and_who_has_the_fewest() {
        let moved = eval("moved_away(rows, 'at', 3, [1, 2, 4])", &rows()).expect("rows");
        assert_eq!(
            moved,
            json!([{ "id": "b", "at": [2, 4] }, { "id": "c", "at": [1, 4] }, { "id": "d", "at": [1, 2, 4] }])
        );
        // Where nobody else could have it there is one copy less.
        let moved = eval("moved_away(rows, 'at', 3, [1, 2, 3])", &rows()).expect("rows");
        assert_eq!(
            moved,
            json!([{ "id": "b", "at": [2, 1] }, { "id": "c", "at": [1, 2] }, { "id": "d", "at": [1, 2] }])
        );
    }
}
