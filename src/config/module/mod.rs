//! `modules/NAME.kdl` → [`Module`]. Everything that can be wrong in one module alone is found here.

mod adopt;
mod artifact;
mod connection;
mod drain;
mod filters;
mod free;
mod import;
mod job;
mod live;
mod needs;
mod params;
mod phases;
mod probe;
pub(super) mod process;
mod rolling;
mod scope;
mod upgrade;

pub(super) use scope::templates;

use super::grammar::MODULE_FILE;
use super::reader::{Body, Cx, Node};
use super::report::duplicate;
use super::values::{FromKdl, Raw};
use crate::diag::{Code, Diag, Spanned};
use crate::model::{CompatRule, Module, ModuleName, Name, Order, Requirement, RequirementRow, Template, Version};
use indexmap::IndexMap;
use scope::{Scope, names};

/// What decoding a module needs to know beside its node.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// The module's name: the file's.
    pub(super) name: &'a str,
    /// The files in `modules/NAME/`, as templates with their places.
    pub(super) templates: IndexMap<String, Template>,
    /// All modules that exist.
    pub(super) modules: &'a [&'a str],
}

/// Reads the one `module` node of a file.
pub(super) fn read<'a>(nodes: Vec<Node<'a>>, given: Given<'_>, cx: &'a Cx) -> Option<Module> {
    let mut top = Body::new(nodes, &MODULE_FILE, "in a module's file");
    let Some(node) = top.one("module") else {
        let message = format!("`{}.kdl` declares no module", given.name);
        let help = format!("the whole file is one node: module \"{}\" {{ … }}", given.name);
        cx.report(Diag::nowhere(Code::Missing, message).help(help));
        return None;
    };
    let name = node.arg_as::<ModuleName>("the module's name")?;
    if name.as_str() != given.name {
        let message = format!("the module in `{}.kdl` calls itself `{}`", given.name, name.value);
        let diag = Diag::at(Code::BadName, name.span, message).label(format!("expected \"{}\"", given.name));
        cx.report(diag.help(format!("write \"{}\", or rename the file and its folder", given.name)));
    }
    let name = Spanned::new(ModuleName::new(given.name).ok()?, name.span);
    let mut body = node.body();
    let doc = one_text(&mut body, "doc", "one sentence").map(|doc| doc.value).unwrap_or_default();
    let before = cx.count();
    let params = body.one("params").map(|node| params::read(&node)).unwrap_or_default();
    let params_whole = cx.count() == before && !body.misspells("params");
    let requirements = body.many("requires");
    let scope = Scope::new(cx, &params, params_whole, &requirements, given.modules, &given.templates);
    let requires = requires(&requirements, given.modules, &scope);
    let before = cx.count();
    let files = body.one("files").map(|node| process::files(&node, &scope)).unwrap_or_default();
    // A file that is wrong itself is not missing.
    let files_whole = cx.count() == before;
    let free_config = body.one("config").and_then(|node| free::config(&node, files_whole.then_some(&files), &scope));
    let artifact = body.one("artifact").map(|node| artifact::artifact(&node, &scope));
    let plugins = body.one("plugins").and_then(|node| artifact::plugins(&node, &scope));
    let service_owned = body.many("service-owned").iter().flat_map(service_owned).collect();
    let import = body.one("import").map(|node| import::import(&node, &params));
    let adopt = body.one("adopt").map(|node| adopt::adopt(&node, &params));
    let connection = body.one("connection").map(|node| connection::connection(&node, &params, &scope));
    let process = body.one("process").and_then(|node| process::process(&node, &scope));
    let expression =
        |body: &mut Body<'a>, name: &str, what: &str| one_text(body, name, what).map(|text| scope.expr(text, &[]));
    let ordinal = expression(&mut body, "ordinal", "an expression for the instance's number");
    let (quorum, by_file) = votes(&mut body, &scope);
    let tier = one_text(&mut body, "tier", "a template for the tier's name").map(|text| scope.template(text, &[]));
    let settings = rolling::settings(body.many("setting"), &scope);
    let live = body.one("live").map(|node| live::live(&node, &params, &settings, &scope)).unwrap_or_default();
    let gate = |body: &mut Body<'a>, name: &str| body.one(name).and_then(|node| probe::gate(&node, &scope));
    let phases = body.one("phases").and_then(|node| phases::phases(&node, &scope, &params));
    let module = Module {
        name,
        doc,
        requires,
        params,
        artifact,
        plugins,
        files,
        templates: IndexMap::new(),
        free_config,
        service_owned,
        import,
        adopt,
        connection,
        process,
        ordinal,
        tier,
        order: body.one("order").map(|node| order(&node)).unwrap_or_default(),
        after: after(&body.many("after"), given.modules),
        compat: compat(&body.many("compat"), given.modules, &scope),
        host: body.one("host").map(|node| needs::host(&node, &scope)).unwrap_or_default(),
        upgrade: body.one("upgrade").map(|node| upgrade::upgrade(&node, &scope)).unwrap_or_default(),
        ready: gate(&mut body, "ready"),
        healthy: gate(&mut body, "healthy"),
        converged: gate(&mut body, "converged"),
        safe_to_stop: body.one("safe-to-stop").map(|node| rolling::safety(&node, &scope, None)).unwrap_or_default(),
        quorum,
        by_file,
        strategy: rolling::strategy(body.one("strategy")),
        rolling: rolling::rolling(body.one("rolling"), &scope, &settings),
        phases,
        drain: body.one("drain").and_then(|node| drain::drain(&node, &scope, &settings)),
        live,
        settled: body.one("settled").map(|node| rolling::settled(&node, &scope, &settings)).unwrap_or_default(),
        status: body.one("status").map(|node| rolling::status(&node, &scope)).unwrap_or_default(),
        singleton: body.one("singleton").and_then(|node| {
            let says = node.need_prop::<String>("says").map(|says| says.value);
            node.finish();
            says
        }),
        jobs: job::jobs(&body.many("job"), given.modules, &scope),
        settings,
    };
    node.finish();
    scope.check_files(&module, &given.templates);
    scope.check_leader(&module);
    Some(Module { templates: given.templates, ..module })
}

/// Which instances vote, and whether they know each other from their files alone.
fn votes(body: &mut Body<'_>, scope: &Scope<'_>) -> (Option<crate::model::Expr>, bool) {
    let Some(child) = body.one("votes") else { return (None, false) };
    let text = child.arg::<String>(0, "an expression that says which instances vote");
    let by_file = child.flag("by-file");
    child.finish();
    (text.map(|text| scope.expr(text, &[])), by_file)
}

/// The one text of a child that has nothing else.
fn one_text(body: &mut Body<'_>, name: &str, what: &str) -> Option<Spanned<String>> {
    let child = body.one(name)?;
    let text = child.arg::<String>(0, what);
    child.finish();
    text
}

/// Prefixes of versions in one text: `"8 10 11"`.
pub(super) struct Versions(Vec<Version>);

impl FromKdl for Versions {
    const WHAT: &'static str = "versions with blanks between them, such as \"8 11\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, super::values::Expected> {
        let wrong =
            || super::values::Expected::new(Self::WHAT).help("beginnings of versions: \"11\" stands for 11.0.13");
        let text = raw.value.as_string().ok_or_else(wrong)?;
        let versions: Result<_, _> = text.split_whitespace().map(Version::parse).collect();
        versions.map(Self).map_err(|_| wrong())
    }
}

fn requires(nodes: &[Node<'_>], modules: &[&str], scope: &Scope<'_>) -> Vec<Requirement> {
    let mut found: Vec<Requirement> = Vec::new();
    for node in nodes {
        let module = node.arg_as::<ModuleName>("the name of a module");
        let mut rows = Vec::new();
        if node.has_prop("supported") || node.has_prop("proven") {
            rows.push(row(node, scope));
        }
        for child in node.body().rest() {
            rows.push(row(&child, scope));
            child.finish();
        }
        node.finish();
        let Some(module) = module else { continue };
        if !modules.contains(&module.as_str()) {
            node.cx.report(super::cluster::no_module(module.as_str(), module.span, modules));
            continue;
        }
        if let Some(first) = found.iter().find(|known| known.module == module) {
            let what = format!("what it requires of `{}`", module.value);
            node.cx.report(duplicate(&what, module.span, first.module.span, "write the versions as rows of one table"));
            continue;
        }
        found.push(Requirement { module, rows });
    }
    found
}

fn row(node: &Node<'_>, scope: &Scope<'_>) -> RequirementRow {
    let versions = |name| node.prop::<Versions>(name).map(|versions| versions.value.0).unwrap_or_default();
    RequirementRow {
        when: node.prop::<String>("when").map(|text| scope.only_expr(text, names::VERSION)),
        supported: versions("supported"),
        proven: versions("proven"),
        span: node.span(),
    }
}

fn service_owned(node: &Node<'_>) -> Vec<String> {
    let names = node.args::<String>(0, "a file's name");
    node.finish();
    names.into_iter().map(|name| name.value).collect()
}

fn words(text: &str) -> Vec<String> {
    super::range::parts(text).into_iter().map(|(_, word)| word.to_owned()).collect()
}

fn order(node: &Node<'_>) -> Order {
    let list = |name| node.prop::<String>(name).map(|text| words(&text)).unwrap_or_default();
    let order = Order { start: list("start"), upgrade: list("upgrade") };
    node.finish();
    order
}

fn after(nodes: &[Node<'_>], modules: &[&str]) -> Vec<Spanned<ModuleName>> {
    let mut after: Vec<Spanned<ModuleName>> = Vec::new();
    for node in nodes {
        for module in node.args::<ModuleName>(0, "the name of a module") {
            if modules.contains(&module.as_str()) {
                after.push(module);
            } else {
                node.cx.report(super::cluster::no_module(module.as_str(), module.span, modules));
            }
        }
        node.finish();
    }
    after
}

fn compat(nodes: &[Node<'_>], modules: &[&str], scope: &Scope<'_>) -> Vec<CompatRule> {
    let mut rules = Vec::new();
    for node in nodes {
        let name = node.arg_as::<Name>("the rule's name");
        let with = node.need_prop::<ModuleName>("with");
        let must = node.need_prop::<String>("must").map(|text| scope.only_expr(text, names::COMPAT));
        let says = node.need_prop::<String>("says").map(|text| scope.only_template(text, names::COMPAT));
        node.finish();
        if let Some(with) = with.as_ref().filter(|with| !modules.contains(&with.as_str())) {
            node.cx.report(super::cluster::no_module(with.as_str(), with.span, modules));
            continue;
        }
        if let (Some(name), Some(with), Some(must), Some(says)) = (name, with, must, says) {
            rules.push(CompatRule { name: name.value, with, must, says });
        }
    }
    rules
}
