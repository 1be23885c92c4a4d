//! How the instances of a secured service are spoken to.

use super::super::values::FromKdl;
use super::probe::{EXPR, TEMPLATE};
use super::{Field, Spec};

static AUTH: Spec =
    Spec::word("auth", "Who we are, for `http` (Basic, or a token) and `kafka` (SASL PLAIN).").props(&[&[
        Field::or("when", EXPR, "when the secret is given", "Whether the instance asks for it."),
        Field::or("user", TEMPLATE, "the secret is a token", "The user's name."),
        Field::need("secret", "a parameter of type `secret`", "The password, or the token."),
        Field::or("scheme", String::WHAT, "`Bearer`", "The word before a token."),
    ]]);

static LOGIN: Spec = Spec::word("login", "A line that `tcp` sends first; one line is answered.")
    .props(&[&[
        Field::or("when", EXPR, "always", "Whether the instance asks for it."),
        Field::need("send", TEMPLATE, "The line; parameters of type `secret` are their values here."),
        Field::need("until", EXPR, "What must hold of the answer (`text`)."),
    ]])
    .many();

static TLS: Spec = Spec::word("tls", "Encryption; the certificate is always verified.").props(&[&[
    Field::or("when", EXPR, "always", "Whether the instance speaks it."),
    Field::need("ca", "a parameter of type `file`", "The certificates of the CAs that are trusted, in PEM."),
    Field::or("name", TEMPLATE, "`{{ host.address }}`", "The name that its certificate must have."),
    Field::or("certificate", "a parameter of type `file`", "none", "Our own certificate, in PEM."),
    Field::or("key", "a parameter of type `secret`", "none", "The key of our own certificate, in PEM."),
]]);

/// A secured service.
pub(super) static CONNECTION: Spec =
    Spec::word("connection", "What every probe, hook and rule needs to speak to an instance of a secured service.")
        .block(&[&AUTH, &LOGIN, &TLS]);
