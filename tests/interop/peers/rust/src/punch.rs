// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! Peers that meet through a relay and then punch a hole: the relay, the listener that
//! reserves a place there, and the dialer.

use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, dcutr, identify, noise, ping, relay, tcp, yamux};
use serde_json::json;

use crate::listen::until_done;
use crate::output::{AnyError, print_line, reason};

/// Connections without streams end after this time.
const IDLE: Duration = Duration::from_secs(60);

#[derive(NetworkBehaviour)]
struct Behaviour {
    relay: Toggle<relay::Behaviour>,
    client: relay::client::Behaviour,
    dcutr: dcutr::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

struct Options {
    role: String,
    target: Option<Multiaddr>,
    transport: String,
    host: String,
    port: u16,
    seed: Option<u8>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, AnyError> {
        let role = arguments.next().ok_or("punch needs a role")?;
        let target = match role.as_str() {
            "relay" => None,
            "listen" | "dial" => Some(arguments.next().ok_or("an address is needed")?.parse()?),
            _ => return Err(format!("unknown role {role:?}").into()),
        };
        let mut options = Options {
            role,
            target,
            transport: "tcp".into(),
            host: "127.0.0.1".into(),
            port: 0,
            seed: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--transport" => options.transport = value,
                "--host" => options.host = value,
                "--port" => options.port = value.parse()?,
                "--seed" => options.seed = Some(value.parse()?),
                _ => return Err(format!("unexpected argument {name:?}").into()),
            }
        }
        Ok(options)
    }

    fn address(&self, transport: &str) -> Result<Multiaddr, AnyError> {
        let path = match transport {
            "quic" => format!("/ip4/{}/udp/{}/quic-v1", self.host, self.port),
            _ => format!("/ip4/{}/tcp/{}", self.host, self.port),
        };
        Ok(path.parse()?)
    }
}

/// Do what the rest of the command line says, until the parent is done.
pub async fn run(arguments: impl Iterator<Item = String>) -> Result<(), AnyError> {
    let options = Options::parse(arguments)?;
    let parent = until_done();
    tokio::select! {
        ended = parent => ended,
        ended = play(&options) => ended,
    }
}

/// Make the key of a peer: the same one for each seed.
fn make_keys(seed: Option<u8>) -> Result<Keypair, AnyError> {
    Ok(match seed {
        Some(seed) => Keypair::ed25519_from_bytes([seed; 32])?,
        None => Keypair::generate_ed25519(),
    })
}

fn make_swarm(relaying: bool, keys: Keypair) -> Result<Swarm<Behaviour>, AnyError> {
    Ok(SwarmBuilder::with_existing_identity(keys)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keys, client| {
            let id = keys.public().to_peer_id();
            let service = relaying.then(|| relay::Behaviour::new(id, relay::Config::default()));
            Behaviour {
                relay: service.into(),
                client,
                dcutr: dcutr::Behaviour::new(id),
                identify: identify::Behaviour::new(
                    identify::Config::new("interop".into(), keys.public())
                        .with_agent_version(concat!("rust-libp2p/", "0.57").into()),
                ),
                ping: ping::Behaviour::default(),
            }
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}

async fn play(options: &Options) -> Result<(), AnyError> {
    let mut swarm = make_swarm(options.role == "relay", make_keys(options.seed)?)?;
    let id = *swarm.local_peer_id();
    if options.role == "relay" {
        for transport in ["tcp", "quic"] {
            let address = options.address(transport)?;
            swarm.listen_on(address.clone())?;
            swarm.add_external_address(address);
        }
    } else {
        swarm.listen_on(options.address(&options.transport)?)?;
    }
    let mut listening = Vec::new();
    let wanted = if options.role == "relay" { 2 } else { 1 };
    while listening.len() < wanted {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => listening.push(address),
            SwarmEvent::ListenerClosed { reason, .. } => reason?,
            _ => {}
        }
    }
    if let Some(target) = &options.target {
        meet_relay(&mut swarm, target).await?;
        match options.role.as_str() {
            "dial" => swarm.dial(target.clone())?,
            _ => {
                swarm.listen_on(target.clone().with(Protocol::P2pCircuit))?;
            }
        }
    } else {
        hello(&id, &listening);
    }
    watch(&mut swarm, id).await
}

/// Connect to the relay of an address, until each side has described the other.
async fn meet_relay(swarm: &mut Swarm<Behaviour>, target: &Multiaddr) -> Result<(), AnyError> {
    let circuit = |each: &Protocol<'_>| matches!(each, Protocol::P2pCircuit);
    let place: Multiaddr = target.iter().take_while(|each| !circuit(each)).collect();
    swarm.dial(place)?;
    let (mut seen, mut told) = (false, false);
    while !(seen && told) {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => match event {
                identify::Event::Received { .. } => seen = true,
                identify::Event::Sent { .. } => told = true,
                _ => {}
            },
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn hello(id: &PeerId, addresses: &[Multiaddr]) {
    let full = |each: &Multiaddr| match each.iter().last() {
        Some(Protocol::P2p(last)) if last == *id => each.to_string(),
        _ => format!("{each}/p2p/{id}"),
    };
    let addresses: Vec<String> = addresses.iter().map(full).collect();
    print_line(&json!({
        "peerId": id.to_string(), "addrs": addresses, "pid": std::process::id(),
    }));
}

/// Print the connections, and what has come of hole punching.
async fn watch(swarm: &mut Swarm<Behaviour>, id: PeerId) -> Result<(), AnyError> {
    let begin = Instant::now();
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => hello(&id, &[address]),
            SwarmEvent::ListenerClosed { reason, .. } => reason?,
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => print_line(&json!({
                "event": "connected",
                "peer": peer_id.to_string(),
                "relayed": endpoint.is_relayed(),
                "seconds": begin.elapsed().as_secs_f64(),
            })),
            SwarmEvent::ConnectionClosed {
                peer_id, endpoint, ..
            } => print_line(&json!({
                "event": "disconnected",
                "peer": peer_id.to_string(),
                "relayed": endpoint.is_relayed(),
            })),
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                eprintln!("peer: {}", reason(&error));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Dcutr(event)) => {
                let error = event.result.as_ref().err().map(|each| reason(each));
                print_line(&json!({
                    "event": "punched",
                    "peer": event.remote_peer_id.to_string(),
                    "ok": error.is_none(),
                    "error": error,
                }));
            }
            _ => {}
        }
    }
}
