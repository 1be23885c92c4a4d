//! A module's sources with their templates rendered for one version, and checked: what comes out of a template ends up
//! in arguments of clients, in XML and in paths.

use super::bundle::{Layout, inner_path};
use crate::expr;
use crate::model::{Source, SourceKind, Template, Version};
use indexmap::IndexMap;
use serde_json::json;
use std::fmt;

/// What the templates of a source are rendered over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The version of the module's software.
    pub(super) version: &'a Version,
    /// The plugin and its version, for a plugin's source.
    pub(super) plugin: Option<(&'a str, &'a Version)>,
}

/// One way to get one artifact, ready to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) kind: Kind,
    pub(super) layout: Layout,
}

/// How something is fetched; every text was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File { name: String },
    Url { url: String, sha512: Option<String> },
    Maven { coordinates: Vec<Coordinate>, with_dependencies: bool },
    Pypi { requirements: Vec<String> },
    Deb { package: String },
    System { program: String },
}

/// What Maven calls an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coordinate {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) extension: String,
    pub(super) classifier: Option<String>,
}

/// A source that can't be used as it is written.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} {why}")]
pub struct BadSource {
    /// The rendered text, or the template when it could not be rendered.
    pub text: String,
    /// What is wrong.
    pub why: String,
}

fn bad(text: &str, why: impl Into<String>) -> BadSource {
    BadSource { text: text.to_owned(), why: why.into() }
}

impl Recipe {
    /// Renders a source; `None` when its `when` does not hold.
    pub(super) fn of(source: &Source, subject: Subject<'_>) -> Result<Option<Self>, BadSource> {
        let context = subject.context(&source.version_map);
        if let Some(when) = &source.when {
            let text = when.0.value.as_str();
            if !expr::eval_bool(text, &context).map_err(|why| bad(text, why.to_string()))? {
                return Ok(None);
            }
        }
        let text = |template: &Template| {
            let source = template.0.value.as_str();
            expr::render(source, &context).map_err(|why| bad(source, why.to_string()))
        };
        let place = |template: &Option<Template>| match template {
            None => Ok(String::new()),
            Some(template) => {
                let rendered = text(template)?;
                inner_path(&rendered).map_err(|why| bad(&rendered, why))
            }
        };
        let mut layout = Layout { root: place(&source.root)?, into: place(&source.into)?, as_it_is: false };
        let kind = match &source.kind {
            SourceKind::File { name } => Kind::File { name: file_name(text(name)?)? },
            SourceKind::Url { url, sha512 } => {
                let sha512 = sha512.as_deref().map(hexadecimal).transpose()?;
                Kind::Url { url: address(text(url)?)?, sha512 }
            }
            SourceKind::Maven { coordinates, with_dependencies } => {
                let parse = |template| Coordinate::parse(&text(template)?);
                layout.as_it_is = *with_dependencies;
                let coordinates = coordinates.iter().map(parse).collect::<Result<_, _>>()?;
                Kind::Maven { coordinates, with_dependencies: *with_dependencies }
            }
            SourceKind::Pypi { requirements } => {
                let parse = |template| pinned(text(template)?);
                Kind::Pypi { requirements: requirements.iter().map(parse).collect::<Result<_, _>>()? }
            }
            SourceKind::Deb { package } => Kind::Deb { package: package_name(text(package)?)? },
            SourceKind::System { program } => Kind::System { program: program_name(text(program)?)? },
        };
        Ok(Some(Self { kind, layout }))
    }

    /// The source's whole text, when that alone says which bytes are meant, today and tomorrow.
    pub(super) fn fixed(&self) -> Option<String> {
        match &self.kind {
            Kind::Maven { .. } | Kind::Pypi { .. } => Some(self.to_string()),
            Kind::Url { sha512, .. } => sha512.as_ref().map(|sum| format!("{self} sha512={sum}")),
            Kind::File { .. } | Kind::Deb { .. } | Kind::System { .. } => None,
        }
    }
}

impl Subject<'_> {
    /// `version`, `plugin.name`, `plugin.version`; the one that the source counts is mapped.
    fn context(&self, map: &IndexMap<String, String>) -> serde_json::Value {
        let mapped = |version: &Version| {
            let same = |known: &&String| Version::parse(known).is_ok_and(|known| known == *version);
            let key = map.keys().find(|known| *known == version.as_str()).or_else(|| map.keys().find(same));
            key.and_then(|key| map.get(key)).cloned().unwrap_or_else(|| version.to_string())
        };
        match self.plugin {
            None => json!({ "version": mapped(self.version) }),
            Some((name, version)) => {
                json!({ "version": self.version.as_str(), "plugin": { "name": name, "version": mapped(version) } })
            }
        }
    }
}

impl fmt::Display for Recipe {
    /// One line that says everything about the source: it is what `cluster.lock` keeps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::File { name } => write!(f, "file {name}")?,
            Kind::Url { url, .. } => write!(f, "url {url}")?,
            Kind::Maven { coordinates, with_dependencies } => {
                f.write_str("maven")?;
                coordinates.iter().try_for_each(|coordinate| write!(f, " {coordinate}"))?;
                f.write_str(if *with_dependencies { " with-dependencies" } else { "" })?;
            }
            Kind::Pypi { requirements } => write!(f, "pypi {}", requirements.join(" "))?,
            Kind::Deb { package } => write!(f, "deb {package}")?,
            Kind::System { program } => write!(f, "system {program}")?,
        }
        for (key, value) in [("root", &self.layout.root), ("into", &self.layout.into)] {
            if !value.is_empty() {
                write!(f, " {key}={value}")?;
            }
        }
        Ok(())
    }
}

impl Coordinate {
    /// `group:name:version[:extension[:classifier]]`, exact.
    fn parse(text: &str) -> Result<Self, BadSource> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
        };
        let parts: Vec<&str> = text.split(':').collect();
        if !(3..=5).contains(&parts.len()) || !parts.iter().all(|part| plain(part)) {
            return Err(bad(text, "is not group:name:version[:extension[:classifier]]"));
        }
        let moving = parts[2] == "LATEST" || parts[2] == "RELEASE" || parts[2].ends_with("-SNAPSHOT");
        if moving {
            return Err(bad(text, "has no fixed version"));
        }
        let part = |index: usize| parts.get(index).map(|part| (*part).to_owned());
        Ok(Self {
            group: parts[0].to_owned(),
            name: parts[1].to_owned(),
            version: parts[2].to_owned(),
            extension: part(3).unwrap_or_else(|| "jar".to_owned()),
            classifier: part(4),
        })
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.group, self.name, self.version, self.extension)?;
        self.classifier.iter().try_for_each(|classifier| write!(f, ":{classifier}"))
    }
}

fn file_name(text: String) -> Result<String, BadSource> {
    let odd = |c: char| c.is_control() || c == '/' || c == '\\';
    if text.is_empty() || text.len() > 200 || text.starts_with('.') || text.chars().any(odd) {
        return Err(bad(&text, "is not the name of a file"));
    }
    Ok(text)
}

fn address(text: String) -> Result<String, BadSource> {
    let known = text.starts_with("https://") || text.starts_with("http://");
    if !known || text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(bad(&text, "is not an http or https address"));
    }
    let authority = text.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(bad(
            authority,
            "is not a host: user and password do not belong into an address, which is written down",
        ));
    }
    Ok(text)
}

fn hexadecimal(text: &str) -> Result<String, BadSource> {
    if text.len() != 128 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad(text, "is not a sha512: it has 128 hexadecimal digits"));
    }
    Ok(text.to_ascii_lowercase())
}

fn pinned(text: String) -> Result<String, BadSource> {
    let word = |part: &str, more: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    match text.split_once("==") {
        Some((name, version)) if word(name, "._-") && word(version, ".+!-_") => Ok(text),
        _ => Err(bad(&text, "is not name==version")),
    }
}

fn package_name(text: String) -> Result<String, BadSource> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.~:=".contains(c);
    // apt knows a version by its beginning, too: `name=1.22.1-*` is whichever revision of it the distribution has.
    let named = text.strip_suffix('*').filter(|name| name.contains('=')).unwrap_or(&text);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || text.len() > 200 || !named.chars().all(plain) {
        return Err(bad(&text, "is not a package, package=version or package=version*"));
    }
    Ok(text)
}

fn program_name(text: String) -> Result<String, BadSource> {
    if text.is_empty() || text.starts_with('-') || text.len() > 1024 || text.chars().any(char::is_control) {
        return Err(bad(&text, "is not a program"));
    }
    Ok(text)
}
