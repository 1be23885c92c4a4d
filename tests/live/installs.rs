//! A program that hosts lack, from a package of their own system: real dpkg and apt, on hosts whose root is their own and
//! whose only source of packages is a folder there.

use crate::lab::Lab;
use crate::machines::Machines;
use std::fs;
use std::path::Path;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; redis "6.2.14"; }
rollout { canary 1 soak="0s"; batch 1; on-failure "stop"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles { redis on="node[1-2]"; }
"#;

/// A package with one program in it, and a folder that apt takes for a source of packages; `apt` knows no other one.
const SOURCE: &str = r#"
mkdir -p /srv/source /tmp/package/DEBIAN /tmp/package/usr/bin
printf '#!/bin/sh\necho here\n' >/tmp/package/usr/bin/es-cluster-tool
chmod 755 /tmp/package/usr/bin/es-cluster-tool
cat >/tmp/package/DEBIAN/control <<'END'
Package: es-cluster-tool
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.invalid>
Description: a program for a test
END
dpkg-deb --build /tmp/package /srv/source/tool.deb >/dev/null
cd /srv/source
{
    cat /tmp/package/DEBIAN/control
    echo "Filename: ./tool.deb"
    echo "Size: $(stat -c %s tool.deb)"
    echo "SHA256: $(sha256sum tool.deb | cut -d' ' -f1)"
} >Packages
rm -f /etc/apt/sources.list
rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/source ./' >/etc/apt/sources.list
"#;

#[test]
fn a_package_that_is_allowed_is_installed_before_anything_starts() {
    let own = Path::new("/usr/bin/es-cluster-tool");
    assert!(!own.exists(), "this machine has none");
    let lab = Lab::over_ssh("installs", CLUSTER, Machines::up(2, "ops", false));
    let module = lab.controller.join("modules/redis.kdl");
    let text = fs::read_to_string(&module).expect("the module");
    let need = "    host {\n        command \"es-cluster-tool\" package=\"es-cluster-tool\"\n";
    assert!(text.contains("    host {\n"), "{text}");
    fs::write(&module, text.replacen("    host {\n", need, 1)).expect("the module");
    lab.esplan(&["lock"]).expect(0);
    let machines = lab.machines.as_ref().expect("machines");
    let has = |host: &str| machines.inside(host, "command -v es-cluster-tool || :").trim() == own.to_string_lossy();

    let refused = lab.esplan(&[]).expect(7).text();
    assert!(refused.contains("allow \"command.es-cluster-tool\""), "{refused}");
    lab.edit("supervisor \"supervisord\";", "supervisor \"supervisord\"; allow \"command.es-cluster-tool\";");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    println!("{plan}");
    assert!(plan.contains("install es-cluster-tool on node[1-2]"), "{plan}");
    // No source of theirs has it yet: said by the package manager itself, and nothing was started.
    let failed = lab.esapply(&[]).expect(4).text();
    assert!(failed.contains("es-cluster-tool") && failed.contains("can't be installed"), "{failed}");
    assert!(failed.contains("no source of packages"), "{failed}");
    for host in ["node1", "node2"] {
        machines.inside(host, SOURCE);
    }
    machines.inside("node2", "apt-get -q update && apt-get -q -y install es-cluster-tool");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("install es-cluster-tool on node1\n"), "{plan}");
    lab.esapply(&[]).expect(0);
    assert!(has("node1") && has("node2"));
    assert!(!own.exists(), "this machine's own programs are left alone");
    lab.esplan(&["--detailed-exitcode"]).expect(0);

    // Somebody removes it: seen, and installed again; nothing restarts.
    let pid = lab.pid("redis", "node1");
    machines.inside("node1", "apt-get -q -y remove es-cluster-tool");
    assert!(!has("node1"));
    let drift = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(drift.contains("package: es-cluster-tool"), "{drift}");
    lab.esapply(&[]).expect(0);
    assert!(has("node1"));
    assert_eq!(lab.pid("redis", "node1"), pid);
    // Nobody allows it any more: it stays, like anything that somebody else could use by now.
    lab.edit(" allow \"command.es-cluster-tool\";", "");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert!(has("node1"));
}
