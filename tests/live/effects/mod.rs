//! D5: what a change of each parameter asks for (`fixtures/effects/`), on real software: exactly what the table says restarts,
//! is told to read its files, takes it while it runs, or is left alone, by pid and start time.

mod elasticsearch;
mod kafka;
mod seen;

use crate::canary::{CLUSTER, converged, redis};
use crate::lab::{Lab, until};
use crate::web::workers;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What the table says of one module: parameter, value, and what becomes of an instance of the module itself.
fn table(module: &str) -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/effects");
    let cases = fs::read_to_string(folder.join("cases.json")).expect("cases");
    let cases: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&cases).expect("cases");
    let expected = fs::read_to_string(folder.join("expected.txt")).expect("the table");
    let of = |param: &str, value: &str| {
        let head = format!("{module} {param} {value}");
        assert!(expected.lines().any(|line| line == head), "{head:?} is not in the table");
        let lines = expected.lines().skip_while(|line| *line != head).skip(1);
        let own = lines.take_while(|line| line.starts_with("    ")).find_map(|line| {
            let (roles, effect) = line.trim().split_once([' '])?;
            let effect = effect.split(' ').next().filter(|effect| *effect != "job")?;
            (roles.trim_end_matches(',') == module).then(|| effect.to_owned())
        });
        // A job is nothing that runs.
        own.unwrap_or_else(|| "nothing".to_owned())
    };
    let cases = cases.get(module).expect("cases of the module");
    cases.iter().map(|(param, value)| (param.clone(), value.clone(), of(param, value))).collect()
}

/// Pid and start time.
fn identity(lab: &Lab, module: &str, host: &str) -> (u32, String) {
    let pid = lab.pid(module, host);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    (pid, stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).expect("a start time").to_owned())
}

/// What a plan would do for a parameter that says this, alone, on what runs: exactly what the table says. Nothing is applied.
///
/// A restart is not done for each parameter of what takes long to start: they are all applied at once, and what runs then is
/// asked for the value of each. That a value restarts on its own is what the plan says of what runs here; that the restart is
/// what brings it is seen by its not having been there before. Both together are what an apply of it alone would show.
fn each_planned(lab: &Lab, module: &str, role: &str, except: &[(&str, &str)]) {
    for (param, value, effect) in table(module) {
        if let Some((_, why)) = except.iter().find(|(one, _)| *one == param) {
            println!("{module} {param}: not planned here: {why}");
            continue;
        }
        let before = identity(lab, module, "node1");
        let said = with(role, &format!("{param} {value};"));
        lab.edit(role, &said);
        let planned = lab.esplan(&["--format", "json", "--waive", OUTAGE]).expect(0);
        lab.edit(&said, role);
        let plan: serde_json::Value = serde_json::from_str(&planned.stdout).expect("a plan");
        let count = |what: &str| plan["summary"][what].as_u64().expect("a count");
        let sets = plan["steps"].as_array().expect("steps").iter().any(|step| step["kind"] == "repair");
        let is = match (count("restarts") + count("starts"), count("reloads"), sets) {
            (0, 0, true) => "live",
            (0, 0, false) => "nothing",
            (0, _, false) => "reload",
            (_, 0, false) => "restart",
            _ => "more than one thing",
        };
        assert_eq!(is, effect, "{module} {param} {value}: {}", plan["summary"]);
        assert_eq!(identity(lab, module, "node1"), before, "a plan changes nothing");
    }
}

/// A service of one is down while it restarts, and the plan wants that to be taken on.
const OUTAGE: &str = "quorum-outage=there is one of it here";

/// A role with more parameters, or with others in the place of those that it has.
fn with(role: &str, params: &str) -> String {
    let (head, own) = role.strip_suffix('}').and_then(|role| role.split_once('{')).expect("a role with a block");
    let name = |param: &str| param.trim().split(' ').next().unwrap_or_default().to_owned();
    let more: Vec<String> = params.split(';').map(name).collect();
    let kept = own.split(';').filter(|param| !param.trim().is_empty() && !more.contains(&name(param)));
    let kept: Vec<String> = kept.map(|param| format!("{};", param.trim())).collect();
    format!("{head}{{ {} {params} }}", kept.join(" "))
}

const SOON: Duration = Duration::from_secs(20);

/// One parameter, declared and applied: what the table says becomes of it, nothing else, and its value has arrived.
fn one(
    lab: &Lab,
    module: &str,
    (role, said): (&str, &str),
    (param, effect): (&str, &str),
    seen: &dyn Fn(&str) -> bool,
) {
    assert!(effect == "nothing" || !seen(param), "{module} {param} was there before");
    let before = identity(lab, module, "node1");
    let old = workers(before.0);
    lab.edit(role, said);
    let applied = lab.esapply(&[]).expect(0).text();
    let after = identity(lab, module, "node1");
    assert_eq!(after != before, effect == "restart", "{module} {param}: {effect}\n{applied}");
    match effect {
        "restart" => {}
        "reload" => until(&format!("new workers, for {param}"), SOON, || {
            let now = workers(after.0);
            !now.is_empty() && now.is_disjoint(&old)
        }),
        "live" => assert!(applied.contains("set "), "{module} {param}: {applied}"),
        // Of those of an earlier reload some may have ended meanwhile; there are no new ones.
        "nothing" => {
            let now = workers(after.0);
            assert!(now.is_subset(&old) && !applied.contains("set "), "{module} {param}: {old:?} {now:?}\n{applied}");
        }
        other => panic!("{module} {param}: nobody says here how it is seen that it is {other}"),
    }
    until(&format!("{module} with {param}"), SOON, || seen(param));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Each parameter, alone: declared, applied, taken out, applied.
fn each(lab: &Lab, module: &str, role: &str, except: &[(&str, &str)], seen: &dyn Fn(&str) -> bool) {
    for (param, value, effect) in table(module) {
        if let Some((_, why)) = except.iter().find(|(one, _)| *one == param) {
            println!("{module} {param}: not run here: {why}");
            continue;
        }
        let said = format!("{role} {{ {param} {value}; }}");
        one(lab, module, (role, &said), (&param, &effect), seen);
        lab.edit(&said, role);
        lab.esapply(&[]).expect(0);
    }
}

/// What nginx passes requests to are stand-ins under the names that the table has: [`seen::stand_in`].
const ONE: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; redis "6.2.14"; nginx "1.22.1"; elasticsearch "1.22.1"; kafka "1.22.1"; }
rollout { canary 1 soak="0s"; batch 1; on-failure "rollback"; }
hosts { "node1" address="{network}.1" transport="local"; }
secret "word" "password" from="file"
roles {
    elasticsearch on="node1"
    kafka on="node1"
    redis on="node1"
    nginx on="node1"
}
"#;

#[test]
fn each_parameter_does_what_the_table_says() {
    let lab = Lab::new("effects", ONE);
    fs::write(lab.controller.join("password"), format!("{}\n", seen::PASSWORD)).expect("a secret");
    seen::stand_in(&lab, "elasticsearch", "http-port", 9200);
    seen::stand_in(&lab, "kafka", "port", 9092);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let (store, in_store) = ("redis on=\"node1\"", |param: &str| seen::in_redis(&lab, param));
    each(&lab, "redis", store, &[("password", "turned off again it can't be asked: last of all, below")], &in_store);
    let tls = "it needs a certificate of a CA; tests/live/secured.rs";
    let except = [("certificate", tls), ("key", tls), ("ca", tls), ("server-name", tls)];
    each(&lab, "nginx", "nginx on=\"node1\"", &except, &|param| seen::in_nginx(&lab, param));

    // What runs without a password is still asked, and has it when it has restarted.
    let (param, value, effect) = table("redis").into_iter().find(|(param, ..)| param == "password").expect("a case");
    one(&lab, "redis", (store, &format!("{store} {{ {param} {value}; }}")), (&param, &effect), &in_store);
}

#[test]
fn a_live_setting_is_set_one_first_and_kept_in_step() {
    let lab = converged(Lab::new("live", CLUSTER));
    let before = lab.pids("redis");
    let limit = |host: u8| redis(&lab, host, "CONFIG GET maxmemory").expect("an answer");
    lab.edit("databases 16;", "databases 16; max-memory \"96m\"; eviction \"allkeys-lru\";");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("max-memory: 268435456 -> 100663296") && !plan.contains("restart redis"), "{plan}");
    lab.esapply(&[]).expect(0);
    for host in 1..=3 {
        assert!(limit(host).contains("100663296"), "node{host}: {}", limit(host));
        let file = lab.prefix(&format!("node{host}")).join("conf/redis/current/redis.conf");
        let text = fs::read_to_string(file).expect("a file");
        assert!(text.contains("maxmemory 100663296") && text.contains("maxmemory-policy allkeys-lru"), "{text}");
    }
    assert_eq!(lab.pids("redis"), before, "nothing was restarted");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    // Somebody changes it by hand: seen, and put back.
    assert!(redis(&lab, 2, "CONFIG SET maxmemory 1000000").expect("an answer").contains("+OK"));
    let drift = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(drift.contains("max-memory: 1000000 -> 100663296"), "{drift}");
    lab.esapply(&[]).expect(0);
    assert!(limit(2).contains("100663296"));
    assert_eq!(lab.pids("redis"), before, "nothing was restarted");
    // Who starts anew has it from the file.
    lab.run("esapply", &["restart", "redis@node3", "--yes"]).expect(0);
    until("node3", Duration::from_secs(20), || limit(3).contains("100663296"));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
