//! What is refused, and in which words.

use super::*;
use crate::diag::Code;

#[test]
fn nothing_is_placed_outside() {
    for path in [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "{{ dirs.data }}/../x",
        "{{ dirs.data }}",
        "/opt/tiny/run/coord.proc",
        "a//b",
        "launch",
        "manifest",
        "{{ host.prefix }}/software/x",
        "x\\\\y",
    ] {
        let world = World::tiny().with("modules/coord.kdl", "\"note.txt\"", &format!("\"{path}\""));
        let world = world.with("cluster.kdl", "coord on=\"node[1-3]\"", "coord on=\"node[1-3]\" { note \"x\"; }");
        let mistakes = world.mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].contains("file"), "{path}: {mistakes:?}");
    }
}

#[test]
fn what_is_not_locked_is_named_with_the_way_out() {
    let (desired, found) = World::tiny().expand_with(|key| key.plugin.is_none() && key.module.as_str() != "runtime");
    assert!(desired.is_none());
    let found: Vec<_> = found.iter().map(|diag| (diag.code, diag.message.clone(), diag.help.clone())).collect();
    assert!(
        found.iter().all(|(code, _, help)| *code == Code::NotLocked
            && help.as_ref().is_some_and(|help| help.contains("esplan lock")))
    );
    let messages: Vec<_> = found.iter().map(|(_, message, _)| message.as_str()).collect();
    assert_eq!(
        messages,
        ["`runtime` 11.0.13 is not in `cluster.lock`", "the plugin `geo` 6.7.0.0 of `store` is not in `cluster.lock`"]
    );
}

#[test]
fn a_failing_template_is_reported_once_and_where() {
    let world = World::tiny().with("modules/coord/coord.cfg", "tick={{ tick }}", "a=1\ntick={{ heap | gib }}");
    let (_, found) = world.expand_with(|_| true);
    assert_eq!(found.len(), 1, "{found:?}");
    let diag = found.iter().next().expect("one");
    assert_eq!(diag.code, Code::RenderFailed);
    assert!(diag.message.contains("not a whole number of GiB"), "{}", diag.message);
    assert_eq!(diag.label, "for `coord@node1`");
    let text = &world.texts["modules/coord/coord.cfg"];
    let span = diag.span.expect("a place");
    assert!(text[span.start..span.start + span.len].contains("gib"), "{span:?}");
}

#[test]
fn all_mistakes_come_in_one_run() {
    let world = World::tiny()
        .with("modules/coord.kdl", "votes \"true\"", "votes \"1 + host.name > 2\"")
        .with("modules/coord.kdl", "memory \"heap * 2\"", "memory \"'much'\"")
        .with("modules/store.kdl", "\"-p\" \"{{ port }}\"", "\"-k\" \"{{ key }}\"")
        .with("modules/store.kdl", "\"{{ software }}/bin/store\"", "\"store\"");
    let mistakes = world.mistakes();
    assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
    assert!(mistakes.iter().any(|mistake| mistake.contains("a secret would be seen")), "{mistakes:#?}");
}

#[test]
fn computed_ids_are_never_shared() {
    let world =
        World::tiny().with("modules/coord.kdl", "votes \"true\"", "votes \"true\"\n    ordinal \"host.number // 2\"");
    assert_eq!(world.mistakes(), ["config::bad-id the id 1 is used twice in the service `coord`"]);
}

#[test]
fn free_keys_do_not_meet_those_of_the_template() {
    let world = World::tiny().with("cluster.kdl", "cache.size \"10%\"", "heap 7");
    assert_eq!(world.mistakes(), ["config::key-conflict `heap` is set by the module already"]);
}

#[test]
fn a_prefix_that_nothing_can_be_below_is_refused() {
    for prefix in ["/opt/a b", "/opt/x;y", "/opt/../etc", &format!("/{}", "x".repeat(90))] {
        let world = World::tiny().with("cluster.kdl", "/opt/tiny", prefix);
        assert!(world.mistakes().iter().all(|mistake| mistake.contains("prefix")), "{prefix}");
    }
}

#[test]
fn a_secret_without_a_value_is_a_mistake() {
    let text = World::tiny().texts["cluster.kdl"].replace("store-key", "other-key");
    let mut world = World::tiny();
    world.texts.insert("cluster.kdl".to_owned(), text);
    assert_eq!(world.mistakes()[0], "config::unresolved the secret `other-key` has no value");
}
