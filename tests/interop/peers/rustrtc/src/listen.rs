// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The listener.

use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use serde_json::json;
use tokio::io::{AsyncReadExt, stdin};
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;
use crate::output::{AnyError, print_line, reason};
use crate::serve::serve;
use crate::stack::{describe, make_swarm};

/// Print where this peer listens, then serve until its parent is done.
pub async fn listen(options: &Options) -> Result<(), AnyError> {
    let (mut swarm, incoming) = make_swarm(options)?;
    let id = *swarm.local_peer_id();
    tokio::spawn(serve(incoming, |event| print_line(&event)));
    let parent = async {
        let (mut input, mut block) = (stdin(), [0; 1024]);
        while matches!(input.read(&mut block).await, Ok(length) if length > 0) {}
    };
    tokio::pin!(parent);
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        let event = tokio::select! {
            () = &mut parent => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            event = swarm.select_next_some() => event,
        };
        match event {
            SwarmEvent::NewListenAddr { address, .. } => print_line(&json!({
                "peerId": id.to_string(),
                "addrs": [format!("{address}/p2p/{id}")],
                "pid": std::process::id(),
            })),
            SwarmEvent::ListenerClosed { reason, .. } => reason?,
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                let mut event = describe(options);
                event["event"] = "connected".into();
                event["peer"] = peer_id.to_string().into();
                print_line(&event);
            }
            SwarmEvent::ConnectionClosed { peer_id, .. } => {
                print_line(&json!({"event": "disconnected", "peer": peer_id.to_string()}));
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                eprintln!("peer: {}", reason(&error));
            }
            _ => {}
        }
    }
}
