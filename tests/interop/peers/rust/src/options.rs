// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What the command line asks for.

use std::time::Duration;

use crate::tasks;

pub const CONNECT_LIMIT: Duration = Duration::from_secs(20);
pub const TASK_LIMIT: Duration = Duration::from_secs(30);
pub const TOTAL_LIMIT: Duration = Duration::from_secs(60);
pub const CLOSE_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub enum Role {
    Listen,
    Dial(String),
}

#[derive(Clone)]
pub struct Options {
    pub role: Role,
    pub bench: bool,
    pub transport: String,
    pub security: String,
    pub muxer: String,
    pub port: u16,
    pub key: String,
    pub late: bool,
    pub psk: Option<String>,
    pub tasks: Vec<String>,
    pub size: u64,
}

impl Options {
    /// Read the role, the address to dial and the options, or complain.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let bench = arguments.next_if_eq("bench").is_some();
        let role = match arguments.next().as_deref() {
            Some("listen") => Role::Listen,
            Some("dial") => match arguments.next() {
                Some(target) if !target.starts_with('-') => Role::Dial(target),
                _ => return Err("dial needs a multiaddr".into()),
            },
            Some(other) => return Err(format!("unknown role {other:?}")),
            None => return Err("no role given".into()),
        };
        let dialing = matches!(role, Role::Dial(_));
        let mut options = Options {
            role,
            bench,
            transport: "tcp".into(),
            security: "noise".into(),
            muxer: "yamux".into(),
            port: 0,
            key: "ed25519".into(),
            late: false,
            psk: None,
            tasks: Vec::new(),
            size: 1 << 20,
        };
        if dialing {
            options.tasks = named("ping,identify,echo");
        }
        while let Some(argument) = arguments.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (argument, None),
            };
            if name == "--late-muxer" && given.is_none() {
                options.late = true;
                continue;
            }
            let value = given
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--transport" => options.transport = value,
                "--security" => options.security = value,
                "--muxer" => options.muxer = value,
                "--port" => options.port = number(&name, &value)?,
                "--key" => options.key = value,
                "--psk" => options.psk = Some(value),
                "--do" if dialing => options.tasks = named(&value),
                "--size" if dialing => options.size = number(&name, &value)?,
                _ => return Err(format!("unexpected argument {name:?}")),
            }
        }
        match options
            .tasks
            .iter()
            .find(|name| !tasks::NAMES.contains(&name.as_str()))
        {
            Some(unknown) => Err(format!("unknown task {unknown:?}")),
            None => Ok(options),
        }
    }
}

fn named(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(String::from)
        .collect()
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name} cannot be {value:?}"))
}
