// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The listener.

use futures::StreamExt;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use serde_json::json;
use tokio::io::{AsyncReadExt, stdin};
use tokio::signal::unix::{SignalKind, signal};

use crate::discovery::Search;
use crate::options::Options;
use crate::output::{AnyError, print_line};
use crate::reachability;
use crate::serve::serve;
use crate::stack::{BehaviourEvent, describe, make_swarm};

/// Print where this peer listens, then serve until its parent is done.
pub async fn listen(options: &Options) -> Result<(), AnyError> {
    let (mut swarm, incoming) = make_swarm(options)?;
    let id = *swarm.local_peer_id();
    swarm.listen_on(options.address().parse()?)?;
    let search = Search::new(options)?;
    let mut begun = false;
    tokio::spawn(serve(incoming, |event| print_line(&event)));
    let parent = until_done();
    tokio::pin!(parent);
    loop {
        let event = tokio::select! {
            ended = &mut parent => return ended,
            event = swarm.select_next_some() => event,
        };
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let full = match address.iter().last() {
                    Some(Protocol::P2p(last)) if last == id => address.to_string(),
                    _ => format!("{address}/p2p/{id}"),
                };
                print_line(&json!({
                    "peerId": id.to_string(),
                    "addrs": [full],
                    "pid": std::process::id(),
                }));
                search.begin(&mut swarm, address)?;
                if !begun {
                    begun = true;
                    reachability::begin(&mut swarm, options)?;
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Discovery(event)) => search.happened(event),
            SwarmEvent::Behaviour(BehaviourEvent::Reachability(event)) => {
                reachability::happened(event);
            }
            SwarmEvent::ListenerClosed { reason, .. } => reason?,
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                let mut event = describe(options);
                event["event"] = "connected".into();
                event["peer"] = peer_id.to_string().into();
                print_line(&event);
                search.connected(&mut swarm, &peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, .. } => {
                print_line(&json!({"event": "disconnected", "peer": peer_id.to_string()}));
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                eprintln!("peer: {}", crate::output::reason(&error));
            }
            _ => {}
        }
    }
}

/// Wait until the parent closes stdin, or a signal comes.
pub async fn until_done() -> Result<(), AnyError> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let end_of_input = async {
        let (mut input, mut block) = (stdin(), [0; 1024]);
        while matches!(input.read(&mut block).await, Ok(length) if length > 0) {}
    };
    tokio::select! {
        () = end_of_input => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
