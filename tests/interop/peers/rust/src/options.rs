// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What the command line asks for.

use std::time::Duration;

use crate::tasks;

pub const CONNECT_LIMIT: Duration = Duration::from_secs(20);
pub const TASK_LIMIT: Duration = Duration::from_secs(60);
pub const TOTAL_LIMIT: Duration = Duration::from_secs(120);
pub const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// How long a connection of QUIC may take to send its last packet.
pub const FAREWELL: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub enum Role {
    Listen,
    Dial(String),
}

/// A task to do, named as it was asked for, and its own number.
#[derive(Clone)]
pub struct Step {
    pub label: String,
    pub name: String,
    pub number: u64,
}

impl Step {
    fn read(label: &str, size: u64) -> Result<Self, String> {
        let (name, number) = match label.split_once('=') {
            Some((name, value)) => (name, number(name, value)?),
            None => (label, size),
        };
        if !tasks::NAMES.contains(&name) {
            return Err(format!("unknown task {name:?}"));
        }
        Ok(Self {
            label: label.into(),
            name: name.into(),
            number,
        })
    }

    /// How long it may take: idling takes as long as it was told to.
    pub fn limit(&self) -> Duration {
        match self.name.as_str() {
            "idle" => TASK_LIMIT + Duration::from_secs(self.number),
            _ => TASK_LIMIT,
        }
    }
}

#[derive(Clone)]
pub struct Options {
    pub role: Role,
    pub bench: bool,
    pub transport: String,
    pub certificate: Option<String>,
    pub roots: Option<String>,
    pub security: String,
    pub muxer: String,
    pub host: String,
    pub port: u16,
    pub key: String,
    pub late: bool,
    pub psk: Option<String>,
    pub defaults: bool,
    pub mdns: bool,
    pub circuit: Option<String>,
    pub autonat: u8,
    /// Peers to connect to.
    pub meet: Vec<String>,
    pub point: bool,
    pub register: Option<String>,
    pub discover: Option<String>,
    pub tasks: Vec<Step>,
    pub repeat: Duration,
}

impl Options {
    /// The address to listen on.
    pub fn address(&self) -> String {
        let port = self.port;
        let path = match self.transport.as_str() {
            "quic" => format!("udp/{port}/quic-v1"),
            "ws" => format!("tcp/{port}/ws"),
            "wss" => format!("tcp/{port}/tls/ws"),
            _ => format!("tcp/{port}"),
        };
        format!("/ip4/{}/{path}", self.host)
    }

    /// The address to dial; empty for a listener.
    pub fn target(&self) -> &str {
        match &self.role {
            Role::Dial(target) => target,
            Role::Listen => "",
        }
    }

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
            certificate: None,
            roots: None,
            security: "noise".into(),
            muxer: "yamux".into(),
            host: "127.0.0.1".into(),
            port: 0,
            key: "ed25519".into(),
            late: false,
            psk: None,
            defaults: false,
            mdns: false,
            circuit: None,
            autonat: 0,
            meet: Vec::new(),
            point: false,
            register: None,
            discover: None,
            tasks: Vec::new(),
            repeat: Duration::ZERO,
        };
        let (mut wanted, mut size) = (String::from("ping,identify,echo"), 1 << 20);
        while let Some(argument) = arguments.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (argument, None),
            };
            if given.is_none() {
                match name.as_str() {
                    "--late-muxer" => {
                        options.late = true;
                        continue;
                    }
                    "--defaults" => {
                        options.defaults = true;
                        continue;
                    }
                    "--mdns" if !dialing => {
                        options.mdns = true;
                        continue;
                    }
                    "--rendezvous-point" if !dialing => {
                        options.point = true;
                        continue;
                    }
                    _ => {}
                }
            }
            let value = given
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--transport" => options.transport = value,
                "--tls-certificate" => options.certificate = Some(value),
                "--tls-roots" => options.roots = Some(value),
                "--security" => options.security = value,
                "--muxer" => options.muxer = value,
                "--host" => options.host = value,
                "--port" => options.port = number(&name, &value)?,
                "--key" => options.key = value,
                "--psk" => options.psk = Some(value),
                "--circuit" if !dialing => options.circuit = Some(value),
                "--autonat" if !dialing => options.autonat = number(&name, &value)?,
                "--meet" if !dialing => options.meet.push(value),
                "--register" if !dialing => options.register = Some(value),
                "--discover" if !dialing => options.discover = Some(value),
                "--do" if dialing => wanted = value,
                "--size" if dialing => size = number(&name, &value)?,
                "--for" if dialing => options.repeat = Duration::from_secs(number(&name, &value)?),
                _ => return Err(format!("unexpected argument {name:?}")),
            }
        }
        if dialing {
            options.tasks = wanted
                .split(',')
                .filter(|label| !label.is_empty())
                .map(|label| Step::read(label, size))
                .collect::<Result<_, _>>()?;
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name} cannot be {value:?}"))
}
