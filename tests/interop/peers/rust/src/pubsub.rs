// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A peer of topics. Each line of standard input is a request, which is answered by a
//! line; see ../README.rst.

use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::{
    Behaviour as Gossipsub, ConfigBuilder, Event, IdentTopic, Message, MessageAuthenticity,
    MessageId, ValidationMode,
};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identify, noise, ping, tcp, yamux};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::output::{AnyError, print_line};

/// The size of the id of a message in bytes.
const ID_SIZE: usize = 32;

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossipsub: Gossipsub,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// The id of a message, as in all peers of these tests: the first bytes of its data.
fn id_of(message: &Message) -> MessageId {
    MessageId::new(&message.data[..message.data.len().min(ID_SIZE)])
}

pub async fn serve(policy: &str) -> Result<(), AnyError> {
    let signed = match policy {
        "signed" => true,
        "unsigned" => false,
        other => return Err(format!("unknown policy {other:?}").into()),
    };
    let mut swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keys| {
            let config = ConfigBuilder::default()
                .message_id_fn(id_of)
                .heartbeat_initial_delay(Duration::from_millis(100))
                .validation_mode(if signed {
                    ValidationMode::Strict
                } else {
                    ValidationMode::Anonymous
                })
                .build()?;
            let author = if signed {
                MessageAuthenticity::Signed(keys.clone())
            } else {
                MessageAuthenticity::Anonymous
            };
            Ok(Behaviour {
                gossipsub: Gossipsub::new(author, config)?,
                identify: identify::Behaviour::new(identify::Config::new(
                    "interop".into(),
                    keys.public(),
                )),
                ping: ping::Behaviour::default(),
            })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::MAX))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => match request(&mut swarm, line.trim()) {
                    Ok(result) => print_line(&json!({"ok": true, "result": result})),
                    Err(error) => print_line(&json!({"ok": false, "error": error.to_string()})),
                },
                None => return Ok(()),
            },
            event = swarm.select_next_some() => happened(&swarm, event),
        }
    }
}

/// Do one request: its name, and its arguments.
fn request(swarm: &mut Swarm<Behaviour>, line: &str) -> Result<Value, AnyError> {
    let words: Vec<&str> = line.split(' ').collect();
    let argument = words.get(1).copied().unwrap_or_default();
    if words[0] == "connect" {
        swarm.dial(argument.parse::<Multiaddr>()?)?;
        return Ok(Value::Null);
    }
    let topic = IdentTopic::new(argument);
    let gossipsub = &mut swarm.behaviour_mut().gossipsub;
    Ok(match words[0] {
        "subscribe" => json!(gossipsub.subscribe(&topic)?),
        "unsubscribe" => json!(gossipsub.unsubscribe(&topic)),
        "mesh" => json!(
            gossipsub
                .mesh_peers(&topic.hash())
                .map(|peer| peer.to_string())
                .collect::<Vec<_>>()
        ),
        "publish" => {
            let size: usize = words.get(2).copied().unwrap_or_default().parse()?;
            let mut data = words.get(3).copied().unwrap_or_default().as_bytes().to_vec();
            data.resize(size.max(data.len()), b' ');
            gossipsub.publish(topic, data)?;
            Value::Null
        }
        other => return Err(format!("unknown request {other:?}").into()),
    })
}

/// Take one event of the swarm.
fn happened(swarm: &Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) {
    match event {
        SwarmEvent::NewListenAddr { address, .. } => {
            let peer = swarm.local_peer_id();
            print_line(&json!({
                "peerId": peer.to_string(),
                "addrs": [format!("{address}/p2p/{peer}")],
                "pid": std::process::id(),
            }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(Event::Message { message, .. })) => {
            print_line(&json!({
                "event": "message",
                "topic": message.topic.to_string(),
                "size": message.data.len(),
                "text": String::from_utf8_lossy(&message.data).trim_end(),
                "source": message.source.map(|peer| peer.to_string()),
            }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(Event::Subscribed { peer_id, topic })) => {
            print_line(&json!({
                "event": "subscribed",
                "peer": peer_id.to_string(),
                "topic": topic.to_string(),
            }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(Event::Unsubscribed {
            peer_id,
            topic,
        })) => {
            print_line(&json!({
                "event": "unsubscribed",
                "peer": peer_id.to_string(),
                "topic": topic.to_string(),
            }));
        }
        _ => {}
    }
}
