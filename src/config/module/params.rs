//! The section `params`.

use super::super::reader::Node;
use super::super::report::{duplicate, suggest};
use super::super::roles::RESERVED;
use super::super::typed;
use super::super::values::{Expected, Raw};
use super::scope::{names, snake};
use crate::diag::{Code, Diag, Span, Spanned};
use crate::model::{Name, Param, ParamType, Value};
use indexmap::IndexMap;
use kdl::KdlValue;

const TYPES: &[&str] = &[
    "bool", "duration", "enum", "file", "files", "int", "list", "map", "path", "port", "secret", "size", "text",
    "version",
];

pub(super) fn read(node: &Node<'_>) -> IndexMap<Name, Param> {
    let mut params: IndexMap<Name, Param> = IndexMap::new();
    let mut snakes: IndexMap<String, Spanned<String>> = IndexMap::new();
    for child in node.children() {
        let Some(name) = name(&child, &mut snakes) else {
            continue;
        };
        if let Some(param) = param(&child) {
            params.insert(name, param);
        }
        child.finish();
    }
    node.finish();
    params
}

fn name(node: &Node<'_>, snakes: &mut IndexMap<String, Spanned<String>>) -> Option<Name> {
    let (text, span) = (node.name(), node.name_span());
    let refuse = |message: String, label: &str, help: &str| {
        node.cx.report(Diag::at(Code::BadName, span, message).label(label.to_owned()).help(help.to_owned()));
    };
    let Some(name) = Name::new(text).ok().filter(|_| text.starts_with(|c: char| c.is_ascii_lowercase())) else {
        refuse(
            format!("`{text}` can't be a parameter's name"),
            "expected small letters, digits and '-', a letter first",
            "such as `heap` or `http-port`",
        );
        return None;
    };
    if RESERVED.contains(&text) {
        let help = format!("choose another name for the parameter, such as `own-{text}`");
        refuse(format!("`{text}` means something else in a role"), "expected a name that is free", &help);
        return None;
    }
    let snake = snake(text);
    if names::INSTANCE.contains(&snake.as_str()) || names::ANSWER.contains(&snake.as_str()) {
        refuse(
            format!("templates already have something that is called `{snake}`"),
            "expected a name that is free",
            "choose another name; docs/modules.md lists what templates have",
        );
        return None;
    }
    if let Some(first) = snakes.get(&snake) {
        if first.value == text {
            let what = format!("the parameter `{text}`");
            node.cx.report(duplicate(&what, span, first.span, "keep one of them"));
        } else {
            let message = format!("`{}` and `{text}` are both `{snake}` in templates", first.value);
            let other = Diag::at(Code::BadName, first.span, "the other one").label(format!("`{snake}` in templates"));
            node.cx.report(
                Diag::at(Code::BadName, span, message)
                    .label(format!("`{snake}` in templates, too"))
                    .help("rename one of them")
                    .also(other),
            );
        }
        return None;
    }
    snakes.insert(snake, Spanned::new(text.to_owned(), span));
    Some(name)
}

fn param(node: &Node<'_>) -> Option<Param> {
    let kind = node.need_prop::<String>("type");
    let doc = node.prop::<String>("doc").map(|doc| doc.value).unwrap_or_default();
    let optional = node.flag("optional");
    let words = node.prop::<String>("of");
    let (min, max) = (node.prop::<i64>("min"), node.prop::<i64>("max"));
    let kind = kind?;
    let wants = |name: &str, wanted: bool, span: Option<Span>| {
        if let Some(span) = span.filter(|_| !wanted) {
            let message = format!("`{name}` says nothing about a {}", kind.value);
            node.cx.report(Diag::at(Code::UnknownName, span, message).label("not expected here").help("remove it"));
        }
    };
    wants("of", matches!(kind.as_str(), "enum" | "list"), words.as_ref().map(|words| words.span));
    wants("min", kind.as_str() == "int", min.as_ref().map(|min| min.span));
    wants("max", kind.as_str() == "int", max.as_ref().map(|max| max.span));
    let list = words.as_ref().map(|words| super::words(words)).unwrap_or_default();
    let param_type = match kind.as_str() {
        "bool" => ParamType::Bool,
        "duration" => ParamType::Duration,
        "enum" => ParamType::Enum(list),
        "file" => ParamType::File,
        "files" => ParamType::Files,
        "int" => ParamType::Int { min: min.map(|min| min.value), max: max.map(|max| max.value) },
        "list" => ParamType::List(list),
        "map" => ParamType::Map,
        "path" => ParamType::Path,
        "port" => ParamType::Port,
        "secret" => ParamType::Secret,
        "size" => ParamType::Size,
        "text" => ParamType::Text,
        "version" => ParamType::Version,
        other => {
            let diag = Diag::at(Code::WrongType, kind.span, format!("there is no type `{other}`"));
            node.cx.report(suggest(diag, other, TYPES, "not a type"));
            node.forgive();
            return None;
        }
    };
    if let ParamType::Enum(words) = &param_type
        && words.is_empty()
    {
        let diag = Diag::at(Code::Missing, node.span(), format!("`{}` needs `of=…`", node.name()))
            .label("an enum of no words")
            .help("list the words with blanks between them: of=\"info warn\"");
        node.cx.report(diag);
        node.forgive();
        return None;
    }
    let default = node.prop_with("default", |raw| default(raw, &param_type)).map(|value| value.value);
    // A map that nobody fills is an empty one, so it needs no default to say so.
    let empty =
        || (matches!(param_type, ParamType::Map | ParamType::Files) && !optional).then(|| Value::Map(IndexMap::new()));
    let default = default.or_else(empty);
    Some(Param { kind: param_type, default, optional, doc, span: node.span() })
}

/// A default stands in one property, so the words of a list have blanks between them.
fn default(raw: &Raw<'_>, kind: &ParamType) -> Result<Value, Expected> {
    match kind {
        ParamType::List(_) => {
            let text = raw.value.as_string().ok_or_else(|| Expected::new("words with blanks between them"))?;
            let word = |word: &str| {
                let value = KdlValue::String(word.to_owned());
                typed::value(&Raw { value: &value, repr: raw.repr }, kind)
            };
            text.split_whitespace().map(word).collect::<Result<_, _>>().map(Value::List)
        }
        ParamType::Files => Err(Expected::new("absent: there are no files unless a role names them")),
        ParamType::Map => Err(Expected::new("absent: a map is empty unless a role fills it")),
        ParamType::Secret => Err(Expected::new("absent: a secret has no default").help("use optional=#true")),
        ParamType::File => Err(Expected::new("absent: a file has no default").help("use optional=#true")),
        _ => typed::value(raw, kind),
    }
}
