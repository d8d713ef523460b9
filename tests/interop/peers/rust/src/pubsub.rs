// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A peer of topics. Each line of standard input is a request, which is answered by a
//! line; see ../README.rst.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::gossipsub::{
    Behaviour as Gossipsub, ConfigBuilder, Event, IdentTopic, Message, MessageAuthenticity,
    MessageId, PublishError, ValidationMode,
};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identify, noise, ping, tcp, yamux};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::output::{AnyError, print_line};

/// The size of the id of a message in bytes.
const ID_SIZE: usize = 32;

/// How many messages of a flood are published before others have their turn, and how long
/// that is.
const BATCH: u64 = 64;
const PAUSE: Duration = Duration::from_millis(1);

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
    let mut taking = Taking::default();
    let mut flooding: Option<(String, u64)> = None;
    loop {
        if let Some((line, first)) = flooding.take() {
            let words: Vec<&str> = line.split(' ').collect();
            let next = flood(&mut swarm.behaviour_mut().gossipsub, &words, first);
            match next {
                Ok(next) if next < words[2].parse()? => flooding = Some((line, next)),
                Ok(_) => print_line(&json!({"ok": true, "result": null})),
                Err(error) => print_line(&json!({"ok": false, "error": error.to_string()})),
            }
        }
        tokio::select! {
            _ = tokio::time::sleep(PAUSE), if flooding.is_some() => {}
            line = lines.next_line() => match line? {
                Some(line) if line.starts_with("flood ") => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
                    flooding = Some((format!("{} {now}", line.trim()), 0));
                }
                Some(line) => match request(&mut swarm, &mut taking, line.trim()) {
                    Ok(result) => print_line(&json!({"ok": true, "result": result})),
                    Err(error) => print_line(&json!({"ok": false, "error": error.to_string()})),
                },
                None => return Ok(()),
            },
            event = swarm.select_next_some() => happened(&swarm, &mut taking, event),
        }
    }
}

/// The messages that are counted instead of being reported: how many, and how many lack.
#[derive(Default)]
struct Taking {
    count: u64,
    left: u64,
}

/// Publish messages that all differ, beginning with one. Those that find the queues to
/// all peers full have to be published again.
fn flood(gossipsub: &mut Gossipsub, words: &[&str], first: u64) -> Result<u64, AnyError> {
    let argument = |place: usize| words.get(place).copied().unwrap_or_default();
    let topic = IdentTopic::new(argument(1)).hash();
    let (count, size) = (argument(2).parse::<u64>()?, argument(3).parse::<usize>()?);
    let beginning = argument(4);
    for number in first..count {
        let mut data = format!("{beginning:0>20}{number:012}").into_bytes();
        data.resize(size.max(data.len()), 0);
        match gossipsub.publish(topic.clone(), data) {
            Ok(_) => {}
            Err(PublishError::AllQueuesFull(_)) => return Ok(number),
            Err(error) => return Err(error.into()),
        }
        if number % BATCH == BATCH - 1 {
            return Ok(number + 1);
        }
    }
    Ok(count)
}

/// Do one request: its name, and its arguments.
fn request(
    swarm: &mut Swarm<Behaviour>,
    taking: &mut Taking,
    line: &str,
) -> Result<Value, AnyError> {
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
        "take" => {
            let count = words.get(2).copied().unwrap_or_default().parse()?;
            *taking = Taking { count, left: count };
            json!(gossipsub.subscribe(&topic)?)
        }
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
fn happened(
    swarm: &Swarm<Behaviour>,
    taking: &mut Taking,
    event: SwarmEvent<BehaviourEvent>,
) {
    match event {
        SwarmEvent::NewListenAddr { address, .. } => {
            let peer = swarm.local_peer_id();
            print_line(&json!({
                "peerId": peer.to_string(),
                "addrs": [format!("{address}/p2p/{peer}")],
                "pid": std::process::id(),
            }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(Event::Message { .. }))
            if taking.count > 0 =>
        {
            taking.left = taking.left.saturating_sub(1);
            if taking.left == 0 {
                print_line(&json!({"event": "taken", "count": taking.count}));
            }
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
