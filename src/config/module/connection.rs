//! The section `connection`.

use super::super::reader::Node;
use super::super::report::suggest;
use super::scope::Scope;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Auth, Connection, Login, Name, Param, ParamType, Tls};
use indexmap::IndexMap;

pub(super) fn connection(node: &Node<'_>, params: &IndexMap<Name, Param>, scope: &Scope<'_>) -> Connection {
    let mut body = node.body();
    let auth = body.one("auth").and_then(|child| auth(&child, params, scope));
    let logins = body.many("login").iter().filter_map(|child| login(child, scope)).collect();
    let tls = body.one("tls").and_then(|child| tls(&child, params, scope));
    node.finish();
    Connection { auth, logins, tls }
}

fn auth(node: &Node<'_>, params: &IndexMap<Name, Param>, scope: &Scope<'_>) -> Option<Auth> {
    let secret = needed(node, "secret", &ParamType::Secret, params, scope);
    let auth = (
        node.prop::<String>("when").map(|text| scope.expr(text, &[])),
        node.prop::<String>("user").map(|text| scope.template(text, &[])),
        node.prop::<String>("scheme").map_or_else(|| "Bearer".to_owned(), |scheme| scheme.value),
    );
    node.finish();
    let (when, user, scheme) = auth;
    Some(Auth { when, user, secret: secret?, scheme })
}

fn login(node: &Node<'_>, scope: &Scope<'_>) -> Option<Login> {
    let when = node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let send = node.need_prop::<String>("send").map(|text| scope.template(text, &[]));
    let until = node.need_prop::<String>("until").map(|text| scope.expr(text, &["text"]));
    node.finish();
    Some(Login { when, send: send?, until: until? })
}

fn tls(node: &Node<'_>, params: &IndexMap<Name, Param>, scope: &Scope<'_>) -> Option<Tls> {
    let ca = needed(node, "ca", &ParamType::File, params, scope);
    let when = node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let name = node.prop::<String>("name").map(|text| scope.template(text, &[]));
    let own = |name, kind| node.prop::<String>(name).map(|text| (text.span, param(node, &text, kind, params, scope)));
    let (certificate, key) = (own("certificate", &ParamType::File), own("key", &ParamType::Secret));
    node.finish();
    let client = match (certificate, key) {
        (Some((_, certificate)), Some((_, key))) => certificate.zip(key),
        (Some((span, _)), None) | (None, Some((span, _))) => {
            let diag = Diag::at(Code::Missing, span, "a certificate of our own goes with its key");
            node.cx.report(diag.label("one without the other").help("say both: certificate=\"…\" key=\"…\""));
            None
        }
        (None, None) => None,
    };
    Some(Tls { when, ca: ca?, name, client })
}

fn needed(
    node: &Node<'_>,
    prop: &'static str,
    kind: &ParamType,
    params: &IndexMap<Name, Param>,
    scope: &Scope<'_>,
) -> Option<Name> {
    let text = node.need_prop::<String>(prop)?;
    param(node, &text, kind, params, scope)
}

/// The parameter that a property names, when it has the type.
fn param(
    node: &Node<'_>,
    name: &Spanned<String>,
    kind: &ParamType,
    params: &IndexMap<Name, Param>,
    scope: &Scope<'_>,
) -> Option<Name> {
    let found = params.iter().find(|(known, _)| known.as_str() == name.value);
    if let Some((known, _)) = found.filter(|(_, param)| param.kind == *kind) {
        return Some(known.clone());
    }
    if !scope.is_loose() {
        let word = if *kind == ParamType::File { "file" } else { "secret" };
        let known: Vec<&str> =
            params.iter().filter(|(_, param)| param.kind == *kind).map(|(name, _)| name.as_str()).collect();
        let message = match found {
            Some(_) => format!("the parameter `{}` is no {word}", name.value),
            None => format!("there is no parameter `{}`", name.value),
        };
        let diag = Diag::at(Code::Unresolved, name.span, message);
        node.cx.report(suggest(diag, &name.value, &known, &format!("expected a parameter of type {word}")));
    }
    None
}
