//! A test report (JUnit XML) of cases: what became of each, and what there is to read of it.

use crate::inventory::visible;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;
use std::time::Duration;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Passed,
    /// Not as declared yet, or not asked yet: why.
    Skipped(String),
    /// Refused, not healthy, or gone wrong.
    Failed {
        /// A name for what it is.
        kind: String,
        /// What is wrong.
        message: String,
        /// The way out; empty when there is none to tell.
        help: String,
    },
    /// Could not be looked at: why.
    Error(String),
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What else there is to read.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

impl Case {
    /// A case that took no time, with nothing else to read.
    pub const fn new(name: String, verdict: Verdict) -> Self {
        Self { name, verdict, output: String::new(), took: Duration::ZERO }
    }
}

/// The report: a name for all of it, what the names of classes begin with, and the suites. Text of any origin is safe here.
pub fn report(name: &str, class: &str, suites: &[(&str, Vec<Case>)]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory does not fail.
    if write(&mut writer, name, class, suites).is_err() {
        return String::new();
    }
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, name: &str, class: &str, suites: &[(&str, Vec<Case>)]) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let name = xml(name);
    let element = writer.create_element("testsuites").with_attribute(("name", name.as_str()));
    // The schema that readers of such reports agree on counts what was skipped for each suite alone.
    let totals = counts(&all());
    let totals = totals.iter().filter(|(key, _)| *key != "skipped").map(|(key, value)| (*key, value.as_str()));
    let element = element.with_attributes(totals);
    element.write_inner_content(|writer| {
        for (suite, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
            let element = writer.create_element("testsuite").with_attribute(("name", *suite));
            let element =
                element.with_attributes(counts(&cases.iter()).iter().map(|(key, value)| (*key, value.as_str())));
            element.write_inner_content(|writer| {
                let class = format!("{class}.{suite}");
                cases.iter().try_for_each(|one| case(writer, &class, one))
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

fn counts<'a>(cases: &(impl Iterator<Item = &'a Case> + Clone)) -> [(&'static str, String); 4] {
    let number = |wanted: fn(&Verdict) -> bool| cases.clone().filter(|case| wanted(&case.verdict)).count().to_string();
    [
        ("tests", cases.clone().count().to_string()),
        ("failures", number(|verdict| matches!(verdict, Verdict::Failed { .. }))),
        ("errors", number(|verdict| matches!(verdict, Verdict::Error(_)))),
        ("skipped", number(|verdict| matches!(verdict, Verdict::Skipped(_)))),
    ]
}

fn case(writer: &mut Writer<Vec<u8>>, class: &str, case: &Case) -> io::Result<()> {
    let name = xml(&case.name);
    let time = format!("{:.3}", case.took.as_secs_f64());
    let attributes = [("classname", class), ("name", name.as_str()), ("time", time.as_str())];
    let element = writer.create_element("testcase").with_attributes(attributes);
    if case.verdict == Verdict::Passed && case.output.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        match &case.verdict {
            Verdict::Passed => {}
            Verdict::Skipped(why) => {
                _ = writer.create_element("skipped").with_attribute(("message", xml(why).as_str())).write_empty()?;
            }
            Verdict::Failed { kind, message, help } => {
                let (kind, message) = (xml(kind), xml(message));
                let element = writer.create_element("failure");
                let element = element.with_attributes([("type", kind.as_str()), ("message", message.as_str())]);
                let help = if help.is_empty() { String::new() } else { format!("\nhelp: {help}") };
                _ = element.write_text_content(BytesText::new(&xml(&format!("{message}{help}"))))?;
            }
            Verdict::Error(message) => {
                let message = xml(message);
                let element = writer.create_element("error");
                let element = element.with_attributes([("type", "unobserved"), ("message", message.as_str())]);
                _ = element.write_text_content(BytesText::new(&message))?;
            }
        }
        if !case.output.is_empty() {
            _ = writer.create_element("system-out").write_text_content(BytesText::new(&xml(&case.output)))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Text with the characters alone that XML 1.0 may hold; what XML itself means by some is escaped by who writes it.
fn xml(text: &str) -> String {
    visible(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
