//! Formats of a plan that other programs read: they stay small, and nothing of a host, a file or a service gets out of the
//! place that it has in them. What they say is in the golden files of the scenarios.

use crate::scale::{converged, fleet};
use es_cluster::desired::Desired;
use es_cluster::diff::{Change, FileDiff};
use es_cluster::inventory::Seen;
use es_cluster::model::{InstanceId, Name};
use es_cluster::plan::{Plan, PlanInput, PlanOptions, PlanReport, Reason, Refusal, Warning, plan};
use es_cluster::render::{self, Format, Places, Shown, TextOptions};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use std::collections::BTreeMap;

/// Hosts with the same change on all but the first three.
struct Fleet {
    desired: Desired,
    plan: Plan,
    report: PlanReport,
}

impl Fleet {
    fn of(hosts: usize) -> Self {
        let (before, desired) = (fleet(hosts, "batch \"10%\"", "64m"), fleet(hosts, "batch \"10%\"", "65m"));
        let inventory = converged(&before, &desired);
        let options = PlanOptions::default();
        let (plan, report) = plan(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
        Self { desired, plan, report }
    }

    fn shown(&self, format: Format) -> String {
        let places = Places::new();
        let shown = Shown { plan: &self.plan, report: &self.report, desired: &self.desired, places: &places };
        render::plan(format, &shown, &TextOptions::default())
    }

    /// The first instance that differs.
    fn instance(&self) -> InstanceId {
        self.plan.changes.iter().find_map(|change| change.instance()).expect("one").clone()
    }
}

/// So many lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).flat_map(|number| [line(number), "\n".to_owned()]).collect()
}

#[test]
fn a_thousand_hosts_with_the_same_change_fit_on_a_page() {
    let fleet = Fleet::of(1_000);
    let text = fleet.shown(Format::Text);
    assert!(text.lines().count() <= 60, "{} lines:\n{text}", text.lines().count());
    assert!(text.contains("\ncache@node[4-1000]\n") && text.contains("997 to restart"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let markdown = fleet.shown(Format::Markdown);
    assert!(markdown.chars().count() < 60_000 && !markdown.contains("Left out"), "{}", markdown.len());
    assert!(markdown.contains("<code>cache@node[4-1000]</code>"), "{markdown}");
    let annotations = fleet.shown(Format::Github);
    assert!(annotations.lines().count() <= 30, "{annotations}");
    let cases = fleet.shown(Format::Junit).matches("<testcase classname=\"fleet.hosts\"").count();
    assert_eq!(cases, 1_000, "each host is a case");
}

#[test]
fn narrow_terminals_get_narrow_lines() {
    let fleet = Fleet::of(120);
    let places = Places::new();
    let shown = Shown { plan: &fleet.plan, report: &fleet.report, desired: &fleet.desired, places: &places };
    for width in [0, 40, 60, 132] {
        let text = render::plan(Format::Text, &shown, &TextOptions { width, ..TextOptions::default() });
        // Lines of files and long names are never broken.
        let own = text.lines().filter(|line| !line.starts_with("      ") && line.contains(' '));
        let longest = own.map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(longest <= width.max(40), "{longest} columns of {width}:\n{text}");
    }
}

#[test]
fn markdown_of_a_thousand_different_changes_is_bounded_and_says_what_it_left_out() {
    let mut fleet = Fleet::of(1_000);
    for (number, diff) in fleet.plan.diffs.iter_mut().enumerate() {
        let lines = lines(40, |line| format!("+line {line} of {number}"));
        diff.text = Some(format!("--- a\n+++ b\n@@ -1 +1,40 @@\n{lines}").into());
    }
    let markdown = fleet.shown(Format::Markdown);
    assert!(markdown.len() < 60_000, "{}", markdown.len());
    assert!(markdown.len() > 50_000, "as much as there is room for: {}", markdown.len());
    let last = markdown.lines().last().expect("a line");
    assert!(last.starts_with("**Left out here:** ") && last.contains(" of 997 differences"), "{last}");
    assert!(last.contains("esplan --diff full"), "{last}");
    assert_eq!(markdown.matches("<details>").count(), markdown.matches("</details>").count());
}

#[test]
fn one_endless_diff_is_cut_and_leaves_room_for_the_others() {
    let mut fleet = Fleet::of(5);
    let lines = lines(100_000, |line| format!("+line {line}"));
    fleet.plan.diffs[0].text = Some(format!("@@ -1 +1 @@\n{lines}").into());
    let markdown = fleet.shown(Format::Markdown);
    assert!(markdown.len() < 60_000, "{}", markdown.len());
    assert!(markdown.contains("left out here: 9") && markdown.contains("more lines"), "the cut is told");
    assert!(markdown.contains("cache@node5"), "the others are there");
}

/// Text that ends every kind of quotation there is, calls somebody, and says a word that can be found again.
const HOSTILE: &str = "~~~~\n``````\n</code></summary></details><script>MARK()</script>\n![MARK](x) [MARK](y) @MARK #1 !1 \
                       **MARK**\n]]></system-out><failure/>\n::error::MARK%0A::set-output name=MARK::1\n\u{1b}[2JMARK\u{202e}\u{0}\u{ffff}\r\n";

fn hostile() -> Fleet {
    let mut fleet = Fleet::of(6);
    let instance = fleet.instance();
    let name = |name: &str| Name::new(name).expect("a name");
    let service = fleet.desired.services.keys().next().expect("a service").clone();
    let setting = serde_json::json!({ HOSTILE: HOSTILE });
    fleet.plan.changes.extend([
        Change::Unobserved { host: instance.host.clone(), why: HOSTILE.to_owned() },
        Change::NotReady { instance: instance.clone(), says: HOSTILE.to_owned() },
        Change::NotHealthy { service: service.clone(), says: HOSTILE.to_owned() },
        Change::Setting { service, instance: None, setting: name("s"), observed: setting.clone(), repair: setting },
        Change::Orphan { host: instance.host.clone(), role: HOSTILE.to_owned(), running: true },
        Change::Debris { host: instance.host.clone(), paths: vec![HOSTILE.to_owned()] },
        Change::SoftwareDamaged {
            host: instance.host.clone(),
            folder: HOSTILE.to_owned(),
            paths: vec![HOSTILE.to_owned()],
        },
        Change::ProcessDefinition { instance: instance.clone() },
    ]);
    let hostile: Vec<&str> = HOSTILE.lines().collect();
    let text = lines(hostile.len(), |line| format!("+{}", hostile[line]));
    let text = Some(format!("@@ -1 +1 @@\n{text}{HOSTILE}").into());
    fleet.plan.diffs.push(FileDiff { instance, path: "launch".to_owned(), text });
    let (message, help) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    fleet.plan.warnings.push(Warning { name: name("w"), message: message.clone() });
    for step in &mut fleet.plan.steps {
        step.reason.push(Reason::ByHand(vec![HOSTILE.to_owned()]));
    }
    let refusal = Refusal { name: name(Refusal::UNOBSERVED), message, help, at: None, waived: None };
    fleet.plan.refusals.push(Refusal { waived: Some(HOSTILE.to_owned()), ..refusal.clone() });
    fleet.plan.refusals.push(refusal);
    fleet
}

#[test]
fn nothing_gets_out_of_the_code_of_a_comment() {
    let markdown = hostile().shown(Format::Markdown);
    assert!(markdown.contains("MARK"), "{markdown}");
    let mut in_code = false;
    for event in Parser::new(&markdown) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link in:\n{markdown}"),
            Event::Html(html) | Event::InlineHtml(html) => {
                let mut rest = html.as_ref();
                for tag in ["<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>"] {
                    assert!(html.matches(tag).count() <= 2, "{html}");
                }
                while let Some(start) = rest.find('<') {
                    let known = ["details>", "summary>", "code>"];
                    let tag = rest[start + 1..].trim_start_matches('/');
                    assert!(known.iter().any(|known| tag.starts_with(known)), "a tag that is not ours: {html}");
                    rest = &rest[start + 1..];
                }
            }
            Event::Text(text) if !in_code => assert!(!text.contains("MARK"), "not in code: {text}\n{markdown}"),
            _ => {}
        }
    }
    assert!(!markdown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{markdown:?}");
    assert_eq!(markdown.matches("\u{202e}").count(), 0);
}

#[test]
fn nothing_gets_out_of_a_test_report() {
    let xml = hostile().shown(Format::Junit);
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut elements: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                *elements.entry(tag.name().as_ref().to_owned()).or_default() += 1;
            }
            quick_xml::events::Event::CData(_) => panic!("{xml}"),
            _ => {}
        }
    }
    let known = ["error", "failure", "skipped", "system-out", "testcase", "testsuite", "testsuites"];
    assert!(elements.keys().all(|name| known.contains(&name.as_str())), "{elements:?}");
    assert_eq!((elements["failure"], elements["error"]), (2, 1), "an unhealthy service and a refusal; a host");
    let allowed = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\n' | '\t');
    assert!(xml.chars().all(allowed), "XML 1.0 takes no control characters");
}

#[test]
fn every_annotation_is_one_line_of_ours() {
    let fleet = hostile();
    let text = fleet.shown(Format::Github);
    for line in text.lines() {
        let (head, message) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
        let level = head.split(' ').next().expect("a level");
        assert!(["error", "warning", "notice"].contains(&level), "{line}");
        assert!(!message.replace("%25", "").contains('%'), "an escape that is not ours: {line}");
        assert!(!head.contains("MARK"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let errors = text.lines().filter(|line| line.starts_with("::error ")).count();
    assert_eq!(errors, 1, "one refusal stands:\n{text}");
}

#[test]
fn text_does_nothing_to_a_terminal() {
    let text = hostile().shown(Format::Text);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' || c == '\u{202e}'), "{text:?}");
}

#[test]
fn an_unobserved_host_is_an_error_of_the_report() {
    let (before, desired) = (fleet(5, "batch 1", "64m"), fleet(5, "batch 1", "65m"));
    let mut inventory = converged(&before, &desired);
    let last = inventory.hosts.values_mut().last().expect("a host");
    *last = Seen::Unseen(es_cluster::inventory::Unseen { why: "no route".to_owned() });
    let options = PlanOptions::default();
    let (plan, report) = plan(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
    let xml = Fleet { desired, plan, report }.shown(Format::Junit);
    assert!(xml.contains("<error type=\"unobserved\" message=\"not observed: no route\">"), "{xml}");
    assert!(xml.contains("<failure type=\"unobserved\""), "{xml}");
}
