//! Text → KDL. The scan finds what is wrong; the parser builds the document.

use super::reader::Cx;
use super::scan;
use crate::diag::{Code, Diag, SourceId, Span};
use kdl::KdlDocument;

/// Parses a text. `None` when it is not KDL; what is wrong is reported.
pub(super) fn document(name: &str, text: &str, source: SourceId, cx: &Cx) -> Option<KdlDocument> {
    let before = cx.count();
    scan::check(name, text, source, cx);
    if cx.count() > before {
        return None;
    }
    match KdlDocument::parse_v2(text) {
        Ok(document) => Some(document),
        // The scan and the parser were not of one mind: the parser's own words are better than none.
        Err(error) => {
            for bad in error.diagnostics {
                let start = bad.span.offset().min(text.len());
                let span = Span { source, start, len: bad.span.len().min(text.len() - start) };
                let message = bad.message.unwrap_or_else(|| "this is not KDL".to_owned());
                let diag = Diag::at(Code::Syntax, span, message).label(bad.label.unwrap_or_default());
                cx.report(match bad.help {
                    Some(help) => diag.help(help),
                    None => diag,
                });
            }
            None
        }
    }
}
