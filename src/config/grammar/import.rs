//! What is known of installations that were made by hand.

use super::super::values::FromKdl;
use super::{Field, Spec};

pub(super) static IMPORT: Spec =
    Spec::word("import", "What `esplan import` needs to know of a hand-made installation.").block(&[
        &Spec::word("list", "A list of hosts, `conf/NAME.list`, and the role that it becomes.")
            .args(&[Field::need("NAME", String::WHAT, "Without `.list`.")])
            .props(&[&[Field::or("label", String::WHAT, "none", "The role's label.")]])
            .block(&[&Spec::any("PARAMETER", "A parameter of the role, as it is written there.")
                .args(&[Field::several("VALUE", "a value of its type", "Its value.")])
                .props(&[&[Field::several("KEY", "a value", "Of a map.")]])])
            .many(),
        &Spec::word("setting", "A setting of the file of `config`.")
            .args(&[Field::need("NAME", String::WHAT, "Its name in the file.")])
            .props(&[&[
                Field::or("param", "a parameter of the module", "kept in `config`", "What it becomes."),
                Field::or("vendor", String::WHAT, "none", "The vendor's default: left out."),
                Field::or("word", String::WHAT, "none", "True or false: whether this word is in the list."),
                Field::or("after", String::WHAT, "the start", "What follows the last such text."),
                Field::or("from", String::WHAT, "the start", "From the first such text on."),
                Field::or("unit", String::WHAT, "none", "The unit of its number."),
            ]])
            .many(),
        &Spec::word("ours", "Settings that the module sets itself: left out, and told.")
            .args(&[Field::several("NAME", String::WHAT, "A setting; `path.*` for all below.")])
            .many(),
        &Spec::word(
            "secret",
            "Settings whose values are never written down; so are those of `*password*`, `*token*`, ….",
        )
        .args(&[Field::several("NAME", String::WHAT, "A setting.")])
        .many(),
        &Spec::word("line", "A line of another file.")
            .args(&[Field::need("FILE", String::WHAT, "The file.")])
            .props(&[&[
                Field::need("starts", String::WHAT, "How it begins."),
                Field::need("param", "a parameter of the module", "What the rest of it becomes."),
            ]])
            .many(),
    ]);

pub(super) static ADOPT: Spec = Spec::word("adopt", "How a process is recognised that somebody started by hand.")
    .args(&[Field::several("WORD", String::WHAT, "A text that is in its command line; all of them are.")])
    .block(&[
        &Spec::word("config", "Where its file is: one of these.")
            .props(&[&[
                Field::or("ends", String::WHAT, "not asked", "The last word that ends so."),
                Field::or("starts", String::WHAT, "not asked", "The rest of such a word is the folder of `file`."),
                Field::or("file", String::WHAT, "not asked", "The file's name in that folder."),
                Field::or("at", String::WHAT, "not asked", "A path."),
            ]])
            .many(),
        &Spec::word("data", "Where its data is.").props(&[&[
            Field::or("else-cwd", bool::WHAT, "#false", "Without the setting it is the working directory."),
            Field::need("setting", String::WHAT, "The setting that names the folder."),
        ]]),
        &Spec::word("id", "What it calls itself, in its data.").props(&[&[
            Field::need("file", String::WHAT, "The file."),
            Field::or("key", String::WHAT, "the number is alone in it", "What stands before the number."),
        ]]),
        &Spec::word("version", "What it is a version of: one of these.")
            .props(&[&[
                Field::or("after", String::WHAT, "not asked", "What follows such a text in a path of it."),
                Field::or("file", String::WHAT, "not asked", "A file beside its program."),
                Field::or("key", String::WHAT, "not asked", "What stands before the version in that file."),
            ]])
            .block(&[&Spec::word("rewrite", "A text of the version, and what it is written as here.")
                .props(&[&[Field::several("FROM", String::WHAT, "What it becomes.")]])])
            .many(),
        &Spec::word("argument", "A word of its command line that is a parameter.")
            .props(&[&[
                Field::need("starts", String::WHAT, "How the word begins."),
                Field::need("param", "a parameter of the module", "What the rest of it becomes."),
            ]])
            .many(),
    ]);
