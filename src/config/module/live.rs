//! The section `live`.

use super::super::reader::Node;
use super::super::report::suggest;
use super::rolling::known_prop;
use super::scope::{Scope, snake};
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Expr, Live, Name, Param, Setting};
use indexmap::IndexMap;

pub(super) fn live(
    node: &Node<'_>,
    params: &IndexMap<Name, Param>,
    settings: &IndexMap<Name, Setting>,
    scope: &Scope<'_>,
) -> Vec<Live> {
    let mut live = Vec::new();
    for child in node.body().rest() {
        let named = child.args::<Name>(0, "a parameter of the module");
        let setting = known_prop(&child, settings);
        let value = child.prop::<String>("value").map(|text| scope.expr(text, &[]));
        let each = child.flag("each");
        let when = child.prop::<String>("when").map(|text| scope.expr(text, &[]));
        child.finish();
        for name in named.iter().filter(|name| !params.contains_key(&name.value) && !scope.is_loose()) {
            let known: Vec<&str> = params.keys().map(Name::as_str).collect();
            let diag = Diag::at(Code::Unresolved, name.span, format!("there is no parameter `{}`", name.value));
            child.cx.report(suggest(diag, name.as_str(), &known, "not in `params`"));
        }
        let value = value.or_else(|| {
            if let [one] = named.as_slice() {
                return Some(Expr(Spanned::new(snake(one.as_str()), one.span)));
            }
            let diag = Diag::at(Code::Missing, child.span(), "what the setting should be is not said");
            child.cx.report(diag.label("no `value`").help("add value=\"…\": an expression over the parameters"));
            None
        });
        if let (Some(setting), Some(value)) = (setting, value) {
            let params = named.into_iter().map(|name| name.value).collect();
            live.push(Live { params, setting, value, each, when });
        }
    }
    node.finish();
    live
}
