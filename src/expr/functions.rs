//! The functions and filters that modules may use beside minijinja's own; `docs/modules.md` lists them.

use super::engine;
use crate::model::Version;
use core::net::IpAddr;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use std::collections::BTreeSet;

/// Makes them known. The comparisons are tests too: `version is version_below("7")`.
pub(super) fn add_to(engine: &mut Environment<'_>) {
    engine.add_function("version_at_least", version_at_least);
    engine.add_function("version_below", version_below);
    engine.add_function("version_starts", version_starts);
    engine.add_function("loopback", loopback);
    engine.add_function("only_copies", only_copies);
    engine.add_function("rows_at", super::rows::rows_at);
    engine.add_function("moved_away", super::rows::moved_away);
    engine.add_test("version_at_least", version_at_least);
    engine.add_test("version_below", version_below);
    engine.add_test("version_starts", version_starts);
    engine.add_test("loopback", loopback);
    engine.add_test("containing", containing);
    engine.add_filter("kib", |size: &Value| whole(size, 1 << 10, "KiB"));
    engine.add_filter("mib", |size: &Value| whole(size, 1 << 20, "MiB"));
    engine.add_filter("gib", |size: &Value| whole(size, 1 << 30, "GiB"));
    engine.add_filter("seconds", |duration: &Value| whole(duration, 1000, "seconds"));
    engine.add_filter("millis", |duration: &Value| whole(duration, 1, "milliseconds"));
    engine.add_filter("tojson", to_json);
    engine.add_filter("string", string);
    engine.remove_filter("pprint"); // prints Rust's spelling of values
}

fn version(text: &str) -> Result<Version, Error> {
    Version::parse(text).map_err(|error| failed(format!("`{text}`: {error}")))
}

fn version_at_least(a: &str, b: &str) -> Result<bool, Error> {
    Ok(version(a)? >= version(b)?)
}

fn version_below(a: &str, b: &str) -> Result<bool, Error> {
    Ok(version(a)? < version(b)?)
}

fn version_starts(a: &str, prefix: &str) -> Result<bool, Error> {
    Ok(version(a)?.starts_with(&version(prefix)?))
}

/// Whether an address stays on its own machine.
fn loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a list has an element: `in`, the other way round, for `selectattr`.
fn containing(list: &Value, element: &Value) -> Result<bool, Error> {
    Ok(list.try_iter()?.any(|one| one == *element))
}

/// The rows at `name` for which no other row with the same keys is elsewhere. A row at nobody is no copy.
fn only_copies(state: &State, rows: &Value, keys: &Value, place: &str, name: &str) -> Result<Value, Error> {
    let keys: Vec<Value> = keys.try_iter()?.collect();
    let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
    let mut elsewhere = BTreeSet::new();
    let mut here = Vec::new();
    for row in rows.try_iter()? {
        state.consume_fuel(1 + keys.len() as u64)?;
        let id = keys.iter().map(|key| field(&row, key)).collect::<Result<Vec<_>, _>>()?;
        let at = field(&row, place)?;
        match at.as_str() {
            Some(at) if at == name => here.push((id, row)),
            Some(at) if !at.is_empty() => drop(elsewhere.insert(id)),
            _ => {}
        }
    }
    Ok(here.into_iter().filter(|(id, _)| !elsewhere.contains(id)).map(|(_, row)| row).collect())
}

pub(super) fn field(row: &Value, key: &str) -> Result<Value, Error> {
    let value = row.get_attr(key)?;
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, format!("a row has no `{key}`")));
    }
    Ok(value)
}

fn whole(value: &Value, unit: i64, name: &str) -> Result<i64, Error> {
    let number = value.as_i64().filter(|number| value.is_integer() && *number >= 0);
    let number = number.ok_or_else(|| failed(format!("{value} is not a number of {name}")))?;
    if number % unit != 0 {
        return Err(failed(format!("{number} is not a whole number of {name}")));
    }
    Ok(number / unit)
}

/// How a value is written into a file: `true` and not `True`, lists and maps as JSON. `none` is refused: what a
/// template means to leave out, it leaves out.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        // Only that of an `if` without `else` comes here: it is meant to be nothing.
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::None => Err(failed("the value is none: say `default`, or leave the line out with `if`".to_owned())),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        _ => json(value),
    }
}

fn string(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "the value is undefined"));
    }
    text(value)
}

fn json(value: &Value) -> Result<String, Error> {
    let json = engine::to_json(value).map_err(|error| failed(error.message))?;
    String::from_utf8(json).map_err(|_| failed("the JSON is not UTF-8".to_owned()))
}

/// Plain JSON on one line, without the escapes that HTML would need.
fn to_json(state: &State, value: &Value) -> Result<String, Error> {
    let json = json(value)?;
    state.consume_fuel(json.len() as u64 / 16)?;
    Ok(json)
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
