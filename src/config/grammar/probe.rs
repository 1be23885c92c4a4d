//! Probes: what is asked of a service, and how an answer is judged.

use super::super::values::{FromKdl, Literal};
use super::{Field, Spec};
use std::time::Duration;

/// What is read as an expression.
pub(super) const EXPR: &str = "an expression";
/// What is read as a template.
pub(super) const TEMPLATE: &str = "a template";

/// What every probe may say.
static COMMON: [Field; 7] = [
    Field::or("port", "a parameter of type port", "the first one of the module", "Where it asks."),
    Field::or("on", "`self`, `any`, `each`, `all` or `leader`", "`self`", "Who is asked."),
    Field::or("parse", "`kv` or `json`", "JSON where it looks like it", "How the answer is read."),
    Field::or("until", EXPR, "2xx, or an exit code of 0", "What must hold of the answer."),
    Field::or("twice", bool::WHAT, "#false", "Two answers in a row must hold."),
    Field::or("says", TEMPLATE, "the part that does not hold", "What is told while it does not hold."),
    Field::or("timeout", Duration::WHAT, "5s", "How long one answer may take."),
];

static BODY: [Field; 1] = [Field::or("body", TEMPLATE, "none", "Sent as JSON.")];
static SEND: [Field; 1] = [Field::or("send", TEMPLATE, "nothing: it only connects", "Sent, with a line end.")];
/// What a probe of `read` says beside it.
static VALUE: [Field; 1] = [Field::need("value", EXPR, "The setting's value in the answer.")];

static HTTP_ARGS: [Field; 2] = [
    Field::need("METHOD", "`GET`, `PUT`, `POST` or `DELETE`", "The method."),
    Field::need("PATH", TEMPLATE, "The path and the query; it begins with `/`."),
];
static APIS: [Field; 4] = [
    Field::or(
        "spare",
        bool::WHAT,
        "#false",
        "Each partition says how many copies it has beyond `min.insync.replicas`.",
    ),
    Field::or("apis", bool::WHAT, "#false", "It is also asked which requests it understands: `body.apis`."),
    Field::or("broker", TEMPLATE, "none", "The id of the broker that is asked: its configuration is `body.configs`."),
    Field::or("set", TEMPLATE, "none", "What of that is changed first: a JSON object; `null` takes a change back."),
];
static EXEC_ARGS: [Field; 1] =
    [Field::several("WORD", TEMPLATE, "The program and its arguments; no shell reads them.")];

const HTTP: &str = "A request to the instance's address.";
const TCP: &str = "A connection, and what is said on it.";
const EXEC: &str = "A program on the instance's host.";
const KAFKA: &str = "A Metadata request of the Kafka protocol.";

/// The probes of gates, rules, hooks and status lines.
pub(super) static PROBES: [&Spec; 4] = [
    &Spec::word("http", HTTP).args(&HTTP_ARGS).props(&[&BODY, &COMMON]).many(),
    &Spec::word("tcp", TCP).props(&[&SEND, &COMMON]).many(),
    &Spec::word("exec", EXEC).args(&EXEC_ARGS).props(&[&COMMON]).many(),
    &Spec::word("kafka", KAFKA).props(&[&APIS, &COMMON]).many(),
];

/// The same where a value is read.
pub(super) static READS: [&Spec; 4] = [
    &Spec::word("http", HTTP).args(&HTTP_ARGS).props(&[&VALUE, &BODY, &COMMON]),
    &Spec::word("tcp", TCP).props(&[&VALUE, &SEND, &COMMON]),
    &Spec::word("exec", EXEC).args(&EXEC_ARGS).props(&[&VALUE, &COMMON]),
    &Spec::word("kafka", KAFKA).props(&[&VALUE, &APIS, &COMMON]),
];

/// What a setting is set to.
pub(super) const LITERAL: &str = Literal::WHAT;
