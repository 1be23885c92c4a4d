//! The hosts of small clusters.

use super::world::host;
use crate::desired::{DesiredHost, Supervisor, Supervisord};
use crate::model::{Transport, Version};
use std::collections::BTreeMap;

pub(crate) fn desired_host(at: &str) -> DesiredHost {
    let prefix = format!("/hosts/{at}");
    DesiredHost {
        name: host(at),
        address: "127.0.0.1".to_owned(),
        transport: Transport::Local,
        ssh: crate::model::SshOptions::default(),
        user: None,
        software: BTreeMap::new(),
        supervisor: Supervisor::Supervisord(Supervisord {
            command: vec!["supervise".to_owned()],
            needs: Vec::new(),
            control: Vec::new(),
            version: Version::parse("4.2").expect("version"),
            env: BTreeMap::new(),
            config_path: format!("{prefix}/conf/supervisord/supervisord.conf"),
            config: "[supervisor]\n".to_owned(),
            socket: format!("{prefix}/run/supervisord.sock"),
            pidfile: format!("{prefix}/run/supervisord.pid"),
        }),
        units: format!("es_cluster-test:{at}"),
        boot: None,
        idle: false,
        prefix,
    }
}
