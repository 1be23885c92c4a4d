//! What a module offers and what it does, in words: the text of `esplan explain MODULE`.

use super::style::wrapped;
use super::words::{and, duration};
use crate::model::{
    Ask, Expr, FileContent, FreeSyntax, Gate, Hook, HttpMethod, Module, OnChange, Param, ParamType, Per, Probe,
    ProbeKind, ProbeOn, RequirementRow, Source, SourceKind, Strategy, Value, Version,
};

/// Columns of a line; expressions that are longer stay whole.
const WIDTH: usize = 110;

/// Everything that somebody who uses a module needs to know of it, as plain text.
pub fn explain(module: &Module) -> String {
    let mut page = Page::default();
    page.line(0, &format!("{}: {}", module.name.value, module.doc));
    params(&mut page, module);
    requires(&mut page, module);
    software(&mut page, module);
    files(&mut page, module);
    process(&mut page, module);
    gates(&mut page, module);
    if module.process.is_some() {
        change(&mut page, module);
    }
    page.text
}

#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, title: &str) {
        self.text.push('\n');
        self.line(0, title);
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(&wrapped(text, indent, indent + 4, WIDTH));
        self.text.push('\n');
    }

    /// Rows of two columns or more, the last one wrapped.
    fn rows(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        for row in rows {
            let mut line = "  ".to_owned();
            let mut start = 2;
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == columns {
                    line.push_str(&wrapped(cell, start, start, WIDTH));
                } else {
                    let width = width(column).unwrap_or(0) + 2;
                    line.push_str(cell);
                    line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count())));
                    start += width;
                }
            }
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }
}

fn params(page: &mut Page, module: &Module) {
    if module.params.is_empty() {
        return;
    }
    page.head("Parameters");
    let row = |(name, param): (&crate::model::Name, &Param)| {
        vec![name.to_string(), kind(&param.kind), default(param), about(param)]
    };
    let rows: Vec<Vec<String>> = module.params.iter().map(row).collect();
    page.rows(&rows);
}

/// A type as a module writes it, with its limits.
fn kind(kind: &ParamType) -> String {
    match kind {
        ParamType::Port => "port".to_owned(),
        ParamType::Size => "size".to_owned(),
        ParamType::Duration => "duration".to_owned(),
        ParamType::Path => "path".to_owned(),
        ParamType::Bool => "bool".to_owned(),
        ParamType::Int { min: Some(min), max: Some(max) } => format!("int, {min} to {max}"),
        ParamType::Int { min: Some(min), max: None } => format!("int, {min} or more"),
        ParamType::Int { min: None, max: Some(max) } => format!("int, at most {max}"),
        ParamType::Int { min: None, max: None } => "int".to_owned(),
        ParamType::Text => "text".to_owned(),
        ParamType::Enum(_) => "enum".to_owned(),
        ParamType::List(_) => "list".to_owned(),
        ParamType::Version => "version".to_owned(),
        ParamType::Map => "map".to_owned(),
        ParamType::Secret => "secret".to_owned(),
    }
}

/// What a parameter is for, with the words that it takes.
fn about(param: &Param) -> String {
    let words = match &param.kind {
        ParamType::Enum(words) => format!("one of {}", words.join(", ")),
        ParamType::List(words) if !words.is_empty() => format!("some of {}", words.join(", ")),
        _ => return param.doc.clone(),
    };
    if param.doc.is_empty() { words } else { format!("{}: {words}", param.doc) }
}

fn default(param: &Param) -> String {
    match &param.default {
        Some(value) => shown(value),
        None if param.optional => "optional".to_owned(),
        None => "required".to_owned(),
    }
}

/// A value as somebody would write it in `cluster.kdl`.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "#null".to_owned(),
        Value::Bool(truth) => format!("#{truth}"),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Size(bytes) => size(*bytes),
        Value::Duration(millis) => duration(std::time::Duration::from_millis(*millis)),
        Value::Text(text) => format!("\"{text}\""),
        Value::List(items) if items.is_empty() => "empty".to_owned(),
        Value::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Map(map) if map.is_empty() => "empty".to_owned(),
        Value::Map(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Secret(secret) => format!("secret {}", secret.0),
    }
}

/// A size in the largest unit that it is a whole number of.
fn size(bytes: u64) -> String {
    let units = [(40, "t"), (30, "g"), (20, "m"), (10, "k")];
    let fits = |(shift, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    units.into_iter().find(fits).map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn requires(page: &mut Page, module: &Module) {
    if !module.requires.is_empty() || !module.compat.is_empty() {
        page.head("Works with");
    }
    for need in &module.requires {
        if need.rows.is_empty() {
            page.line(2, &format!("{}, any version", need.module.value));
        }
        for row in &need.rows {
            page.line(2, &format!("{} {}", need.module.value, requirement(row)));
        }
    }
    for rule in &module.compat {
        page.line(2, &format!("{}, when {} ({})", rule.with.value, inline(&rule.must), rule.name));
    }
}

fn requirement(row: &RequirementRow) -> String {
    let list = |versions: &[Version]| and(&versions.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut text = match (row.supported.is_empty(), row.proven.is_empty()) {
        (false, false) => format!("{}; {} is proven by our tests", list(&row.supported), list(&row.proven)),
        (false, true) => list(&row.supported),
        (true, false) => format!("{}, proven by our tests", list(&row.proven)),
        (true, true) => "not at all".to_owned(),
    };
    if let Some(when) = &row.when {
        text.push_str(", when ");
        text.push_str(&inline(when));
    }
    text
}

fn software(page: &mut Page, module: &Module) {
    if let Some(artifact) = &module.artifact {
        page.head("Software, from the first of these that has it");
        artifact.sources.iter().for_each(|one| page.line(2, &source(one)));
    }
    if let Some(plugins) = &module.plugins {
        page.head(&format!("Plugins, into {}", plugins.into.0.value));
        plugins.sources.iter().for_each(|one| page.line(2, &source(one)));
        if let Some(accepts) = &plugins.accepts {
            page.line(2, &format!("taken only when {}", inline(accepts)));
        }
    }
}

fn source(source: &Source) -> String {
    let mut text = match &source.kind {
        SourceKind::File { name } => format!("file {}", name.0.value),
        SourceKind::Url { url, .. } => format!("url {}", url.0.value),
        SourceKind::Maven { coordinates, with_dependencies } => {
            let all: Vec<&str> = coordinates.iter().map(|one| one.0.as_str()).collect();
            let more = if *with_dependencies { ", with all that it depends on" } else { "" };
            format!("maven {}{more}", all.join(" "))
        }
        SourceKind::Pypi { requirement } => format!("pypi {}", requirement.0.value),
        SourceKind::Deb { package } => format!("deb {}", package.0.value),
        SourceKind::System { program } => format!("{}, which is already on the host", program.0.value),
    };
    if let Some(when) = &source.when {
        text.push_str(", when ");
        text.push_str(&inline(when));
    }
    text
}

fn files(page: &mut Page, module: &Module) {
    if !module.files.is_empty() {
        page.head("Files, and what a change of one asks for");
    }
    let mut rows = Vec::new();
    for file in &module.files {
        let change = match file.on_change {
            OnChange::Restart => "restart",
            OnChange::Reload => "reload",
            OnChange::Nothing => "nothing",
        };
        let mut notes = Vec::new();
        if let FileContent::TemplateFile(name) = &file.content
            && *name != file.path.0.value
        {
            notes.push(format!("from {name}"));
        }
        if file.identity {
            notes.push("identifies the data beside it: written once, never replaced".to_owned());
        }
        if let Some(when) = &file.when {
            notes.push(format!("only when {}", inline(when)));
        }
        if module.free_config.as_ref().is_some_and(|free| free.file == file.path.0.value) {
            notes.push(format!("free `config {{ … }}` of a role goes here{}", syntax(module)));
        }
        rows.push(vec![file.path.0.value.clone(), change.to_owned(), notes.join("; ")]);
    }
    for name in &module.service_owned {
        rows.push(vec![name.clone(), "nothing".to_owned(), "written by the service itself, carried along".to_owned()]);
    }
    page.rows(&rows);
}

fn syntax(module: &Module) -> &'static str {
    match module.free_config.as_ref().map(|free| free.format) {
        Some(FreeSyntax::Yaml) => " as YAML",
        Some(FreeSyntax::Properties) => " as properties",
        Some(FreeSyntax::Ini) => " as INI",
        Some(FreeSyntax::KeyValue) => " as keys and values",
        None => "",
    }
}

fn process(page: &mut Page, module: &Module) {
    if let Some(process) = &module.process {
        page.head("Process");
        let words: Vec<&str> = process.command.iter().map(|word| word.0.as_str()).collect();
        page.line(2, &format!("runs {}", words.join(" ")));
        if !process.first_start.is_empty() {
            let words: Vec<&str> = process.first_start.iter().map(|word| word.0.as_str()).collect();
            page.line(2, &format!("with {} when the service starts for the first time", words.join(" ")));
        }
        page.line(
            2,
            &format!("stops on {} within {}; never forced", process.stop_signal, duration(process.stop_within)),
        );
        if let Some(signal) = &process.reload_signal {
            page.line(2, &format!("reads its files again on {signal}"));
        }
    }
    for (name, least, when) in &module.host.sysctl {
        let when = when.as_ref().map_or_else(String::new, |when| format!(", when {}", inline(when)));
        page.line(2, &format!("needs {name} of at least {least} on the host{when}"));
    }
    if let Some(memory) = &module.host.memory {
        page.line(2, &format!("takes {} bytes of memory", inline(memory)));
    }
    if let Some(quorum) = &module.quorum {
        page.line(2, &format!("instances vote when {}; more than half of the voters stay up", inline(quorum)));
    }
}

fn gates(page: &mut Page, module: &Module) {
    let gates = [
        ("Ready: this instance serves", &module.ready),
        ("Healthy: the service is well enough to go on", &module.healthy),
        ("Converged: the service's final state", &module.converged),
    ];
    for (title, gate) in gates {
        if let Some(gate) = gate {
            page.head(&format!("{title} (waits {} at most)", duration(gate.within)));
            lines(page, gate);
        }
    }
    if !module.safe_to_stop.is_empty() {
        page.head("Safe to stop: each of these must hold before an instance is stopped");
    }
    for rule in &module.safe_to_stop {
        page.line(2, &format!("{}: {}", rule.name, probe(&rule.probe)));
    }
}

fn lines(page: &mut Page, gate: &Gate) {
    gate.probes.iter().for_each(|one| page.line(2, &probe(one)));
}

/// A probe as a sentence.
fn probe(probe: &Probe) -> String {
    let who = match probe.on {
        ProbeOn::SelfInstance => "this instance",
        ProbeOn::Any => "any instance",
        ProbeOn::Each => "each instance",
        ProbeOn::All => "all instances together",
        ProbeOn::Leader => "the leader",
    };
    let port = probe.port.as_ref().map_or_else(String::new, |port| format!(" ({port})"));
    let asked = match &probe.kind {
        ProbeKind::Http { method, path, .. } => format!("{} {}{port}", verb(*method), path.0.value),
        ProbeKind::Tcp { send: Some(text) } => format!("`{}` over TCP{port}", text.0.value.escape_debug()),
        ProbeKind::Tcp { send: None } => format!("a TCP connection{port}"),
        ProbeKind::Exec { command } => {
            let words: Vec<&str> = command.iter().map(|word| word.0.as_str()).collect();
            format!("`{}` on the host", words.join(" "))
        }
        ProbeKind::Kafka => format!("the cluster's metadata by its own protocol{port}"),
    };
    let until = probe.until.as_ref().map_or_else(String::new, |until| format!(", until {}", inline(until)));
    let twice = if probe.twice { ", twice in a row" } else { "" };
    format!("asks {who} for {asked}{until}{twice}")
}

fn verb(method: HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
    }
}

fn change(page: &mut Page, module: &Module) {
    page.head("A change");
    page.line(2, &match module.strategy {
        Strategy::Rolling => "goes from instance to instance".to_owned(),
        Strategy::Recreate { on_version_only: true } => {
            "of the version stops all instances before the first one starts; any other goes from instance to instance".to_owned()
        }
        Strategy::Recreate { on_version_only: false } => "stops all instances before the first one starts".to_owned(),
    });
    let rolling = &module.rolling;
    let unit = match rolling.per {
        Per::Instance => "instances",
        Per::Host => "hosts, with all their instances of the service,",
    };
    page.line(2, &format!("at most {} of the {unit} down at once", rolling.max_unavailable));
    for (what, tiers) in [("a start", &module.order.start), ("an upgrade", &module.order.upgrade)] {
        if !tiers.is_empty() {
            page.line(2, &format!("tiers at {what}: {}", tiers.join(", then ")));
        }
    }
    if !module.after.is_empty() {
        let names: Vec<String> = module.after.iter().map(|name| name.value.to_string()).collect();
        page.line(2, &format!("starts after {}", and(&names)));
    }
    if let Some(last) = &rolling.last {
        page.line(2, &format!("last is the instance for which this holds: {}", probe(last)));
    }
    rolling.before_stop.iter().for_each(|one| page.line(2, &format!("before a stop: {}", hook(one))));
    rolling.after_ready.iter().for_each(|one| page.line(2, &format!("once ready: {}", hook(one))));
    if let Some(no_return) = &rolling.no_return {
        page.line(2, &format!("no way back for an instance that has started, when {}", inline(no_return)));
    }
    for settled in &module.settled {
        let read = module.settings.get(&settled.setting).map_or_else(String::new, |setting| asked(&setting.read));
        let text = format!(
            "leaves {} so that {}; else it is set to {}",
            settled.setting,
            inline(&settled.expect),
            settled.repair
        );
        page.line(2, &format!("{text}{read}"));
    }
}

fn asked(ask: &Ask) -> String {
    match &ask.probe.kind {
        ProbeKind::Http { method, path, .. } => format!(" (read by {} {})", verb(*method), path.0.value),
        _ => String::new(),
    }
}

fn hook(hook: &Hook) -> String {
    let when = |when: &Option<Expr>| when.as_ref().map_or_else(String::new, |when| format!(", when {}", inline(when)));
    match hook {
        Hook::Set { setting, to, when: condition } => {
            format!("saves {setting} and sets it to {to}{}", when(condition))
        }
        Hook::Restore { setting } => format!("puts {setting} back as it was"),
        Hook::Call { probe: request, best_effort, tries, when: condition } => {
            let tries = if *tries > 1 { format!(", {tries} times at most") } else { String::new() };
            let effort = if *best_effort { "; a failure is only noted" } else { "" };
            format!("{}{tries}{}{effort}", probe(request), when(condition))
        }
    }
}

/// An expression on one line.
fn inline(expr: &Expr) -> String {
    expr.0.value.split_whitespace().collect::<Vec<_>>().join(" ")
}
