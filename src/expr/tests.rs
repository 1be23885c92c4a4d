use super::*;
use serde_json::json;
use std::time::{Duration, Instant};

fn kind(result: Result<impl std::fmt::Debug, ExprError>) -> ExprErrorKind {
    result.expect_err("must fail").kind
}

#[test]
fn undefined_is_an_error_unless_asked_for() {
    let context = json!({"kv": {}, "body": {"a": null}});
    assert_eq!(kind(eval("kv.Mode", &context)), ExprErrorKind::Undefined);
    assert_eq!(kind(eval("nothing", &context)), ExprErrorKind::Undefined);
    assert_eq!(kind(eval_bool("kv.Mode == 'leader'", &context)), ExprErrorKind::Undefined);
    assert_eq!(kind(eval_bool("not kv.Mode", &context)), ExprErrorKind::Undefined);
    assert_eq!(kind(render("{{ kv.Mode }}", &context)), ExprErrorKind::Undefined);
    assert_eq!(eval_bool("kv.Mode is defined", &context), Ok(false));
    assert_eq!(eval("kv['a.b'] | default(none)", &context), Ok(json!(null)));
    assert_eq!(eval("body.a", &context), Ok(json!(null)));
}

#[test]
fn mistakes_are_placed() {
    let error = check_template("one\n{{ two +* }}\n").expect_err("no template");
    assert_eq!((error.kind, error.line), (ExprErrorKind::Syntax, Some(2)));
    assert!(error.range.is_some_and(|range| range.start >= 4));
    let error = check_expression("status == ").expect_err("no expression");
    assert_eq!(error.kind, ExprErrorKind::Syntax);
    assert!(check_template("{{ a | default(1) }}").is_ok());
    assert!(check_expression("answers | selectattr('kv.Mode', 'equalto', 'leader') | list | length == 1").is_ok());
    let error = render("fine\n{{ missing }}\n", &json!({})).expect_err("undefined");
    assert_eq!(error.line, Some(2));
    assert!(error.message.contains("missing"), "{}", error.message);
}

#[test]
fn names_from_outside_are_known_before_rendering() {
    let names = template_names("{% for p in peers %}{{ p.host }}{{ heap | mib }}{{ range(2) }}{% endfor %}");
    assert_eq!(names, Ok(["heap", "peers"].map(str::to_owned).into()));
    assert_eq!(expression_names("version_below(version, '7')"), Ok(["version".to_owned()].into()));
}

#[test]
fn units_are_whole_or_an_error() {
    let context = json!({"heap": 536_870_912, "odd": 1_000_001, "pause": 1500, "minus": -1024});
    assert_eq!(render("-Xmx{{ heap | mib }}m", &context), Ok("-Xmx512m".to_owned()));
    assert_eq!(eval("heap | kib", &context), Ok(json!(524_288)));
    assert_eq!(kind(eval("heap | gib", &context)), ExprErrorKind::Failed);
    assert_eq!(kind(eval("odd | mib", &context)), ExprErrorKind::Failed);
    assert_eq!(kind(eval("minus | kib", &context)), ExprErrorKind::Failed);
    assert_eq!(eval("pause | millis", &context), Ok(json!(1500)));
    assert_eq!(kind(eval("pause | seconds", &context)), ExprErrorKind::Failed);
    assert_eq!(eval("60000 | seconds", &context), Ok(json!(60)));
}

#[test]
fn versions_compare_as_versions() {
    let context = json!({"version": "6.10.0"});
    assert_eq!(eval_bool("version_at_least(version, '6.9')", &context), Ok(true));
    assert_eq!(eval_bool("version_below(version, '6.9')", &context), Ok(false));
    assert_eq!(eval_bool("version_starts(version, '6.1')", &context), Ok(false));
    assert_eq!(eval_bool("version is version_at_least('6.10')", &context), Ok(true));
    assert_eq!(kind(eval_bool("version_below(version, 'new')", &context)), ExprErrorKind::Failed);
}

#[test]
fn loopback_knows_addresses() {
    let context = json!({"a": "127.0.77.1", "b": "10.0.0.1", "c": "::1"});
    assert_eq!(eval("[loopback(a), loopback(b), loopback(c)]", &context), Ok(json!([true, false, true])));
}

#[test]
fn only_copies_are_those_that_nobody_else_has() {
    let rows = json!([
        {"index": "a", "shard": "0", "node": "n1"}, {"index": "a", "shard": "0", "node": "n2"},
        {"index": "b", "shard": "0", "node": "n1"}, {"index": "b", "shard": "0", "node": null},
        {"index": "b", "shard": "1", "node": "n2"},
    ]);
    let only = "only_copies(body, ['index', 'shard'], 'node', 'n1')";
    assert_eq!(eval(only, &json!({"body": rows})), Ok(json!([{"index": "b", "shard": "0", "node": "n1"}])));
    assert_eq!(kind(eval(only, &json!({"body": [{"index": "a", "node": "n1"}]}))), ExprErrorKind::Undefined);
    assert_eq!(kind(eval(only, &json!({"body": "garbage"}))), ExprErrorKind::Undefined);
}

#[test]
fn json_is_plain_and_booleans_and_line_ends_stay() {
    let context = json!({"value": "it's <b>", "on": true});
    let text = render("{{ {'persistent': {'a.b': value}} | tojson }} {{ on }}\n", &context);
    assert_eq!(text, Ok("{\"persistent\":{\"a.b\":\"it's <b>\"}} true\n".to_owned()));
}

#[test]
fn values_are_written_as_files_want_them() {
    let context = json!({"none": null, "on": true, "list": ["a", false], "n": 7});
    assert_eq!(render("{{ on }} {{ list }} {{ n }}", &context), Ok("true [\"a\",false] 7".to_owned()));
    assert_eq!(kind(render("x={{ none }}", &context)), ExprErrorKind::Failed);
    assert_eq!(render("a{{ 'b' if not on }}c", &context), Ok("ac".to_owned()));
    assert_eq!(kind(render("{{ missing | string }}", &context)), ExprErrorKind::Undefined);
    let counted = "{% set n = namespace(c=0) %}{% for i in list %}{% set n.c = (n.c + 1) %}{% endfor %}{{ n.c }}";
    assert_eq!(render(counted, &context), Ok("2".to_owned()));
}

#[test]
fn contexts_extend_and_the_newer_name_wins() {
    let context = Context::new(&json!({"a": 1, "status": 0}));
    assert_eq!(context.with(&json!({"status": 200})).eval("a + status"), Ok(json!(201)));
}

/// Programs that would need ages or all memory.
const ENDLESS: &[&str] = &[
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{{ 'x' * 2000000000 }}",
    "{{ range(99999) | list | tojson }}{{ range(99999) | list | tojson }}{{ range(99999) | list | tojson }}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% set n = namespace(a=[1]) %}{% for i in range(64) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a == n.a }}",
    "{% set n = namespace(a=[1]) %}{% for i in range(99999) %}{%- set  n.a = dict(a=n.a) -%}{% endfor %}",
    "{% set a = [1] * 99999 %}{% set a = [a] * 999 %}{% set a = [a] * 999 %}{{ a }}",
    "{% set a = [1] * 99999 %}{% set a = [a] * 999 %}{% set a = [a] * 999 %}{{ a | tojson }}{{ a | string }}",
    "{% set n = namespace(a='x') %}{% for i in range(64) %}{% set n.a = n.a ~ n.a %}{% endfor %}{{ n.a }}",
    "{{ 9 ** 99999999 }}",
    "{{ '%2000000000d' | format(1) }}",
    "{{ 'ab' | replace('', 'x' * 100000) | replace('', 'x' * 100000) }}",
];

#[test]
fn endless_programs_end_with_an_error() {
    for program in ENDLESS {
        let begin = Instant::now();
        let result = render(program, &json!({}));
        let took = begin.elapsed();
        let size = result.as_ref().map_or(0, String::len);
        assert!(result.is_err(), "{program} gave {size} bytes");
        assert!(took < Duration::from_secs(10), "{program} took {took:?}");
    }
}

#[test]
fn endless_values_end_with_an_error() {
    let nested = (0..40).fold("range(99999)".to_owned(), |inner, _| format!("[{inner}] * 9"));
    assert!(eval(&nested, &json!({})).is_err());
    assert!(eval("[range(99999)] * 99999", &json!({})).is_err());
    assert!(eval("'x' * 2000000", &json!({})).is_err());
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(check_expression(&deep).is_err());
    assert_eq!(kind(check_template(&"x".repeat(2_000_000))), ExprErrorKind::Limit);
}

#[test]
fn templates_reach_nothing_but_their_context() {
    for text in ["{% include 'Cargo.toml' %}", "{% extends '/etc/hostname' %}", "{% import 'x' as y %}"] {
        assert!(render(text, &json!({})).is_err(), "{text}");
    }
}

#[test]
fn messages_are_safe_to_print() {
    let error = eval("version_below(body, '1')", &json!({"body": format!("\u{1b}[2J{}", "x".repeat(9000))}));
    let message = error.expect_err("no version").message;
    assert!(!message.contains('\u{1b}') && message.len() < 1000, "{message}");
}

#[test]
fn a_large_answer_is_no_problem() {
    let rows: Vec<_> = (0..20_000).map(|n| json!({"index": format!("i{n}"), "shard": "0", "node": "n1"})).collect();
    let context = json!({"body": rows});
    assert_eq!(eval_bool("body | selectattr('node', 'equalto', 'n2') | list | length == 0", &context), Ok(true));
    assert_eq!(eval("only_copies(body, ['index', 'shard'], 'node', 'n1') | length", &context), Ok(json!(20_000)));
}

#[test]
fn chains_are_bounded_before_they_are_parsed() {
    let links = [".b", "+1", "|int", "()", "[0]", " if 1 else 1", "~1", " and 1", " is odd", " == 1", " in 1", "**1"];
    for link in links {
        for count in [60_000, 9_000] {
            assert!(render(&format!("{{{{ 1{} }}}}", link.repeat(count)), &json!({})).is_err(), "{link}");
            assert!(eval(&format!("1{}", link.repeat(count)), &json!({})).is_err(), "{link}");
            let hidden = format!("{{{{ {{'}}}}': {{}}}}{} }}}}", link.repeat(count));
            assert!(render(&hidden, &json!({})).is_err(), "{link}");
        }
    }
    for lead in ["-", "not ", "(", "{", "[", "'a' ~ "] {
        assert!(eval(&format!("{}1", lead.repeat(50_000)), &json!({})).is_err(), "{lead}");
        assert!(check_template(&format!("{{{{ {}1 }}}}", lead.repeat(9_000))).is_err(), "{lead}");
    }
    let branches = format!("{{% if 0 %}}{}{{% endif %}}", "{%- elif 0 %}\n".repeat(9_000));
    assert!(check_template(&branches).is_err());
    for open in ["{{", "{%", "{#", "{% raw %}", "{% if 1 %}", "{% for a in b %}", "{{ '", "{{ \"\\"] {
        assert!(check_template(&open.repeat(6_000)).is_err(), "{open}");
    }
    assert_eq!(kind(check_template(&"\n".repeat(100_000))), ExprErrorKind::Limit);
    let fine =
        "{% if a %}x{% elif b %}y{% endif %}{{ '}} %} {#' ~ \"it's\" }}{# {{ #}{{ {'a': {'b': 1}}.a.b }}".to_owned();
    assert_eq!(render(&fine, &json!({"a": 0, "b": 1})), Ok("y}} %} {#it's1".to_owned()));
}
