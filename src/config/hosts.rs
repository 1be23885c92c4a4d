//! The section `hosts`, and the selectors that pick from it.

use super::cluster::Path;
use super::range::{self, MOST_HOSTS};
use super::reader::{Body, Cx, Node};
use super::report::{duplicate, listed, quoted, suggest};
use super::ssh::ssh;
use super::values::{Expected, FromKdl, Raw};
use crate::diag::{Code, Diag, Span, Spanned, nearest};
use crate::model::{HostName, HostSpec, SshOptions, Transport};
use core::net::IpAddr;
use indexmap::IndexMap;

/// The hosts of the file.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) all: IndexMap<HostName, HostSpec>,
    /// No host was wrong, so what is not there does not exist.
    pub(super) whole: bool,
}

impl Hosts {
    /// Reads the section. `cluster` is the cluster's name, for the folders of sandbox hosts.
    pub(super) fn read(sections: &[Node<'_>], cluster: &str) -> Self {
        let mut hosts = Self { all: IndexMap::new(), whole: true };
        let mut addresses = Addresses::new();
        let mut folders = Addresses::new();
        for node in sections.iter().flat_map(Node::children) {
            let declared = expanded(&node, cluster);
            hosts.whole &= declared.is_some();
            let declared = declared.unwrap_or_default();
            for host in declared.iter().filter(|host| host.transport == Transport::Local) {
                same_folder(host, &mut folders, &node);
            }
            if !hosts.add(declared, &node, &mut addresses) {
                break;
            }
            node.finish();
        }
        sections.iter().for_each(Node::finish);
        hosts
    }

    /// Takes over the hosts of a node. The result is whether there is room for more.
    fn add(&mut self, declared: Vec<HostSpec>, node: &Node<'_>, addresses: &mut Addresses) -> bool {
        let mut twice: IndexMap<Span, Vec<String>> = IndexMap::new();
        for host in declared {
            if self.all.len() >= MOST_HOSTS {
                let diag = Diag::at(Code::BadRange, node.span(), format!("more than {MOST_HOSTS} hosts"));
                let help = "one file declares one cluster; split it into several clusters";
                node.cx.report(diag.label("one too many").help(help));
                self.whole = false;
                return false;
            }
            if let Some(first) = self.all.get(&host.name.value) {
                twice.entry(first.name.span).or_default().push(host.name.value.to_string());
                continue;
            }
            if let Some(first) = addresses.get(host.address.as_str()) {
                node.cx.report(same_address(&host, first));
            }
            addresses.insert(host.address.value.clone(), Spanned::new(host.name.value.clone(), host.address.span));
            self.all.insert(host.name.value.clone(), host);
        }
        for (first, names) in twice {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let what = if names.len() == 1 { "the host" } else { "each of the hosts" };
            let help = "every host is declared once, alone or in a range";
            node.cx.report(duplicate(&format!("{what} {}", quoted(&names)), node.name_span(), first, help));
        }
        true
    }
}

/// Sandbox hosts share a machine, so two of them with one folder would be one host under two names.
fn same_folder(host: &HostSpec, folders: &mut Addresses, node: &Node<'_>) {
    let Some(prefix) = &host.prefix else { return };
    if let Some(first) = folders.get(prefix).filter(|first| first.value != host.name.value) {
        let together = first.span == host.name.span;
        let message = if together {
            format!("all sandbox hosts of `{}` have the same folder `{prefix}`", node.name())
        } else {
            format!("the sandbox hosts `{}` and `{}` have the same folder `{prefix}`", first.value, host.name)
        };
        let place = node.place_of("prefix").unwrap_or(host.name.span);
        let diag = Diag::at(Code::Duplicate, place, message)
            .label("one folder for several hosts")
            .help("leave `prefix` out: each sandbox host then has a folder of its own below /var/tmp/es_cluster");
        node.cx.report(if together {
            diag
        } else {
            diag.also(Diag::at(Code::Duplicate, first.span, "it is first said here").label("and this one"))
        });
        return;
    }
    folders.insert(prefix.clone(), host.name.clone());
}

/// Which host has an address or folder, and where that is said.
type Addresses = IndexMap<String, Spanned<HostName>>;

fn same_address(host: &HostSpec, first: &Spanned<HostName>) -> Diag {
    let message = format!("`{}` and `{}` have the same address `{}`", first.value, host.name, host.address);
    Diag::at(Code::Duplicate, host.address.span, message)
        .label(format!("the address of `{}` too", first.value))
        .help("services on both would bind the same ports; give each host its own address")
        .also(Diag::at(Code::Duplicate, first.span, "it is first said here").label("first here"))
}

/// An address, or a range of them.
struct Address(String);

impl FromKdl for Address {
    const WHAT: &'static str = "an address such as \"10.0.0.1\", or a range of them such as \"10.0.0.[1-3]\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        String::from_kdl(raw).map(Self)
    }
}

/// A node of the section, one host or a range of them.
fn expanded(node: &Node<'_>, cluster: &str) -> Option<Vec<HostSpec>> {
    let span = node.name_span();
    let address = node.need_prop::<Address>("address").map(|address| address.map(|address| address.0));
    let transport = node.prop_with("transport", |raw| {
        super::cluster::one_of(raw, &[("ssh", Transport::Ssh), ("local", Transport::Local)])
    });
    let transport = transport.map_or(Transport::Ssh, |transport| transport.value);
    let prefix = node.prop::<Path>("prefix");
    let number = node.prop::<u32>("number");
    let mut body = node.body();
    let ssh = own_ssh(node, body.one("ssh"), transport);
    let labels = labels(body);
    let names = match range::expand(node.name(), span) {
        Ok(names) => names,
        Err(diag) => {
            node.cx.report(*diag);
            return None;
        }
    };
    if let Some(number) = number.as_ref().filter(|_| names.len() > 1) {
        let message = format!("{} hosts can't all have the number {number}", names.len());
        node.cx.report(
            Diag::at(Code::BadId, number.span, message)
                .label("one number for a whole range")
                .help("leave it out: a host's number is the one at the end of its name"),
        );
    }
    let number = number.filter(|_| names.len() == 1);
    let address = address?;
    let addresses = match range::expand(&address, address.span) {
        Ok(addresses) => addresses,
        Err(diag) => {
            node.cx.report(*diag);
            return None;
        }
    };
    if addresses.len() != names.len() {
        let message = format!("{} for {}", count(addresses.len(), "address"), count(names.len(), "host"));
        node.cx.report(
            Diag::at(Code::BadRange, address.span, message)
                .label(format!("this stands for {}", count(addresses.len(), "address")))
                .help(format!("both ranges must be equally long: `{}` stands for {}", node.name(), names.len())),
        );
        return None;
    }
    let mut hosts = Vec::new();
    for (name, text) in names.into_iter().zip(addresses) {
        let Ok(host) = HostName::new(&name) else {
            let message = format!("`{}` can't be a host's name", shown(&name));
            let expected = Expected::name(HostName::WHAT, node.name());
            let diag = Diag::at(expected.code, span, message).label(format!("expected {}", expected.what));
            node.cx.report(expected.help.into_iter().fold(diag, Diag::help));
            return None;
        };
        if let Some(expected) = bad_address(&text, transport) {
            let message = format!("`address` can't be \"{}\"", shown(&text));
            let diag = Diag::at(expected.code, address.span, message).label(format!("expected {}", expected.what));
            node.cx.report(expected.help.into_iter().fold(diag, Diag::help));
            return None;
        }
        let own = prefix.as_ref().map(|prefix| prefix.value.0.clone());
        let sandbox = || format!("/var/tmp/es_cluster/{cluster}/{name}");
        hosts.push(HostSpec {
            number: number.as_ref().map(|number| number.value).or_else(|| range::number_in(&name)),
            prefix: own.or_else(|| (transport == Transport::Local).then(sandbox)),
            name: Spanned::new(host, span),
            address: Spanned::new(text, address.span),
            transport,
            ssh: ssh.clone(),
            labels: labels.clone(),
        });
    }
    Some(hosts)
}

/// What a host says about the way to it.
fn own_ssh(node: &Node<'_>, child: Option<Node<'_>>, transport: Transport) -> SshOptions {
    let Some(child) = child else { return SshOptions::default() };
    if transport == Transport::Local {
        let message = format!("the sandbox host `{}` is not reached over ssh", node.name());
        let diag = Diag::at(Code::WrongType, child.span(), message).label("this has no meaning here");
        node.cx.report(diag.help("leave `ssh` out, or leave `transport=\"local\"` out"));
    }
    ssh(&child)
}

fn labels(body: Body<'_>) -> IndexMap<String, String> {
    let mut labels: IndexMap<String, Spanned<String>> = IndexMap::new();
    for child in body.rest() {
        for (key, value) in child.props::<Label>() {
            if let Some(first) = labels.get(&key.value) {
                let what = format!("the label `{key}`");
                // Twice in one node is reported by the node itself.
                if !same_line(&child, first.span) {
                    child.cx.report(duplicate(&what, key.span, first.span, "keep one of them"));
                }
                continue;
            }
            labels.insert(key.value, Spanned::new(value.value.0, key.span));
        }
        child.finish();
    }
    labels.into_iter().map(|(key, value)| (key, value.value)).collect()
}

fn same_line(node: &Node<'_>, span: Span) -> bool {
    let whole = node.span();
    whole.source == span.source && (whole.start..whole.start + whole.len).contains(&span.start)
}

/// A label's value: a word that a selector can name.
#[derive(Debug, Clone)]
struct Label(String);

impl FromKdl for Label {
    const WHAT: &'static str = "a word without blanks or commas";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let text = String::from_kdl(raw)?;
        if text.is_empty() || text.contains(|c: char| c == ',' || c.is_whitespace()) {
            return Err(Expected::new(Self::WHAT));
        }
        Ok(Self(text))
    }
}

/// What an address must be, when it is not.
fn bad_address(text: &str, transport: Transport) -> Option<Expected> {
    let parsed = text.parse::<IpAddr>();
    if transport == Transport::Local {
        let help = "a sandbox host has its own loopback address, such as \"127.0.0.11\"";
        return match parsed {
            Ok(address) if address.is_loopback() => None,
            _ => Some(Expected::new("a loopback address, 127.x.y.z").help(help)),
        };
    }
    let numeric = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let name = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    match parsed {
        Ok(address) if address.is_unspecified() => {
            Some(Expected::new("one host's address").help("0.0.0.0 stands for all addresses: name one"))
        }
        Ok(_) => None,
        Err(_) if !numeric && text.len() <= 253 && text.split('.').all(name) => None,
        Err(_) => Some(Expected::new("an IP address or a host name").help(if numeric {
            "an IPv4 address has four numbers, 0 to 255, such as \"10.0.0.1\""
        } else {
            "a host name has letters, digits, '-' and '_', and dots between its parts"
        })),
    }
}

/// The hosts that `on=` names: names, ranges, `label:key=value`, in the order of the file and each once.
pub(super) fn select(selector: &Spanned<String>, hosts: &Hosts, cx: &Cx) -> Vec<Spanned<HostName>> {
    let mut picked: IndexMap<HostName, Spanned<HostName>> = IndexMap::new();
    if range::parts(selector).is_empty() {
        let diag = Diag::at(Code::Missing, selector.span, "no host is named")
            .label("empty")
            .help("name hosts, a range \"node[1-3]\" or a label \"label:disk=ssd\"");
        cx.report(diag);
    }
    // Without escapes the text stands as it is between its quotes, and a part of it has a place of its own.
    let plain = selector.span.len == selector.value.len() + 2;
    let mut named = 0;
    for (at, part) in range::parts(selector) {
        let place = Span { start: selector.span.start + 1 + at, len: part.len(), ..selector.span };
        let span = if plain { place } else { selector.span };
        named += range::count(part);
        if named > 2 * MOST_HOSTS {
            let diag = Diag::at(Code::BadRange, span, "these are more names than all hosts have, twice over");
            cx.report(diag.label("one too many").help("name every host once"));
            break;
        }
        let names = match part.strip_prefix("label:") {
            Some(label) => by_label(label, span, hosts, cx),
            None => by_name(part, span, hosts, cx),
        };
        for name in names {
            picked.entry(name.clone()).or_insert_with(|| Spanned::new(name, selector.span));
        }
    }
    picked.into_values().collect()
}

fn by_label(label: &str, span: Span, hosts: &Hosts, cx: &Cx) -> Vec<HostName> {
    let Some((key, value)) = label.split_once('=') else {
        let diag = Diag::at(Code::WrongType, span, format!("`label:{}` names no value", shown(label)))
            .label("expected label:key=value")
            .help("write it as \"label:disk=ssd\"");
        cx.report(diag);
        return Vec::new();
    };
    let has = |host: &&HostSpec| host.labels.get(key).is_some_and(|own| own == value);
    let found: Vec<HostName> = hosts.all.values().filter(has).map(|host| host.name.value.clone()).collect();
    if found.is_empty() && hosts.whole && !hosts.all.is_empty() {
        let mut known: Vec<String> =
            hosts.all.values().flat_map(|host| host.labels.iter().map(|(k, v)| format!("{k}={v}"))).collect();
        known.sort_unstable();
        known.dedup();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let diag = Diag::at(Code::Unresolved, span, format!("no host has the label `{}`", shown(label)));
        cx.report(suggest(diag, label, &known, "no such label"));
    }
    found
}

fn by_name(part: &str, span: Span, hosts: &Hosts, cx: &Cx) -> Vec<HostName> {
    let names = match range::expand(part, span) {
        Ok(names) => names,
        Err(diag) => {
            cx.report(*diag);
            return Vec::new();
        }
    };
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for name in names {
        match HostName::new(&name).ok().filter(|host| hosts.all.contains_key(host)) {
            Some(host) => found.push(host),
            None => absent.push(name),
        }
    }
    if let Some(first) = absent.first().filter(|_| hosts.whole) {
        let known: Vec<&str> = hosts.all.keys().map(HostName::as_str).collect();
        let several: Vec<&str> = absent.iter().map(String::as_str).collect();
        let message = match absent.len() {
            1 => format!("there is no host `{}`", shown(first)),
            _ => format!("there are no hosts {}", quoted(&several)),
        };
        let diag = Diag::at(Code::Unresolved, span, message);
        // What differs in its number alone is another host and no slip, and so is the end of a range.
        let letters = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
        let others = known.iter().copied().filter(|name| letters(name) != letters(first));
        let same = known.iter().copied().find(|name| letters(name) == letters(first));
        let diag = match nearest(first, others).filter(|_| same.is_none() && part == first) {
            Some(near) => diag.label(format!("did you mean `{near}`?")),
            None => diag.label("not in `hosts`"),
        };
        cx.report(if known.is_empty() {
            diag.help("declare hosts in `hosts { … }`")
        } else {
            diag.help(format!("hosts of this file: {}", listed(&known)))
        });
    }
    found
}

/// A text of the operator's for a message: not longer than a line.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// `1 host`, `3 hosts`, `2 addresses`.
fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ if thing.ends_with('s') => format!("{number} {thing}es"),
        _ => format!("{number} {thing}s"),
    }
}
