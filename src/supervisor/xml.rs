//! XML-RPC as the supervisor speaks it: calls written, answers read. Answers are untrusted and bounded.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use std::collections::BTreeMap;

/// Deepest nesting; the deepest real answer (a list of structs) has ten levels.
const DEEPEST: usize = 24;

/// One argument of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument<'a> {
    /// Text.
    Text(&'a str),
    /// Yes or no.
    Bool(bool),
}

/// A value in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A whole number, or yes and no as 1 and 0.
    Int(i64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Members by name.
    Struct(BTreeMap<String, Value>),
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// It gave this.
    Value(Value),
    /// It was refused.
    Fault {
        /// The number that stands for why.
        code: i64,
        /// Why.
        text: String,
    },
}

/// An answer that is not XML-RPC; the text says where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadXml(pub(super) String);

/// The text of a call.
pub(super) fn call(method: &str, arguments: &[Argument<'_>]) -> String {
    let argument = |argument: &Argument<'_>| match argument {
        Argument::Text(text) => format!("<param><value><string>{}</string></value></param>", escape(*text)),
        Argument::Bool(yes) => format!("<param><value><boolean>{}</boolean></value></param>", u8::from(*yes)),
    };
    let arguments: String = arguments.iter().map(argument).collect();
    let method = escape(method);
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{arguments}</params></methodCall>"
    )
}

/// Reads an answer.
pub(super) fn answer(text: &str) -> Result<Answer, BadXml> {
    let root = tree(text)?;
    let root = root.only("methodResponse")?;
    if let Ok(fault) = root.only("fault") {
        let Value::Struct(members) = value(fault.only("value")?)? else { return Err(odd("fault")) };
        let (Some(Value::Int(code)), Some(Value::Text(text))) = (members.get("faultCode"), members.get("faultString"))
        else {
            return Err(odd("fault"));
        };
        return Ok(Answer::Fault { code: *code, text: text.clone() });
    }
    value(root.only("params")?.only("param")?.only("value")?).map(Answer::Value)
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The only child, which must have this name.
    fn only(&self, name: &str) -> Result<&Element, BadXml> {
        match self.children.as_slice() {
            [child] if child.name == name => Ok(child),
            _ => Err(odd(&self.name)),
        }
    }
}

fn odd(place: &str) -> BadXml {
    BadXml(format!("<{place}> does not hold what it should"))
}

fn tree(text: &str) -> Result<Element, BadXml> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| BadXml(error.to_string()))?;
        let Some(top) = open.last_mut() else { return Err(odd("")) };
        match event {
            Event::Start(start) => {
                let element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
                open.push(element);
                if open.len() > DEEPEST {
                    return Err(BadXml(format!("more than {DEEPEST} levels deep")));
                }
            }
            Event::Empty(empty) => {
                top.children.push(Element { name: empty.name().as_ref().to_owned(), ..Element::default() });
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { return Err(odd("")) };
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Err(odd(&done.name)),
                }
            }
            Event::Text(text) => top.text.push_str(&text.xml10_content()),
            Event::CData(text) => top.text.push_str(&text.into_inner()),
            Event::GeneralRef(reference) => top.text.push(character(&reference)?),
            Event::DocType(_) => return Err(BadXml("a document type".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(BadXml("its end is missing".to_owned())),
    }
}

fn character(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, BadXml> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Ok(c);
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(BadXml("an unknown entity".to_owned())),
    }
}

fn value(element: &Element) -> Result<Value, BadXml> {
    let [typed] = element.children.as_slice() else {
        // Without a type it is text.
        return if element.children.is_empty() { Ok(Value::Text(element.text.clone())) } else { Err(odd("value")) };
    };
    match typed.name.as_str() {
        "int" | "i4" | "boolean" => typed.text.trim().parse().map(Value::Int).map_err(|_| odd(&typed.name)),
        "string" => Ok(Value::Text(typed.text.clone())),
        "nil" => Ok(Value::Text(String::new())),
        "array" => typed.only("data")?.children.iter().map(value).collect::<Result<_, _>>().map(Value::List),
        "struct" => {
            let member = |member: &Element| match member.children.as_slice() {
                [name, content] if name.name == "name" && content.name == "value" => {
                    Ok((name.text.clone(), value(content)?))
                }
                _ => Err(odd("member")),
            };
            typed.children.iter().map(member).collect::<Result<_, _>>().map(Value::Struct)
        }
        _ => Err(odd("value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(value: &str) -> String {
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n{value}</param>\n</params>\n</methodResponse>\n"
        )
    }

    #[test]
    fn a_call_carries_any_text() {
        let text = call("supervisor.startProcess", &[Argument::Text("a<b>&'"), Argument::Bool(false)]);
        assert!(text.contains("<string>a&lt;b&gt;&amp;"), "{text}");
        assert!(text.contains("<boolean>0</boolean>"), "{text}");
    }

    #[test]
    fn structs_lists_and_entities_are_read() {
        let text = wrap(
            "<value><array><data>\n<value><struct>\n<member>\n<name>state</name>\n<value><int>20</int></value>\n</member>\n\
             <member>\n<name>spawnerr</name>\n<value><string>a &lt;b&gt; &#38; c</string></value>\n</member>\n\
             </struct></value>\n<value>bare</value><value><string></string></value></data></array></value>",
        );
        let members = BTreeMap::from([
            ("state".to_owned(), Value::Int(20)),
            ("spawnerr".to_owned(), Value::Text("a <b> & c".to_owned())),
        ]);
        let list = vec![Value::Struct(members), Value::Text("bare".to_owned()), Value::Text(String::new())];
        assert_eq!(answer(&text), Ok(Answer::Value(Value::List(list))));
    }

    #[test]
    fn a_fault_is_told_apart() {
        let text = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
                    <value><int>10</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
                    <value><string>BAD_NAME: x</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n";
        assert_eq!(answer(text), Ok(Answer::Fault { code: 10, text: "BAD_NAME: x".to_owned() }));
    }

    #[test]
    fn nonsense_is_an_error() {
        let deep = format!("<methodResponse>{}", "<value><array><data>".repeat(5000));
        let half = wrap("<value><int>1</int></value>");
        let texts =
            ["", "hello", "<a/>", "<a></b>", &half[..half.len() - 30], &deep, "<methodResponse></methodResponse>"];
        for text in texts {
            assert!(answer(text).is_err(), "{}", &text[..text.len().min(80)]);
        }
        assert!(answer(&wrap("<value><int>many</int></value>")).is_err());
        assert!(answer("<!DOCTYPE x [<!ENTITY a \"b\">]><methodResponse>&a;</methodResponse>").is_err());
    }
}
