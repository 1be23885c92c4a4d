//! What a module offers and what it does, in words: the text of `esplan explain MODULE`.

mod sentences;

use super::style::wrapped;
use super::words::{and, duration};
use crate::model::{FileContent, Gate, Module, OnChange, Param, Per, Phase, Repair, SafetyRule, Strategy};
use sentences::{about, asked, default, hook, inline, kind, probe, requirement, source, syntax};

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
    spoken_to(&mut page, module);
    gates(&mut page, module);
    if module.process.is_some() {
        change(&mut page, module);
    }
    jobs(&mut page, module);
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

fn spoken_to(page: &mut Page, module: &Module) {
    let Some(connection) = &module.connection else { return };
    page.head("How it is spoken to");
    let when = |when: &Option<crate::model::Expr>| {
        when.as_ref().map(|when| format!(", when {}", inline(when))).unwrap_or_default()
    };
    if let Some(tls) = &connection.tls {
        let name = tls.name.as_ref().map_or("its address", |name| name.0.value.as_str());
        page.line(2, &format!("over TLS{}: a certificate of a CA in `{}`, for {name}", when(&tls.when), tls.ca));
    }
    if let Some(auth) = &connection.auth {
        let who = if auth.user.is_some() { "a user with the secret of" } else { "the token in" };
        page.line(2, &format!("as {who} `{}`{}", auth.secret, when(&auth.when)));
    }
    for login in &connection.logins {
        page.line(2, &format!("after `{}`{}", login.send.0.value, when(&login.when)));
    }
}

fn requires(page: &mut Page, module: &Module) {
    let keys = module.free_config.as_ref().is_some_and(|free| !free.refused.is_empty());
    if !module.requires.is_empty() || !module.compat.is_empty() || !module.upgrade.steps.is_empty() || keys {
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
    for step in &module.upgrade.steps {
        let through = step.through.as_ref().map_or_else(String::new, |through| format!("; through {through}"));
        page.line(
            2,
            &format!("no way from one version to another when {}{through} ({})", inline(&step.when), step.name),
        );
    }
    for rule in module.free_config.iter().flat_map(|free| &free.refused) {
        page.line(2, &format!("not with {} in `config` when {} ({})", and(&rule.keys), inline(&rule.when), rule.name));
    }
    for rule in &module.compat {
        page.line(2, &format!("{}, when {} ({})", rule.with.value, inline(&rule.must), rule.name));
    }
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
        if let FileContent::Given(param) = &file.content {
            notes.push(format!("a folder with the files of {param}"));
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

fn process(page: &mut Page, module: &Module) {
    if let Some(process) = &module.process {
        page.head("Process");
        let words: Vec<&str> = process.command.iter().map(|word| word.0.as_str()).collect();
        page.line(2, &format!("runs {}", words.join(" ")));
        if !process.first_start.is_empty() {
            let words: Vec<&str> = process.first_start.iter().map(|word| word.0.as_str()).collect();
            page.line(2, &format!("with {} when the service starts for the first time", words.join(" ")));
        }
        if !process.check.is_empty() {
            let words: Vec<&str> = process.check.iter().map(|word| word.0.as_str()).collect();
            page.line(2, &format!("tests its files with {} before anything is switched", words.join(" ")));
        }
        page.line(
            2,
            &format!("stops on {} within {}; never forced", process.stop_signal, duration(process.stop_within)),
        );
        if let Some(signal) = &process.reload_signal {
            page.line(2, &format!("reads its files again on {signal}"));
        }
        if !process.reload_command.is_empty() {
            let words: Vec<&str> = process.reload_command.iter().map(|word| word.0.as_str()).collect();
            page.line(2, &format!("is told to read its files again by {}", words.join(" ")));
        }
    }
    for need in &module.host.needs {
        let when = need.when.as_ref().map_or_else(String::new, |when| format!(", when {}", inline(when)));
        let verb = if need.wish { "wishes" } else { "needs" };
        page.line(2, &format!("{verb} {} {} on the host{when}", need.kind.name(), need.kind.wants()));
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
    for phase in module.phases.iter().flat_map(|phases| &phases.list) {
        page.line(2, &phase_of(phase));
    }
    if let Some(drain) = &module.drain {
        let when = drain.when.as_ref().map_or_else(String::new, |when| format!(", when {}", inline(when)));
        let ask: Vec<String> = drain.rules.iter().map(|rule| rule.name.to_string()).collect();
        let asked = if ask.is_empty() { String::new() } else { format!(", once {} holds", and(&ask)) };
        let within = duration(drain.within);
        page.line(2, &format!("one that leaves is drained first, {within} at most{when}{asked}"));
    }
    if module.by_file {
        page.line(2, "members know each other from their files alone: one joins or leaves at a time");
    }
    for settled in &module.settled {
        let read = module.settings.get(&settled.setting).map_or_else(String::new, |setting| asked(&setting.read));
        let repair = match &settled.repair {
            Repair::To(value) => value.to_string(),
            Repair::Worked(value) => inline(value),
        };
        let text =
            format!("leaves {} so that {}; else it is set to {repair}", settled.setting, inline(&settled.expect));
        page.line(2, &format!("{text}{read}"));
    }
}

fn jobs(page: &mut Page, module: &Module) {
    if !module.jobs.is_empty() {
        page.head("Jobs, for `esapply run`");
    }
    for (name, job) in &module.jobs {
        let when = job.when.as_ref().map(|when| format!(", when {}", inline(when))).unwrap_or_default();
        page.line(2, &format!("{name}: {} At most {}{when}", job.doc, duration(job.within)));
        let needs: Vec<String> = job.needs.iter().map(|need| need.value.to_string()).collect();
        if !needs.is_empty() {
            page.line(4, &format!("works on {}, which must be healthy", and(&needs)));
        }
    }
}

/// A phase of a change in a sentence.
fn phase_of(phase: &Phase) -> String {
    let set: Vec<String> = phase.set.iter().map(|(name, value)| format!("{name} is {}", value.0.value)).collect();
    let when =
        |rule: &SafetyRule| rule.when.as_ref().map_or_else(String::new, |when| format!(" when {}", inline(when)));
    let ask = phase.before.iter().map(|rule| format!("{} ({}){}", rule.name, probe(&rule.probe), when(rule)));
    let ask: Vec<String> = ask.collect();
    let mut text = format!("a change of versions has the phase \"{}\"", phase.name);
    for (what, of) in [("in which", set), ("before which it is asked", ask)] {
        if !of.is_empty() {
            text = format!("{text}, {what} {}", and(&of));
        }
    }
    if phase.no_return { format!("{text}; after it there is no way back") } else { text }
}
