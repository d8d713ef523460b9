// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A relay without limits, until its standard input ends.

use futures::StreamExt;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{SwarmBuilder, identify, noise, ping, relay, tcp, yamux};
use std::time::Duration;

#[derive(NetworkBehaviour)]
struct Behaviour {
    relay: relay::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keys| {
            let config = relay::Config {
                max_reservations: 1 << 16,
                max_reservations_per_peer: 1 << 16,
                reservation_rate_limiters: vec![],
                max_circuits: 1 << 16,
                max_circuits_per_peer: 1 << 16,
                max_circuit_duration: Duration::from_secs(1 << 20),
                max_circuit_bytes: 0,
                circuit_src_rate_limiters: vec![],
                ..relay::Config::default()
            };
            Behaviour {
                relay: relay::Behaviour::new(keys.public().to_peer_id(), config),
                identify: identify::Behaviour::new(identify::Config::new(
                    "/relay/1.0.0".into(),
                    keys.public(),
                )),
                ping: ping::Behaviour::default(),
            }
        })?
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(Duration::from_secs(3600))
        })
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let id = *swarm.local_peer_id();
    let mut input = tokio::io::stdin();
    let mut rest = tokio::io::sink();
    let ended = tokio::io::copy(&mut input, &mut rest);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = &mut ended => return Ok(()),
            event = swarm.select_next_some() => {
                if let SwarmEvent::NewListenAddr { address, .. } = event {
                    swarm.add_external_address(address.clone());
                    println!(
                        "{}",
                        serde_json::json!({
                            "addr": format!("{address}/p2p/{id}"), "pid": std::process::id(),
                        })
                    );
                }
            }
        }
    }
}
