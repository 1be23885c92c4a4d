//! The language of `cluster.kdl`.

use super::super::cluster::Path;
use super::super::ssh::{FileName, Jumps, Login};
use super::super::values::{Free, FromKdl, Port};
use super::{Field, Spec};
use crate::model::{Name, Share, Version};
use std::time::Duration;

/// The top of the file.
pub(in super::super) static FILE: Spec = Spec::word("", "One file says what the platform should be.")
    .block(&[&CLUSTER, &INCLUDE, &VERSIONS, &ROLLOUT, &SECRET, &SECRETS, &HOSTS, &ROLES, &ACCEPT]);

static CLUSTER: Spec = Spec::word("cluster", "The platform, and how its hosts are reached.")
    .args(&[Field::need("NAME", Name::WHAT, "Its name, in paths, units and records.")])
    .block(&[&PREFIX, &USER, &SSH, &SUPERVISOR, &ALLOW])
    .needed();

static PREFIX: Spec = Spec::word("prefix", "The folder on every host that holds everything of ours.")
    .args(&[Field::need("PATH", Path::WHAT, "`/opt/es_cluster` when the node is not there.")]);

static USER: Spec = Spec::word("user", "Who services run as, where the tool is root on a host.").args(&[Field::need(
    "LOGIN",
    Login::WHAT,
    "The user who logs in when the node is not there.",
)]);

static SUPERVISOR: Spec = Spec::word("supervisor", "The module that supervises processes.")
    .args(&[Field::need("MODULE", Name::WHAT, "`supervisord` when the node is not there; or `systemd`.")])
    .props(&[&[Field::or(
        "boot",
        bool::WHAT,
        "with systemd #true, else #false",
        "Whether a host that boots starts its instances.",
    )]]);

static ALLOW: Spec =
    Spec::word("allow", "What hosts lack and may be given. Nothing else of a host is ever set.").args(&[
        Field::several(
            "NEED",
            String::WHAT,
            "What a module needs, as plans name it: a kernel setting, or `command.NAME` of which it names the package.",
        ),
    ]);

static SSH: Spec = Spec::word(
    "ssh",
    "The way to the hosts, or to one of them. What is left open comes from `~/.ssh/config`.",
)
.props(&[&[
    Field::or("user", Login::WHAT, "who runs the program", "Login name."),
    Field::or("port", Port::WHAT, "22", "The port of sshd."),
    Field::or(
        "identity",
        FileName::WHAT,
        "the agent's keys, then the usual files",
        "A private key: this one is offered and no other.",
    ),
    Field::or("known-hosts", FileName::WHAT, "`~/.ssh/known_hosts` and the system's", "The file of known host keys."),
    Field::or("proxy-jump", Jumps::WHAT, "directly", "Hosts to go through, with commas between."),
    Field::or(
        "accept-new",
        bool::WHAT,
        "#false",
        "Trust and remember the key of a host that nobody knows yet; a changed key never is.",
    ),
    Field::or("sudo", bool::WHAT, "#false", "Do everything on the host through `sudo -n`."),
    Field::or("pass-on", bool::WHAT, "#true", "Whether hosts pass artifacts on to each other."),
    Field::or("connect-timeout", Duration::WHAT, "10s", "How long it may take until the host has shown its key."),
]]);

static INCLUDE: Spec = Spec::word("include", "Takes in another file, in the place of this node.")
    .args(&[Field::need("FILE", String::WHAT, "Its path, relative to the file that includes it.")])
    .many();

static VERSIONS: Spec =
    Spec::word("versions", "The version of each module's software, for all roles that do not say their own.")
        .block(&[&VERSION_OF])
        .many();

static VERSION_OF: Spec = Spec::any("MODULE", "One module.")
    .args(&[Field::need("VERSION", Version::WHAT, "1 to 4 numbers with dots between, and an optional suffix.")])
    .block(&[&PLUGIN]);

static PLUGIN: Spec = Spec::word("plugin", "A plugin that is assembled with the software.")
    .args(&[
        Field::need("NAME", Name::WHAT, "Its name, as the module's sources know it."),
        Field::need("VERSION", Version::WHAT, "Its version."),
    ])
    .many();

static ROLLOUT: Spec =
    Spec::word("rollout", "How a change goes through a role.").block(&[&CANARY, &SCOPE, &BATCH, &ON_FAILURE]);

static CANARY: Spec = Spec::word("canary", "How many instances of a role go first, alone.")
    .args(&[Field::need("COUNT", u32::WHAT, "1 when the node is not there; with 0 there is no canary.")])
    .props(&[&[Field::or("soak", Duration::WHAT, "30s", "How long they must stay healthy.")]]);

static SCOPE: Spec = Spec::word("scope", "What a canary is.").args(&[Field::need(
    "WHAT",
    "`role` or `host`",
    "`role` when the node is not there; with `host` the canary's host converges whole before any other.",
)]);

static BATCH: Spec =
    Spec::word("batch", "How many instances are changed at a time after the canary.").args(&[Field::need(
        "SHARE",
        Share::WHAT,
        "1 when the node is not there; never more than the module's `max-unavailable`.",
    )]);

static ON_FAILURE: Spec = Spec::word("on-failure", "What happens to an instance whose gate fails.")
    .args(&[Field::need("WHAT", "`rollback` or `stop`", "`rollback` when the node is not there.")]);

static SECRET: Spec = Spec::word("secret", "A value that is in no file of ours: where it comes from.")
    .args(&[
        Field::need("NAME", Name::WHAT, "The name that a parameter of type `secret` takes."),
        Field::several("SOURCE", String::WHAT, "A variable, a file, or the words of a command."),
    ])
    .props(&[&SECRET_FROM])
    .block(&[&Spec::word("previous", "The value that it had before: what still runs with that is asked with it.")
        .args(&[Field::several("SOURCE", String::WHAT, "A variable, a file, or the words of a command.")])
        .props(&[&SECRET_FROM])])
    .many();

static SECRET_FROM: [Field; 1] = [Field::need("from", "`env`, `file` or `command`", "What SOURCE is.")];

static SECRETS: Spec = Spec::word("secrets", "A block for them.").block(&[&SECRET]).many();

static HOSTS: Spec = Spec::word("hosts", "The machines.").block(&[&HOST]).many();

static HOST: Spec = Spec::any("HOST", "A host, or a range of them: `\"node[1-3]\"`.")
    .props(&[&[
        Field::need(
            "address",
            "an address such as \"10.0.0.1\", or a range of them such as \"10.0.0.[1-3]\"",
            "What services bind, and where it is reached.",
        ),
        Field::or("number", u32::WHAT, "the number at the end of its name", "The id of its instances."),
        Field::or(
            "prefix",
            Path::WHAT,
            "that of `cluster`; of a sandbox host one of its own",
            "The folder that holds everything of ours.",
        ),
        Field::or(
            "transport",
            "`ssh` or `local`",
            "`ssh`",
            "`local`: a sandbox host on this machine, with a loopback address of its own.",
        ),
    ]])
    .block(&[&LABEL, &SSH]);

static LABEL: Spec = Spec::word("label", "What selectors pick it by: `on=\"label:disk=ssd\"`.")
    .props(&[&[Field::several("KEY", "a word without blanks or commas", "The label's value.")]])
    .many();

static ROLES: Spec = Spec::word("roles", "What runs where.").block(&[&ROLE]).many();

static ROLE: Spec = Spec::any(
    "MODULE",
    "One module, placed on hosts, with parameters. Several roles of a module have labels and form one service.",
)
.args(&[Field::or("LABEL", Name::WHAT, "none", "What tells it from other roles of the module.")])
.props(&[&[
    Field::need(
        "on",
        "the role's hosts: a name, a range such as \"node[1-3]\" or \"label:disk=ssd\"",
        "Its hosts; several of them with blanks or commas between.",
    ),
    Field::or(
        "service",
        Name::WHAT,
        "the module's one service",
        "A service of its own, with other roles that name the same.",
    ),
]])
.block(&[&ROLE_VERSION, &CONFIG, &ON, &ADOPT, &PARAM]);

static ROLE_VERSION: Spec = Spec::word("version", "Versions of this role alone.")
    .args(&[Field::or("VERSION", Version::WHAT, "that of `versions`", "Of its own software.")])
    .props(&[&[Field::several("MODULE", Version::WHAT, "Of a module that it requires: `version jdk=\"8.0.202\"`.")]]);

static CONFIG: Spec =
    Spec::word("config", "Settings that the module does not name, for the service's own file as they are.")
        .block(&[&CONFIG_KEY])
        .many();

static CONFIG_KEY: Spec = Spec::any("KEY", "A setting, with dots between the parts of its name.")
    .args(&[Field::several("VALUE", Free::WHAT, "Its value; several make a list.")]);

static ON: Spec = Spec::word("on", "What differs on some of its hosts.")
    .args(&[Field::need("HOSTS", String::WHAT, "Hosts of the role, as `on=` names them.")])
    .block(&[&CONFIG, &ADOPT, &PARAM])
    .many();

static ADOPT: Spec = Spec::word("adopt", "It may run already, started by hand: it restarts once and is ours.")
    .props(&[&[Field::or("data", Path::WHAT, "below the prefix", "The folder that its data is in, and stays in.")]]);

static PARAM: Spec = Spec::any("PARAMETER", "A parameter of the module: `esplan explain MODULE` lists them.")
    .args(&[Field::several("VALUE", "a value of its type", "One; of a list, several.")])
    .props(&[&[Field::several("KEY", Free::WHAT, "Of a parameter of type map.")]]);

static ACCEPT: Spec = Spec::word("accept", "A file that somebody changed on a host is left as it is, until a day.")
    .args(&[
        Field::need("ROLE", String::WHAT, "The role, with its label: `store-hot`."),
        Field::need("FILE", String::WHAT, "The file, as the plan names it."),
    ])
    .props(&[&[
        Field::need("on", String::WHAT, "The hosts, as a role names them."),
        Field::need(
            "until",
            "a day such as \"2026-12-31\"",
            "The last day; from the next one on the node is an error.",
        ),
        Field::need("reason", String::WHAT, "Why, for whoever reads it then."),
    ]])
    .many();
