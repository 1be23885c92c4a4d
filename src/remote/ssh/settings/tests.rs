use super::{Operator, Resolver, Settings, SettingsError};
use crate::model::SshOptions;
use crate::remote::ssh::config::Config;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn resolver(config: &str) -> Resolver {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, config).unwrap();
    let operator = Operator {
        home: "/home/me".into(),
        user: "me".to_owned(),
        agent: Some("/agent".into()),
        base: "/cluster".into(),
    };
    Resolver { operator, config: Config::read(&[file], Path::new("/home/me")).unwrap() }
}

fn settings(config: &str, options: &SshOptions) -> Settings {
    resolver(config).host("node1", "10.0.0.1", options).unwrap()
}

#[test]
fn without_a_word_from_anybody_it_is_as_with_openssh() {
    let found = settings("", &SshOptions::default());
    assert_eq!((found.host.as_str(), found.port, found.user.as_str()), ("10.0.0.1", 22, "me"));
    assert_eq!(found.known_hosts.first().unwrap(), Path::new("/home/me/.ssh/known_hosts"));
    assert!(!found.accept_new && !found.only && !found.named && !found.sudo && found.jumps.is_empty());
    assert_eq!(found.identities.last().unwrap(), Path::new("/home/me/.ssh/id_ed25519"));
    assert_eq!(found.agent.as_deref(), Some(Path::new("/agent")));
}

#[test]
fn the_clusters_file_wins_over_the_operators() {
    let config = "Host node1\nHostName 192.168.9.1\nUser ops\nPort 2222\nIdentityFile ~/.ssh/%h-%r\nIdentitiesOnly yes\n\
                  StrictHostKeyChecking accept-new\nConnectTimeout 3\nUserKnownHostsFile ~/a ~/b\nServerAliveInterval 0\n";
    let found = settings(config, &SshOptions::default());
    assert_eq!((found.host.as_str(), found.port, found.user.as_str()), ("192.168.9.1", 2222, "ops"));
    assert_eq!(found.identities, [PathBuf::from("/home/me/.ssh/192.168.9.1-ops")]);
    assert_eq!(
        found.known_hosts.iter().take(2).collect::<Vec<_>>(),
        [Path::new("/home/me/a"), Path::new("/home/me/b")]
    );
    assert!(found.only && found.accept_new && found.alive_every.is_none());
    assert_eq!(found.connect_within, Duration::from_secs(3));
    let options = SshOptions {
        user: Some("root".into()),
        port: Some(22),
        identity: Some("keys/lab".into()),
        known_hosts: Some("~/known".into()),
        accept_new: Some(false),
        connect_timeout: Some(Duration::from_secs(1)),
        ..SshOptions::default()
    };
    let found = settings(config, &options);
    assert_eq!((found.host.as_str(), found.port, found.user.as_str()), ("192.168.9.1", 22, "root"));
    assert_eq!(found.identities, [PathBuf::from("/cluster/keys/lab")]);
    assert_eq!(found.known_hosts, [PathBuf::from("/home/me/known")]);
    assert!(found.only && !found.accept_new);
    assert_eq!(found.connect_within, Duration::from_secs(1));
}

#[test]
fn a_jump_host_has_settings_of_its_own() {
    let config =
        "Host edge\nHostName edge.lab\nUser guard\nProxyJump outer:2200\nHost node*\nProxyJump edge,ops@[::1]:23\n";
    let options = SshOptions { user: Some("root".into()), identity: Some("/key".into()), ..SshOptions::default() };
    let found = settings(config, &options);
    let ways: Vec<String> =
        found.jumps.iter().map(|jump| format!("{}@{}:{}", jump.user, jump.host, jump.port)).collect();
    assert_eq!(ways, ["root@outer:2200", "guard@edge.lab:22", "ops@::1:23"]);
    assert!(found.jumps.iter().all(|jump| jump.identities == [PathBuf::from("/key")]));
    let direct = SshOptions { proxy_jump: Some("none".into()), ..SshOptions::default() };
    assert!(settings(config, &direct).jumps.is_empty());
}

#[test]
fn what_can_not_be_used_says_so() {
    let error = |config: &str| resolver(config).host("node1", "10.0.0.1", &SshOptions::default()).unwrap_err();
    assert!(error("ProxyCommand nc %h %p\n").to_string().contains("use ProxyJump"));
    assert!(error("Port ssh\n").to_string().contains("a port is a number"));
    assert!(matches!(error("Host *\nProxyJump a\n"), SettingsError::TooManyJumps { .. }));
    assert!(settings("ProxyCommand none\n", &SshOptions::default()).jumps.is_empty());
}
