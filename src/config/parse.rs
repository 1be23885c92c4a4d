//! Text → KDL, with the parser's reports turned into ours and the traps of the language named.

use super::reader::Cx;
use crate::diag::{Code, Diag, SourceId, Span};
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};

/// Parses a text. `None` when it is not KDL; what is wrong is reported.
pub(super) fn document(text: &str, source: SourceId, cx: &Cx) -> Option<KdlDocument> {
    let before = cx.count();
    super::scan::check(text, source, cx);
    if cx.count() > before {
        return None;
    }
    match KdlDocument::parse_v2(text) {
        Ok(document) => {
            for node in document.nodes() {
                traps(node, source, cx);
            }
            Some(document)
        }
        Err(error) => {
            for bad in error.diagnostics {
                let span = Span { source, start: bad.span.offset().min(text.len()), len: bad.span.len() };
                let message = bad.message.unwrap_or_else(|| "this is not KDL".to_owned());
                let diag = Diag::at(Code::Syntax, span, message).label(bad.label.unwrap_or_default());
                let help = help(text.get(span.start..span.start + span.len).unwrap_or_default());
                cx.report(match help.or(bad.help) {
                    Some(help) => diag.help(help),
                    None => diag,
                });
            }
            None
        }
    }
}

/// The next step for a text that is not KDL as it stands.
pub(super) fn help(text: &str) -> Option<String> {
    let word = text.trim();
    match word {
        "true" | "false" | "null" | "inf" | "nan" | "-inf" => Some(format!("KDL writes it with a `#`: #{word}")),
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(format!("put versions, addresses, times and sizes in quotes: \"{word}\""))
        }
        _ if word.contains(['[', ']']) => Some(format!("put it in quotes: \"{word}\"")),
        _ => None,
    }
}

/// What parses well and still is not what was meant.
fn traps(node: &KdlNode, source: SourceId, cx: &Cx) {
    if let Some(annotation) = node.ty() {
        cx.report(annotated(annotation.value(), at(source, annotation.span())));
    }
    for entry in node.entries() {
        if let Some(annotation) = entry.ty() {
            cx.report(annotated(annotation.value(), at(source, annotation.span())));
        }
        if let Some(scheme) = cut_off_url(entry) {
            let span = at(source, entry.span());
            let message = format!("`{scheme}` is all that is left of a URL: `//` starts a comment");
            cx.report(
                Diag::at(Code::Syntax, span, message)
                    .label("the rest of the line is a comment")
                    .help(format!("put the URL in quotes: \"{scheme}//…\"")),
            );
        }
    }
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        traps(child, source, cx);
    }
}

fn cut_off_url(entry: &KdlEntry) -> Option<&str> {
    let KdlValue::String(text) = entry.value() else { return None };
    let quoted = entry.format().is_some_and(|format| format.value_repr.contains(['"', '#']));
    (!quoted && text.ends_with(':')).then_some(text)
}

fn annotated(name: &str, span: Span) -> Diag {
    Diag::at(Code::UnknownName, span, format!("type annotations like `({name})` mean nothing here"))
        .label("not expected here")
        .help("remove it: what a value is, its name says")
}

fn at(source: SourceId, span: miette::SourceSpan) -> Span {
    Span { source, start: span.offset(), len: span.len() }
}
