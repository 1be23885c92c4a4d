//! How it is seen that the value of the table has arrived: Redis and nginx are asked themselves, never through our tool. And
//! what nginx passes requests to.

use crate::lab::Lab;
use crate::look;
use crate::web::workers;
use std::fs;

/// The value of the secret that the table names. With a blank: it has to be quoted wherever it goes.
pub(super) const PASSWORD: &str = "a password";

/// What Redis says of one of its settings.
fn config(lab: &Lab, port: u16, name: &str) -> Option<String> {
    // One without a password says that it has none, and goes on.
    let said = look::tcp(&lab.address(1), port, &format!("AUTH \"{PASSWORD}\"\r\nCONFIG GET {name}\r\nQUIT\r\n"))?;
    // The name, the length of the value, the value.
    said.lines().skip_while(|line| *line != name).nth(2).map(str::to_owned)
}

/// Whether Redis runs with the value of the table. Every parameter has a setting of its own.
pub(super) fn in_redis(lab: &Lab, param: &str) -> bool {
    let is = |port: u16, name: &str, value: &str| config(lab, port, name).as_deref() == Some(value);
    match param {
        "port" => is(6380, "port", "6380"),
        "databases" => is(6379, "databases", "17"),
        "append-only" => is(6379, "appendonly", "no"),
        "max-memory" => is(6379, "maxmemory", "67108864"),
        "eviction" => is(6379, "maxmemory-policy", "allkeys-lru"),
        "password" => is(6379, "requirepass", PASSWORD),
        other => panic!("{other} is a parameter, and nobody says here how it is seen that it is there"),
    }
}

/// Whether nginx serves with the value of the table: by what its workers say of the configuration that they have and, where
/// it can be told from outside, by what they do. What can't be told is read in the file that they have.
pub(super) fn in_nginx(lab: &Lab, param: &str) -> bool {
    let (address, port) = (lab.address(1), if param == "port" { 8081 } else { 8080 });
    let Some((200, text)) = look::http("GET", &address, port, "/-/es_cluster", None) else { return false };
    let says: Vec<&str> = text.trim().split('-').collect();
    let [own_port, upstream, processes, connections, limit, timeout, ..] = says[..] else { panic!("{text}") };
    let passed_to = |name: &str| {
        upstream == name && look::http("GET", &address, port, "/", None).is_some_and(|(_, body)| body.trim() == name)
    };
    let too_large = || {
        let body = "x".repeat((1 << 20) + 1);
        look::http("POST", &address, port, "/", Some(&body)).is_some_and(|(status, _)| status == 413)
    };
    let in_file = |line: &str| {
        let file = lab.prefix("node1").join("conf/nginx/current/nginx.conf");
        fs::read_to_string(file).expect("a file").lines().any(|one| one.trim() == line)
    };
    match param {
        "port" => own_port == "8081",
        "upstream" => passed_to("elasticsearch"),
        // It answers at the port that the parameter of this name holds, and at no other.
        "upstream-port" => passed_to("kafka"),
        "worker-processes" => processes == "3" && workers(lab.pid("nginx", "node1")).len() == 3,
        // Nobody opens two thousand connections here.
        "worker-connections" => connections == "2048" && in_file("worker_connections 2048;"),
        "body-limit" => limit == "1048576" && too_large(),
        // How long it waits is also how long old workers may take: twice as long.
        "upstream-timeout" => timeout == "5000" && in_file("worker_shutdown_timeout 10s;"),
        // They are of how it is asked; it has nothing of them itself.
        "ca" | "server-name" => true,
        other => panic!("{other} is a parameter, and nobody says here how it is seen that it is there"),
    }
}

const MODULE: &str = r#"
module "{module}" {
    doc "Stands for {module} behind another server: answers everything with its name."
    params { {param} type="port" default={port} doc="HTTP"; }
    artifact { deb "nginx={{ version }}-*" root="usr"; }
    files { "stand-in.conf" template="stand-in.conf" on-change="restart"; }
    process {
        command "{{ software }}/sbin/nginx" "-e" "stderr" "-p" "{{ dirs.run }}" "-c" "{{ conf }}/stand-in.conf"
        stop signal="QUIT" within="30s"
    }
    ready within="30s" { http "GET" "/" until="status == 200"; }
    healthy within="30s" { http "GET" "/" on="each" until="status == 200"; }
    rolling { max-unavailable 1; }
}
"#;

/// One process: whoever ends it has ended all of it.
const CONF: &str = r"
daemon off;
master_process off;
pid {{ dirs.run }}/nginx.pid;
error_log {{ dirs.log }}/error.log warn;
events {
    worker_connections 64;
}
http {
    access_log off;
    default_type text/plain;
    client_body_temp_path {{ dirs.tmp }}/body;
    proxy_temp_path {{ dirs.tmp }}/proxy;
    fastcgi_temp_path {{ dirs.tmp }}/fastcgi;
    uwsgi_temp_path {{ dirs.tmp }}/uwsgi;
    scgi_temp_path {{ dirs.tmp }}/scgi;
    server {
        listen {{ host.address }}:{{ {name} }};
        return 200 {module};
    }
}
";

/// Puts something small in the place of a module of the lab, with the parameter that holds the port of the real one: the table
/// names modules that nginx passes requests to, and what runs there is of no matter to it.
pub(super) fn stand_in(lab: &Lab, module: &str, param: &str, port: u16) {
    let modules = lab.controller.join("modules");
    let filled = |text: &str| {
        let text = text.replace("{module}", module).replace("{param}", param).replace("{port}", &port.to_string());
        text.replace("{name}", &param.replace('-', "_"))
    };
    fs::write(modules.join(format!("{module}.kdl")), filled(MODULE)).expect("a module");
    fs::write(modules.join(module).join("stand-in.conf"), filled(CONF)).expect("its template");
}
