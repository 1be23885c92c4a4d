//! What hosts lack and may be given, on hosts with networks of their own: a kernel setting that each network has for itself.

use crate::lab::Lab;
use crate::machines::Machines;
use std::fs;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; redis "6.2.14"; }
rollout { canary 1 soak="0s"; batch 1; on-failure "stop"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles { redis on="node[1-2]"; }
"#;

const NAME: &str = "net.core.somaxconn";
const PATH: &str = "/proc/sys/net/core/somaxconn";

/// What this machine itself has, which is never touched.
fn own() -> String {
    fs::read_to_string(PATH).expect("a kernel setting")
}

#[test]
fn what_is_allowed_is_set_kept_and_taken_away() {
    let before = own();
    let lab = Lab::over_ssh("kernel", CLUSTER, Machines::up(2, "ops", false));
    let module = lab.controller.join("modules/redis.kdl");
    let text = fs::read_to_string(&module).expect("the module");
    let wish = "at-least=511 wish=#true when=\"not loopback(host.address)\"";
    assert!(text.contains(wish), "{text}");
    fs::write(&module, text.replace(wish, "at-least=5000")).expect("the module");
    lab.esplan(&["lock"]).expect(0);
    let machines = lab.machines.as_ref().expect("machines");
    let is = |host: &str| machines.inside(host, &format!("cat {PATH}")).trim().to_owned();
    let files = |host: &str| {
        machines.inside(host, "cat /etc/sysctl.d/*es-cluster* /etc/sysctl.d/*es_cluster* 2>/dev/null || :")
    };
    assert_ne!(is("node1"), "5000");

    let refused = lab.esplan(&[]).expect(7).text();
    assert!(refused.contains(&format!("allow \"{NAME}\"")), "{refused}");
    lab.edit("supervisor \"supervisord\";", &format!("supervisor \"supervisord\"; allow \"{NAME}\";"));
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    println!("{plan}");
    assert!(plan.contains(&format!("set {NAME}=5000 on node[1-2]")), "{plan}");
    assert!(plan.contains(&is("node1")), "what is there is read whole: {plan}");
    // The kernel of such a host can't be written until somebody allows that.
    let failed = lab.esapply(&[]).expect(4).text();
    assert!(failed.contains("can't be set to 5000: is it writable on this machine?"), "{failed}");
    for host in ["node1", "node2"] {
        machines.inside(host, "mount -o remount,bind,rw /proc/sys");
    }
    lab.esapply(&[]).expect(0);
    for host in ["node1", "node2"] {
        assert_eq!(is(host), "5000");
        assert!(files(host).contains(&format!("{NAME}=5000")), "{}", files(host));
    }
    lab.esplan(&["--detailed-exitcode"]).expect(0);

    // Somebody lowers it: seen, and set again; nothing restarts.
    let pid = lab.pid("redis", "node1");
    machines.inside("node1", &format!("echo 100 > {PATH}"));
    let drift = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(drift.contains("5000") && drift.contains("node1"), "{drift}");
    lab.esapply(&[]).expect(0);
    assert_eq!((is("node1").as_str(), lab.pid("redis", "node1")), ("5000", pid));

    // Nobody allows it any more: what was kept is gone, what holds now stays until a boot.
    lab.edit(&format!(" allow \"{NAME}\";"), "");
    lab.esplan(&["--detailed-exitcode"]).expect(2);
    lab.esapply(&[]).expect(0);
    assert_eq!((is("node2").as_str(), files("node2").as_str()), ("5000", ""));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert_eq!(own(), before, "this machine's own setting");
}
