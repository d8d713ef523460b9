// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A server of a DHT. Each line of standard input is a request, which is answered by a
//! line; see ../README.rst.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{self, GetProvidersOk, GetRecordOk, QueryId, QueryResult, Quorum, Record};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, noise, ping, tcp, yamux};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::output::{AnyError, print_line};

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// The result of a query so far.
type Results = HashMap<QueryId, Vec<String>>;

pub async fn serve(prefix: &str) -> Result<(), AnyError> {
    let protocol = StreamProtocol::try_from_owned(format!("{prefix}/kad/1.0.0"))?;
    let mut swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keys| {
            let id = keys.public().to_peer_id();
            let mut kad = kad::Behaviour::with_config(
                id,
                MemoryStore::new(id),
                kad::Config::new(protocol),
            );
            kad.set_mode(Some(kad::Mode::Server));
            Behaviour {
                kad,
                identify: identify::Behaviour::new(identify::Config::new(
                    "interop".into(),
                    keys.public(),
                )),
                ping: ping::Behaviour::default(),
            }
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::MAX))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut results = Results::new();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => match request(&mut swarm, line.trim()) {
                    Ok(Started::Query(id)) => { results.insert(id, vec![]); }
                    Ok(Started::Done(result)) => answer(result),
                    Err(error) => print_line(&json!({"ok": false, "error": error.to_string()})),
                },
                None => return Ok(()),
            },
            event = swarm.select_next_some() => happened(&mut swarm, &mut results, event),
        }
    }
}

enum Started {
    Query(QueryId),
    Done(Value),
}

fn answer(result: Value) {
    print_line(&json!({"ok": true, "result": result}));
}

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .filter_map(|each| u8::from_str_radix(&text[2 * each..2 * each + 2], 16).ok())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|each| format!("{each:02x}")).collect()
}

/// Begin one request: its name, its argument, and a value.
fn request(swarm: &mut Swarm<Behaviour>, line: &str) -> Result<Started, AnyError> {
    let words: Vec<&str> = line.split(' ').collect();
    let argument = words.get(1).copied().unwrap_or_default();
    let kad = &mut swarm.behaviour_mut().kad;
    Ok(match words[0] {
        "connect" => {
            swarm.dial(argument.parse::<Multiaddr>()?)?;
            Started::Done(Value::Null)
        }
        "find" => Started::Query(kad.get_closest_peers(argument.parse::<PeerId>()?)),
        "provide" => Started::Query(kad.start_providing(bytes(argument).into())?),
        "providers" => Started::Query(kad.get_providers(bytes(argument).into())),
        "put" => {
            let value = bytes(words.get(2).copied().unwrap_or_default());
            let record = Record::new(bytes(argument), value);
            kad.store_mut().put(record.clone())?;
            Started::Query(kad.put_record(record, Quorum::One)?)
        }
        "get" => Started::Query(kad.get_record(bytes(argument).into())),
        other => return Err(format!("unknown request {other:?}").into()),
    })
}

/// Take one event of the swarm.
fn happened(
    swarm: &mut Swarm<Behaviour>,
    results: &mut Results,
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
        SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
            peer_id,
            info,
            ..
        })) => {
            // The package learns no address of a peer that has dialed it.
            for each in info.listen_addrs {
                swarm.behaviour_mut().kad.add_address(&peer_id, each);
            }
        }
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::RoutingUpdated {
            peer,
            is_new_peer: true,
            ..
        })) => print_line(&json!({"event": "entered", "peer": peer.to_string()})),
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
            id,
            result,
            step,
            ..
        })) => {
            let Some(found) = results.get_mut(&id) else {
                return;
            };
            let failed = collect(found, result);
            if step.last {
                let found = results.remove(&id).unwrap_or_default();
                match failed {
                    Some(error) if found.is_empty() => {
                        print_line(&json!({"ok": false, "error": error}));
                    }
                    _ => answer(json!(found)),
                }
            }
        }
        _ => {}
    }
}

/// Collect the result of one step of a query.
fn collect(found: &mut Vec<String>, result: QueryResult) -> Option<String> {
    match result {
        QueryResult::GetClosestPeers(Ok(ok)) => {
            found.extend(ok.peers.iter().map(|each| each.peer_id.to_string()));
            None
        }
        QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
            found.extend(providers.iter().map(PeerId::to_string));
            None
        }
        QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(record))) => {
            found.push(hex(&record.record.value));
            None
        }
        QueryResult::GetClosestPeers(Err(error)) => Some(error.to_string()),
        QueryResult::GetProviders(Err(error)) => Some(error.to_string()),
        QueryResult::GetRecord(Err(error)) => Some(error.to_string()),
        QueryResult::PutRecord(Err(error)) => Some(error.to_string()),
        QueryResult::StartProviding(Err(error)) => Some(error.to_string()),
        _ => None,
    }
}
