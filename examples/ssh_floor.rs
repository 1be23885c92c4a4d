//! The floor of `fixtures/bench/peers`: nothing that looks at hosts over SSH from this machine can be faster than this.
//!
//!     ssh_floor IDENTITY COMMAND ADDRESS…
//!
//! Connects to all addresses at once as root, runs one command on each, reads its output to the end, and ends. Host keys
//! are not verified: it is a measure, not a tool.
#![allow(clippy::print_stderr, reason = "a program for people who measure")]

use russh::client::{self, Handler};
use russh::keys::{PrivateKeyWithHashAlg, load_secret_key};
use russh::{ChannelMsg, Disconnect};
use std::process::ExitCode;
use std::sync::Arc;

struct AnyKey;

impl Handler for AnyKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One host: connect, run, read, end. The bytes that were read.
async fn host(
    config: Arc<client::Config>,
    key: Arc<russh::keys::PrivateKey>,
    address: String,
    command: String,
) -> Result<usize, Failed> {
    let mut session = client::connect(config, (address.as_str(), 22), AnyKey).await?;
    if !session.authenticate_publickey("root", PrivateKeyWithHashAlg::new(key, None)).await?.success() {
        return Err(format!("{address} refuses the key").into());
    }
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    let (mut read, mut ended) = (0, None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => read += data.len(),
            ChannelMsg::ExitStatus { exit_status } => ended = Some(exit_status),
            _ => {}
        }
    }
    session.disconnect(Disconnect::ByApplication, "", "").await?;
    if ended == Some(0) { Ok(read) } else { Err(format!("{address}: the command ended with {ended:?}").into()) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(identity), Some(command)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: ssh_floor IDENTITY COMMAND ADDRESS…");
        return ExitCode::FAILURE;
    };
    let key = match load_secret_key(&identity, None) {
        Ok(key) => Arc::new(key),
        Err(error) => {
            eprintln!("{identity}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let config = Arc::new(client::Config::default());
    let hosts = arguments.map(|address| tokio::spawn(host(config.clone(), key.clone(), address, command.clone())));
    for task in hosts.collect::<Vec<_>>() {
        match task.await {
            Ok(Ok(read)) if read > 0 => {}
            other => {
                eprintln!("{other:?}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
