//! The language of modules.

use super::super::module::Versions;
use super::super::module::process::{Capability, Mode, Signal};
use super::super::values::FromKdl;
use super::connection::CONNECTION;
use super::drain::DRAIN;
use super::import::{ADOPT, IMPORT};
use super::job::JOB;
use super::live::LIVE;
use super::phases::PHASES;
use super::probe::{EXPR, LITERAL, PROBES, READS, TEMPLATE};
use super::{Field, Spec};
use crate::model::{ModuleName, Name, Share};
use std::time::Duration;

/// The top of a module's file.
pub(in super::super) static MODULE_FILE: Spec =
    Spec::word("", "Everything the tool knows about one piece of software.").block(&[&MODULE]);

static MODULE: Spec = Spec::word("module", "The module. The whole file is this one node.")
    .args(&[Field::need("NAME", ModuleName::WHAT, "The file's name.")])
    .block(&[
        &DOC,
        &REQUIRES,
        &PARAMS,
        &ARTIFACT,
        &PLUGINS,
        &FILES,
        &CONFIG,
        &SERVICE_OWNED,
        &IMPORT,
        &ADOPT,
        &CONNECTION,
        &PROCESS,
        &ORDINAL,
        &VOTES,
        &TIER,
        &ORDER,
        &AFTER,
        &COMPAT,
        &super::needs::HOST,
        &super::needs::UPGRADE,
        &SETTING,
        &READY,
        &HEALTHY,
        &CONVERGED,
        &SAFE_TO_STOP,
        &STRATEGY,
        &ROLLING,
        &PHASES,
        &DRAIN,
        &SETTLED,
        &LIVE,
        &STATUS,
        &SINGLETON,
        &JOB,
    ])
    .needed();

static DOC: Spec =
    Spec::word("doc", "What the software is.").args(&[Field::need("TEXT", String::WHAT, "One sentence.")]);

static ROW_PROPS: [Field; 3] = [
    Field::or("when", EXPR, "always", "Over `version`, our own: the first row that holds is taken."),
    Field::or("supported", Versions::WHAT, "none", "What the vendor supports."),
    Field::or("proven", Versions::WHAT, "none", "What our own tests prove: a warning. Anything else is refused."),
];

static REQUIRES: Spec = Spec::word("requires", "A module whose software must be on the same host.")
    .args(&[Field::need("MODULE", ModuleName::WHAT, "Its name.")])
    .props(&[&ROW_PROPS])
    .block(&[&Spec::word("row", "A row of the table of versions.").props(&[&ROW_PROPS]).many()])
    .many();

static PARAMS: Spec = Spec::word("params", "What a role may set.").block(&[&Spec::any(
    "PARAMETER",
    "A parameter. Without a default and not optional, every role must set it.",
)
.props(&[&[
    Field::need(
        "type",
        "`bool`, `duration`, `enum`, `file`, `files`, `int`, `list`, `map`, `path`, `port`, `secret`, `size`, `text` or `version`",
        "What its value is.",
    ),
    Field::or(
        "default",
        "a value of the type",
        "it must be set, or is optional",
        "What holds unless a role says otherwise.",
    ),
    Field::or("optional", bool::WHAT, "#false", "It may be absent: `none` in templates."),
    Field::or("of", "words with blanks between", "any", "The words of an enum or a list."),
    Field::or("min", i64::WHAT, "none", "The least of an int."),
    Field::or("max", i64::WHAT, "none", "The most of an int."),
    Field::or("doc", String::WHAT, "none", "What it does, for `esplan explain`."),
]])]);

static SOURCE_PROPS: [Field; 3] = [
    Field::or("root", TEMPLATE, "the top", "The folder within the archive that holds the software."),
    Field::or("into", TEMPLATE, "the top", "The folder that it becomes."),
    Field::or("when", EXPR, "always", "Over `version`: whether the source is tried."),
];

static SOURCES: [&Spec; 6] = [
    &Spec::word("file", "A vendor's download in `install/` on the controller.")
        .args(&[Field::need("NAME", TEMPLATE, "The file's name.")])
        .props(&[&SOURCE_PROPS])
        .block(&[&VERSION_MAP])
        .many(),
    &Spec::word("url", "A download.")
        .args(&[Field::need("URL", TEMPLATE, "Its address.")])
        .props(&[
            &[Field::or("sha512", String::WHAT, "what came the first time is locked", "Its checksum.")],
            &SOURCE_PROPS,
        ])
        .block(&[&VERSION_MAP])
        .many(),
    &Spec::word("maven", "Jars of a Maven repository.")
        .args(&[Field::several("COORDINATES", TEMPLATE, "`group:name:version`, and the packaging behind it.")])
        .props(&[&[Field::or("with-dependencies", bool::WHAT, "#false", "What they need, too.")], &SOURCE_PROPS])
        .block(&[&VERSION_MAP])
        .many(),
    &Spec::word("pypi", "Python packages, as wheels, in one folder.")
        .args(&[Field::several("REQUIREMENT", TEMPLATE, "`name==version`; what it needs is named beside it.")])
        .props(&[&SOURCE_PROPS])
        .block(&[&VERSION_MAP])
        .many(),
    &Spec::word("deb", "A Debian package, unpacked and not installed.")
        .args(&[Field::need("PACKAGE", TEMPLATE, "Its name.")])
        .props(&[&SOURCE_PROPS])
        .block(&[&VERSION_MAP])
        .many(),
    &Spec::word("system", "A program that is on the host: observed, not pinned.")
        .args(&[Field::need("PROGRAM", TEMPLATE, "Its path.")])
        .props(&[&SOURCE_PROPS])
        .block(&[&VERSION_MAP])
        .many(),
];

static VERSION_MAP: Spec = Spec::word("version-map", "Where a source counts otherwise: our version, and its own.")
    .props(&[&[Field::several("OURS", String::WHAT, "The source's version.")]])
    .many();

static ARTIFACT: Spec =
    Spec::word("artifact", "Where the software comes from: sources in order, each to the same layout.").block(&SOURCES);

static PLUGINS: Spec = Spec::word("plugins", "Plugins, assembled with the software into one folder.")
    .props(&[&[
        Field::need("into", TEMPLATE, "Their folder, over `plugin.name` and `plugin.version`."),
        Field::or("accepts", EXPR, "any", "Which version of a plugin goes with which of the software."),
    ]])
    .block(&SOURCES);

static FILES: Spec = Spec::word("files", "What is rendered.").block(&[&Spec::any(
    "PATH",
    "A file: a relative path in the generation's folder, an absolute one below the instance's folders.",
)
.props(&[&[
    Field::or("template", "a file in the module's folder", "`content` is given", "Its template."),
    Field::or("content", TEMPLATE, "`template` is given", "Its text."),
    Field::or(
        "from",
        "a parameter of type `files`",
        "one of the two",
        "The path is a folder, and has these files as they are.",
    ),
    Field::need("on-change", "`restart`, `reload` or `nothing`", "What a change of it asks for."),
    Field::or("mode", Mode::WHAT, "0640", "Its permission bits."),
    Field::or("identity", bool::WHAT, "#false", "It says who the instance is: another one on the host is refused."),
    Field::or("when", EXPR, "always", "Whether the instance has it."),
]])]);

static CONFIG: Spec = Spec::word("config", "Where free `config { … }` of a role goes.")
    .props(&[&[
        Field::need("file", String::WHAT, "One of `files`."),
        Field::need("format", "`yaml`, `properties`, `ini` or `key-value`", "How it is written."),
    ]])
    .block(&[&Spec::word("refuse", "Keys that no role may set in some versions; it can be waived as `MODULE.NAME`.")
        .args(&[
            Field::need("NAME", Name::WHAT, "The rule's name."),
            Field::several("KEY", String::WHAT, "A key; a `*` at its end stands for anything."),
        ])
        .props(&[&[
            Field::need("when", EXPR, "In which versions, over `version`."),
            Field::need("says", TEMPLATE, "Why, over `version` and `key`."),
            Field::need("help", String::WHAT, "The way out."),
        ]])
        .many()]);

static SERVICE_OWNED: Spec = Spec::word(
    "service-owned",
    "Files that the service writes into its configuration folder: carried along, no drift.",
)
.args(&[Field::several("NAME", String::WHAT, "A file's name.")])
.many();

static SIGNAL: [Field; 1] = [Field::or("signal", Signal::WHAT, "TERM", "The signal.")];

static PROCESS: Spec = Spec::word("process", "What runs. Without it the software is only installed.").block(&[
    &Spec::word("command", "The program and its arguments; no shell reads them.")
        .args(&[Field::several("WORD", TEMPLATE, "A word.")])
        .needed(),
    &Spec::word("control", "Of a supervisor: the words before `start PROGRAM`.")
        .args(&[Field::several("WORD", TEMPLATE, "A word.")]),
    &Spec::word("first-start", "Words that are added when the whole service starts for the first time.")
        .args(&[Field::several("WORD", TEMPLATE, "A word.")]),
    &Spec::word("check", "A command by which the service tests new files before anything is switched to them.")
        .args(&[Field::several("WORD", TEMPLATE, "A word.")]),
    &Spec::word("env", "Variables of its environment; an empty one is left out.")
        .props(&[&[Field::several("VARIABLE", TEMPLATE, "Its value.")]])
        .many(),
    &Spec::word("stop", "How it is stopped; never by force.")
        .props(&[&SIGNAL, &[Field::or("within", Duration::WHAT, "2m", "How long it may take.")]]),
    &Spec::word("reload", "How it takes up files with on-change=\"reload\".")
        .args(&[Field::several("WORD", TEMPLATE, "A command that tells it to, in place of a signal.")])
        .props(&[&[Field::or("signal", Signal::WHAT, "a command is given", "The signal.")]]),
    &Spec::word("limits", "What the kernel allows it.").props(&[&[
        Field::or("nofile", u64::WHAT, "the host's", "Open files."),
        Field::or("nproc", u64::WHAT, "the host's", "Processes."),
        Field::or("memlock", EXPR, "the host's", "Where it holds, all memory may be locked."),
    ]]),
    &Spec::word(
        "capabilities",
        "Rights of root that it keeps as whoever it runs; where nobody can give them a plan is refused.",
    )
    .args(&[Field::several("NAME", Capability::WHAT, "In the kernel's words, without `CAP_`.")]),
    &Spec::word("log", "Logs that it writes beside what it prints.")
        .args(&[Field::several("PATH", TEMPLATE, "A file's path.")])
        .many(),
]);

static ORDINAL: Spec = Spec::word("ordinal", "The instance's id.").args(&[Field::need(
    "EXPR",
    EXPR,
    "A whole number; `host.number` when the node is not there.",
)]);

static VOTES: Spec = Spec::word("votes", "Which instances form the quorum; more than half of them stay up.")
    .args(&[Field::need("EXPR", EXPR, "Whether this one does. Without the node there is no quorum.")])
    .props(&[&[Field::or(
        "by-file",
        bool::WHAT,
        "#false",
        "Members know each other from their files alone: one joins or leaves at a time, and who leaves does not lead.",
    )]]);

static TIER: Spec = Spec::word("tier", "The part of the service that an instance belongs to.").args(&[Field::need(
    "NAME",
    TEMPLATE,
    "The tier's name.",
)]);

static ORDER: Spec = Spec::word("order", "The order of tiers.").props(&[&[
    Field::or("start", "tiers with commas between", "none", "When the service starts."),
    Field::or("upgrade", "tiers with commas between", "as `start`", "When its version changes."),
]]);

static AFTER: Spec = Spec::word("after", "Services that start before this one.")
    .args(&[Field::several("MODULE", ModuleName::WHAT, "A module.")])
    .many();

static COMPAT: Spec = Spec::word("compat", "A rule about the versions of two modules.")
    .args(&[Field::need("NAME", Name::WHAT, "The rule's name.")])
    .props(&[&[
        Field::need("with", ModuleName::WHAT, "The other module."),
        Field::need("must", EXPR, "What must hold of `version` and `other`."),
        Field::need("says", TEMPLATE, "What is told when it does not."),
    ]])
    .many();

static SETTING: Spec = Spec::word("setting", "A cluster-level setting behind the service's API.")
    .args(&[Field::need("NAME", Name::WHAT, "Its name here.")])
    .block(&[
        &Spec::word("read", "How it is read.").block(&READS).needed(),
        &Spec::word("write", "How it is set, over `value`.").block(&PROBES).needed(),
    ])
    .many();

static WITHIN: [Field; 1] = [Field::or("within", Duration::WHAT, "1m", "How long it is waited for.")];

static READY: Spec = Spec::word("ready", "A gate: this instance serves.").props(&[&WITHIN]).block(&PROBES);
static HEALTHY: Spec =
    Spec::word("healthy", "A gate: the service is well enough to go on.").props(&[&WITHIN]).block(&PROBES);
static CONVERGED: Spec = Spec::word("converged", "A gate: the service's final state.").props(&[&WITHIN]).block(&PROBES);

static SAFE_TO_STOP: Spec =
    Spec::word("safe-to-stop", "What must hold before an instance is stopped.").block(&[&Spec::word(
        "rule",
        "A rule; it can be waived as `MODULE.NAME`.",
    )
    .args(&[Field::need("NAME", Name::WHAT, "Its name.")])
    .props(&[&[Field::or("passes", bool::WHAT, "#false", "What it says passes by itself: the stop waits for it.")]])
    .block(&PROBES)
    .many()]);

static STRATEGY: Spec = Spec::word("strategy", "How a service is changed.")
    .args(&[Field::need(
        "WHAT",
        "`rolling` or `recreate`",
        "`rolling` when the node is not there; `recreate`: stop all, start one, then the rest.",
    )])
    .props(&[&[Field::or("on-version-only", bool::WHAT, "#false", "Recreate for another version alone.")]]);

static WHEN: [Field; 1] = [Field::or("when", EXPR, "always", "Whether the instance does it.")];

static HOOKS: [&Spec; 3] = [
    &Spec::word("set", "Sets a setting; what it was is put back.")
        .args(&[Field::need("SETTING", Name::WHAT, "A `setting` of the module.")])
        .props(&[&[Field::need("to", LITERAL, "Its value.")], &WHEN])
        .many(),
    &Spec::word("restore", "Puts a setting back as it was.")
        .args(&[Field::need("SETTING", Name::WHAT, "A `setting` of the module.")])
        .many(),
    &Spec::word("call", "Asks or tells the service something.")
        .props(&[
            &[
                Field::or("best-effort", bool::WHAT, "#false", "A failure does not stop the rollout."),
                Field::or("tries", u32::WHAT, "1", "How often it is tried."),
            ],
            &WHEN,
        ])
        .block(&PROBES)
        .many(),
];

static ROLLING: Spec = Spec::word("rolling", "The rules of a rolling change.").block(&[
    &Spec::word("max-unavailable", "How many may be down at once.")
        .args(&[Field::need("SHARE", Share::WHAT, "1 when the node is not there.")])
        .props(&[&[Field::or("per", "`instance` or `host`", "`instance`", "What is counted.")]]),
    &Spec::word("last", "The instance for which this holds goes last.").block(&PROBES),
    &Spec::word("before-stop", "What is done before an instance is stopped.").block(&HOOKS),
    &Spec::word("after-ready", "What is done when it serves again.").block(&HOOKS),
    &Spec::word("no-return", "Changes that have no way back.").args(&[Field::need(
        "EXPR",
        EXPR,
        "Over the versions `from` and `to`.",
    )]),
]);

static SETTLED: Spec = Spec::word("settled", "Settings that a finished rollout leaves; anything else is drift.")
    .block(&[&Spec::word("setting", "One of them.")
    .args(&[Field::need("SETTING", Name::WHAT, "A `setting` of the module.")])
    .props(&[&[
        Field::need("expect", EXPR, "What must hold of `value`, over it and an instance's context."),
        Field::or("repair", LITERAL, "`value` is given", "What it is set to when it does not."),
        Field::or("value", EXPR, "`repair` is given", "The same, worked out."),
        Field::or(
            "majority",
            bool::WHAT,
            "#false",
            "It is the majority of those that vote, at every moment: raised before some join, lowered as they leave.",
        ),
    ]])
    .many()]);

static STATUS: Spec =
    Spec::word("status", "What `esplan status` shows of the service.").block(&[&Spec::word("line", "A line.")
        .props(&[&[Field::need("show", TEMPLATE, "Its text, over the answer.")]])
        .block(&PROBES)
        .many()]);

static SINGLETON: Spec = Spec::word("singleton", "At no moment does more than one instance of the service run.")
    .props(&[&[Field::need("says", String::WHAT, "What two of them would do.")]]);
