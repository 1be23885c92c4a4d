//! `adopt …`: how a process is recognised that somebody started by hand, and what `esplan adopt` can read of it.

use super::super::reader::Node;
use super::import::known;
use crate::model::{ConfigPlace, DataPlace, Name, Param, Recognition, VersionPlace};
use indexmap::IndexMap;

pub(super) fn adopt(node: &Node<'_>, params: &IndexMap<Name, Param>) -> Recognition {
    let words = node.args::<String>(0, "a text in the command line");
    let mut body = node.body();
    node.finish();
    let mut found = Recognition { words: words.into_iter().map(|word| word.value).collect(), ..Recognition::default() };
    for child in body.many("config") {
        let text = |name: &'static str| child.prop::<String>(name).map(|text| text.value);
        let (ends, starts, file, at) = (text("ends"), text("starts"), text("file"), text("at"));
        child.finish();
        found.config.extend(ends.map(ConfigPlace::Ends));
        found.config.extend(starts.zip(file).map(|(starts, file)| ConfigPlace::Folder(starts, file)));
        found.config.extend(at.map(ConfigPlace::At));
    }
    if let Some(child) = body.one("data") {
        let else_cwd = child.flag("else-cwd");
        found.data = child.need_prop::<String>("setting").map(|name| DataPlace { setting: name.value, else_cwd });
        child.finish();
    }
    if let Some(child) = body.one("id") {
        let key = child.prop::<String>("key").map(|key| key.value);
        found.id = child.need_prop::<String>("file").map(|file| (file.value, key));
        child.finish();
    }
    for child in body.many("version") {
        let text = |name: &'static str| child.prop::<String>(name).map(|text| text.value);
        let (after, file, key) = (text("after"), text("file"), text("key"));
        let rewrite = child.body().one("rewrite").map(|node| {
            let pairs = node.props::<String>();
            node.finish();
            pairs.into_iter().map(|(from, to)| (from.value, to.value)).collect()
        });
        child.finish();
        found.versions.extend(after.map(VersionPlace::After));
        let rewrite = rewrite.unwrap_or_default();
        found.versions.extend(file.zip(key).map(|(file, key)| VersionPlace::File { file, key, rewrite }));
    }
    for child in body.many("argument") {
        let starts = child.need_prop::<String>("starts");
        let param = child.need_prop::<String>("param").and_then(|name| known(&child, &name, params));
        child.finish();
        found.arguments.extend(starts.map(|starts| starts.value).zip(param));
    }
    found
}
