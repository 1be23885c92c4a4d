//! `esplan adopt HOSTS`: looks at the hosts of a file, and writes what runs there as the rest of it.

use super::args::Common;
use super::error::CliError;
use super::exit::Exit;
use super::files::DiskFiles;
use super::format::write;
use super::import::modules_of;
use super::load;
use super::terminal::Terminal;
use crate::adopt::{Looked, adopt as make};
use crate::config::{self, Files, Loaded};
use crate::desired::Part;
use crate::diag::Sources;
use crate::host::Host;
use crate::inventory::{home_file, seek_request};
use crate::model::{Cluster, HostName, Module, Transport as Reached};
use crate::remote::{BundleSource, Local, Machine, SshHosts};
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest look at one host.
const HOST_LIMIT: Duration = Duration::from_secs(30);
/// Hosts looked at at a time.
const AT_ONCE: usize = 64;
/// Largest file of hosts, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Flags of `esplan adopt`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = super::examples::ADOPT)]
pub struct Adopt {
    /// A file as cluster.kdl, with `cluster` and `hosts`, and without `roles`
    #[arg(value_name = "HOSTS")]
    pub hosts: PathBuf,
    /// Write the file here; it must not be there yet. By default it is printed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The disk, with one file as it will be.
struct Completed {
    path: String,
    text: String,
}

impl Files for Completed {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        if path == self.path { Ok(self.text.clone().into_bytes()) } else { DiskFiles.read(path, limit) }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        DiskFiles.list(folder)
    }
}

/// The hosts → `cluster.kdl`.
pub(crate) async fn adopt(common: &Common, args: &Adopt, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(CliError::with_hint(
            format!("{} is there already; nothing was written", out.display()),
            "name another file with --out, or move this one away",
        ));
    }
    let path = args.hosts.to_string_lossy().into_owned();
    let common = Common { file: args.hosts.clone(), ..common.clone() };
    let given = DiskFiles.read(&path, MOST_BYTES).map_err(|why| CliError::new(format!("{path}: {why}")))?;
    let given = String::from_utf8(given).map_err(|_| CliError::new(format!("{path} is not text")))?;
    let modules = modules_of(&common)?;
    let loaded = load_hosts(&common, path, &given)?;
    if loaded.cluster.hosts.is_empty() {
        return Err(CliError::with_hint(
            format!("{} declares no hosts", args.hosts.display()),
            "say which to look at: hosts { node1 address=\"…\"; }",
        ));
    }
    let looked = look(&loaded.cluster, &common, &seek(&modules)).await?;
    let adopted = make(&given, &loaded.cluster, &looked, &modules);
    match &args.out {
        Some(out) => write(out, &adopted.text)?,
        None => terminal.print(&adopted.text),
    }
    let mut told = format!("{} instances found on {} hosts\n", adopted.instances, looked.len());
    if adopted.left > 0 {
        let left = format!("{} things could not be carried over: look for TODO in the file\n", adopted.left);
        told.push_str(&left);
    }
    terminal.complain(&told);
    Ok(if looked.values().any(Result::is_err) { Exit::Unobserved } else { Exit::Done })
}

/// The file as far as it goes: without roles.
fn load_hosts(common: &Common, path: String, given: &str) -> Result<Loaded, CliError> {
    let files = Completed { text: format!("{given}\nroles {{\n}}\n"), path };
    let mut sources = Sources::new();
    let folder = load::modules_dir(common);
    let (loaded, mistakes) = config::load(&files, &files.path, &folder.to_string_lossy(), &mut sources);
    loaded.ok_or_else(|| CliError::from_diagnostics(mistakes, &sources))
}

/// The one question to each host.
fn seek(modules: &[Arc<Module>]) -> String {
    let known = |name: &str| modules.iter().find(|module| module.name.as_str() == name)?.adopt.as_ref();
    let recognised = modules.iter().filter_map(|module| {
        let own = module.adopt.as_ref().filter(|own| !own.words.is_empty())?;
        let required = module.requires.iter().filter_map(|need| known(need.module.as_str()));
        Some((module.as_ref(), own, home_file(required)))
    });
    seek_request(recognised)
}

/// Looks at all hosts at once.
async fn look(cluster: &Cluster, common: &Common, request: &str) -> Result<Looked, CliError> {
    let nothing: Arc<dyn BundleSource> = Arc::new(|part: &Part| Err(format!("{} is not sent", part.name)));
    let mut operator = None;
    let mut hosts: BTreeMap<HostName, Arc<dyn Host>> = BTreeMap::new();
    for (name, host) in &cluster.hosts {
        let machine: Arc<dyn Host> = match host.transport {
            Reached::Local => Arc::new(Machine::new(name.clone(), Arc::new(Local), nothing.clone())),
            Reached::Ssh => {
                let unusable = |error: crate::remote::SettingsError| CliError::new(error.to_string());
                let operator = match &mut operator {
                    Some(operator) => operator,
                    none => none.insert(SshHosts::of_operator(&load::beside(&common.file, "")).map_err(unusable)?),
                };
                let options = host.ssh.clone().or(&cluster.ssh);
                let way = operator.host(name.as_str(), &host.address, &options).map_err(unusable)?;
                Arc::new(Machine::new(name.clone(), Arc::new(way), nothing.clone()))
            }
        };
        hosts.insert(name.clone(), machine);
    }
    let looks = hosts.into_iter().map(|(name, machine)| async move {
        let looked = match tokio::time::timeout(HOST_LIMIT, machine.seek(request)).await {
            Err(_) => Err(format!("no answer within {} s", HOST_LIMIT.as_secs())),
            Ok(answer) => answer.map_err(|error| error.message),
        };
        (name, looked)
    });
    Ok(futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await)
}
