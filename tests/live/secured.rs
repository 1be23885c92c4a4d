//! A real web server behind TLS with a private CA: asked only when its certificate is what it should be, renewed without a
//! dropped connection, and each thing that can be wrong with a certificate told as such.

use crate::lab::Lab;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; nginx "1.22.1"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
secret "web" "web.key" from="file"
roles {
    nginx on="node[1-2]" { certificate "web.pem"; key "web"; ca "ca.pem"; server-name "web"; }
}
"#;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(called: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, called);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// Gives the service a certificate of a CA for a name.
fn give(lab: &Lab, ca: &Ca, called: &str) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![called.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, ca).expect("a certificate");
    fs::write(lab.controller.join("web.pem"), certificate.pem()).expect("a certificate");
    fs::write(lab.controller.join("web.key"), key.serialize_pem()).expect("a key");
}

fn trust(lab: &Lab, cas: &[&Ca]) {
    let text: String = cas.iter().map(|ca| ca.pem()).collect();
    fs::write(lab.controller.join("ca.pem"), text).expect("a CA");
}

#[test]
fn a_server_behind_tls_is_asked_only_when_it_is_who_it_should_be() {
    let lab = Lab::new("secured", CLUSTER);
    let path = lab.controller.join("modules/nginx.kdl");
    let module = fs::read_to_string(&path).expect("the module");
    fs::write(&path, module.replace("ready within=\"60s\"", "ready within=\"4s\"")).expect("the module");
    let (first, second) = (ca("first"), ca("second"));
    give(&lab, &first, "web");
    trust(&lab, &[&first]);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert!(lab.esplan(&["status"]).expect(0).text().contains("Active connections"), "it is asked over TLS");
    let mut plain = TcpStream::connect((lab.address(1), 8080)).expect("it listens");
    write!(plain, "GET / HTTP/1.0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("plain HTTP request was sent to HTTPS port"), "{answer}");
    let masters = || ["node1", "node2"].map(|host| lab.pid("nginx", host));
    let before = masters();

    // Another CA: it may be anybody, and so nothing is done.
    trust(&lab, &[&second]);
    let refused = lab.esapply(&[]).expect(7).text();
    assert!(refused.contains("unasked") && refused.contains("is of no CA that `ca` has"), "{refused}");

    // One CA takes the place of another while both are trusted: a reload, one after the other.
    trust(&lab, &[&first, &second]);
    give(&lab, &second, "web");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("reload") && !plan.contains("restart nginx"), "{plan}");
    lab.esapply(&[]).expect(0);
    trust(&lab, &[&second]);
    lab.esplan(&["--detailed-exitcode"]).expect(0);

    // A certificate for another name passes the server's own test, and not the gate: the canary goes back.
    give(&lab, &second, "elsewhere");
    let failed = lab.esapply(&[]).expect(4).text();
    assert!(failed.contains("is not for web but for"), "{failed}");
    give(&lab, &second, "web");
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert_eq!(masters(), before, "nothing was restarted");
    let key = fs::read_to_string(lab.controller.join("web.key")).expect("a key");
    let part = key.lines().nth(1).expect("a line");
    assert!(!failed.contains(part) && !refused.contains(part) && !plan.contains(part));
}
