//! How single KDL values become typed ones: numbers, texts, versions, sizes, durations.

use crate::diag::Code;
use crate::model::{HostName, ModuleName, Name, Share, Value, Version, is_name};
use kdl::KdlValue;
use std::time::Duration;

/// A value as KDL read it and as it stands in the file.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    pub(super) value: &'a KdlValue,
    pub(super) repr: &'a str,
}

/// What was expected instead of a value.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) code: Code,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Expected {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { code: Code::WrongType, what: what.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Text that is no name: with the nearest name. A range in it stays as it is.
    pub(super) fn name(what: &str, text: &str) -> Self {
        let rule = "it has 1 to 63 of these characters, and begins with a letter or digit";
        let lower = text.to_ascii_lowercase();
        if is_name(&lower.replace(['[', ']'], "")) {
            return Self { code: Code::BadName, ..Self::new(what) }.help(format!("{rule}, such as \"{lower}\""));
        }
        let usable =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c.to_ascii_lowercase() } else { '-' };
        let near: String = text.trim().chars().map(usable).collect();
        let near = near.trim_start_matches(['-', '_', '.']);
        let help = if is_name(near) { format!("{rule}, such as \"{near}\"") } else { rule.to_owned() };
        Self { code: Code::BadName, ..Self::new(what) }.help(help)
    }
}

/// A type that a KDL value can be read as.
pub(super) trait FromKdl: Sized {
    /// What it is, for people, with its article.
    const WHAT: &'static str;
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected>;
}

/// A found value for people, shortened and without control characters. Numbers as they stand in the file.
pub(super) fn found(raw: &Raw<'_>) -> String {
    match raw.value {
        KdlValue::String(text) => {
            let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            if text.chars().nth(40).is_some() {
                shown.push('…');
            }
            format!("\"{shown}\"")
        }
        KdlValue::Integer(_) | KdlValue::Float(_) if !raw.repr.is_empty() => raw.repr.to_owned(),
        KdlValue::Integer(number) => number.to_string(),
        KdlValue::Float(number) => number.to_string(),
        KdlValue::Bool(truth) => format!("#{truth}"),
        KdlValue::Null => "#null".to_owned(),
    }
}

fn text<'a>(raw: &Raw<'a>, expected: impl FnOnce() -> Expected) -> Result<&'a str, Expected> {
    let text = raw.value.as_string().ok_or_else(|| {
        let expected = expected();
        if expected.help.is_some() || raw.repr.is_empty() {
            expected
        } else {
            let help = format!("put it in quotes: \"{}\"", raw.repr);
            expected.help(help)
        }
    })?;
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Expected::new("text without control characters"));
    }
    Ok(text)
}

impl FromKdl for String {
    const WHAT: &'static str = "a text";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        text(raw, || Expected::new(Self::WHAT)).map(str::to_owned)
    }
}

impl FromKdl for bool {
    const WHAT: &'static str = "#true or #false";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        raw.value.as_bool().ok_or_else(|| {
            let expected = Expected::new(Self::WHAT);
            match raw.value.as_string().map(str::to_ascii_lowercase).as_deref() {
                Some("yes" | "true" | "on" | "1" | "y") => expected.help("write #true"),
                Some("no" | "false" | "off" | "0" | "n") => expected.help("write #false"),
                _ => expected,
            }
        })
    }
}

/// A whole number was expected; one in quotes is written without them.
pub(super) fn whole(raw: &Raw<'_>, what: impl Into<String>) -> Expected {
    let text = raw.value.as_string().map(str::trim).filter(|text| text.parse::<i64>().is_ok());
    let expected = Expected::new(what);
    match text {
        Some(number) => expected.help(format!("write the number without quotes: {number}")),
        None => expected,
    }
}

macro_rules! whole_numbers {
    ($($kind:ty, $what:literal;)+) => {$(
        impl FromKdl for $kind {
            const WHAT: &'static str = $what;
            fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
                raw.value.as_integer().and_then(|n| n.try_into().ok()).ok_or_else(|| whole(raw, Self::WHAT))
            }
        }
    )+};
}

whole_numbers! {
    i64, "a whole number";
    u64, "a whole number, 0 or more";
    u32, "a whole number, 0 or more";
}

impl FromKdl for Share {
    const WHAT: &'static str = "a whole number, or a part of all such as \"25%\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let part = raw.value.as_string().and_then(Self::percent);
        part.or_else(|| u32::from_kdl(raw).ok().map(Self::Count)).ok_or_else(|| Expected::new(Self::WHAT))
    }
}

/// A TCP port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port(pub(super) u16);

impl FromKdl for Port {
    const WHAT: &'static str = "a port, 1 to 65535";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let number = raw.value.as_integer().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
        number.map(Self).ok_or_else(|| whole(raw, Self::WHAT))
    }
}

impl FromKdl for Version {
    const WHAT: &'static str = "a version such as \"1.2.3\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let expected = || Expected::new(Self::WHAT);
        let text = text(raw, || {
            expected().help(format!(
                "put the version in quotes: \"{}\" (a number would lose its last zero: 7.10 is not 7.1)",
                raw.repr
            ))
        })?;
        Version::parse(text).map_err(|bad| expected().help(bad.to_string()))
    }
}

macro_rules! named {
    ($($kind:ty, $what:literal;)+) => {$(
        impl FromKdl for $kind {
            const WHAT: &'static str = $what;
            fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
                let text = text(raw, || Expected::new(Self::WHAT))?;
                Self::new(text).map_err(|_| Expected::name(Self::WHAT, text))
            }
        }
    )+};
}

named! {
    Name, "a name of small letters, digits, '-', '_' and '.'";
    HostName, "a host name of small letters, digits, '-', '_' and '.'";
    ModuleName, "a module's name";
}

impl FromKdl for Duration {
    const WHAT: &'static str = "a duration such as \"30s\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let expected = || Expected::new(Self::WHAT).help("write a number and its unit in quotes: ms, s, m, h or d");
        let text = text(raw, expected)?;
        duration(text).map(Duration::from_millis).ok_or_else(expected)
    }
}

/// Milliseconds of `"200ms"`, `"30s"`, `"5m"`, `"6h"`, `"1d"`.
pub fn duration(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // A century is far beyond any wait, and keeps arithmetic on durations away from overflow.
    number.checked_mul(factor).filter(|millis| *millis <= 100 * 366 * 86_400_000)
}

/// Bytes of `"512m"`, `"1g"`, `"1gb"`, `"64kib"`, `"1000"`: all units are powers of 1024, as a JVM reads them.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let cut = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(cut);
    Some((number.parse().ok()?, unit))
}

/// A value that is taken as it is, without a declared type.
#[derive(Debug, Clone)]
pub(super) struct Free(pub(super) Value);

impl FromKdl for Free {
    const WHAT: &'static str = "a text, a number, #true, #false or #null";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        Ok(Self(match raw.value {
            KdlValue::String(_) => Value::Text(String::from_kdl(raw)?),
            KdlValue::Integer(_) => Value::Int(i64::from_kdl(raw)?),
            KdlValue::Float(number) if number.is_finite() => Value::Float(*number),
            KdlValue::Float(_) => return Err(Expected::new("a finite number")),
            KdlValue::Bool(truth) => Value::Bool(*truth),
            KdlValue::Null => Value::Null,
        }))
    }
}

/// A literal that becomes JSON: what a setting is set to.
#[derive(Debug, Clone)]
pub(super) struct Literal(pub(super) serde_json::Value);

impl FromKdl for Literal {
    const WHAT: &'static str = "a text, a number, #true, #false or #null";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        Ok(Self(json(raw.value)))
    }
}

fn json(value: &KdlValue) -> serde_json::Value {
    match value {
        KdlValue::String(text) => text.clone().into(),
        KdlValue::Integer(number) => i64::try_from(*number).map_or(serde_json::Value::Null, Into::into),
        KdlValue::Float(number) => (*number).into(),
        KdlValue::Bool(truth) => (*truth).into(),
        KdlValue::Null => serde_json::Value::Null,
    }
}
