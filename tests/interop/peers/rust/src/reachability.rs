// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! Being reached: through a relay, and finding out by AutoNAT whether others can dial
//! this peer.

use std::time::Duration;

use libp2p::autonat::{v1, v2};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, relay};
use serde_json::json;

use crate::options::Options;
use crate::output::{AnyError, print_line};
use crate::stack;

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    circuits: Toggle<relay::client::Behaviour>,
    autonat: Toggle<v1::Behaviour>,
    asking: Toggle<v2::client::Behaviour>,
    answering: Toggle<v2::server::Behaviour>,
}

impl Behaviour {
    /// Make the parts that the command line asks for.
    pub fn new(
        options: &Options,
        peer: PeerId,
        circuits: Option<relay::client::Behaviour>,
    ) -> Self {
        let autonat = (options.autonat == 1).then(|| {
            let config = v1::Config {
                boot_delay: Duration::from_secs(1),
                retry_interval: Duration::from_secs(1),
                throttle_server_period: Duration::ZERO,
                ..v1::Config::default()
            };
            v1::Behaviour::new(peer, config)
        });
        let asking = (options.autonat == 2).then(v2::client::Behaviour::default);
        let answering = (options.autonat == 2).then(v2::server::Behaviour::default);
        Self {
            circuits: circuits.into(),
            autonat: autonat.into(),
            asking: asking.into(),
            answering: answering.into(),
        }
    }
}

/// Say whether the command line leads through a relay.
pub fn is_relayed(options: &Options) -> bool {
    options.circuit.is_some() || options.target().contains("/p2p-circuit")
}

/// Reserve a place at a relay, and meet the peers of the command line.
pub fn begin(swarm: &mut Swarm<stack::Behaviour>, options: &Options) -> Result<(), AnyError> {
    if let Some(relay) = &options.circuit {
        let relay: Multiaddr = relay.parse()?;
        swarm.listen_on(relay.with(Protocol::P2pCircuit))?;
    }
    for each in &options.meet {
        swarm.dial(each.parse::<Multiaddr>()?)?;
    }
    Ok(())
}

/// Print the verdicts of AutoNAT.
pub fn happened(event: BehaviourEvent) {
    match event {
        BehaviourEvent::Asking(event) => {
            let address = [event.tested_addr.to_string()];
            let (reached, failed) = match event.result {
                Ok(()) => (&address[..], &[][..]),
                Err(_) => (&[][..], &address[..]),
            };
            print_line(&json!({
                "event": "addresses", "reachable": reached, "unreachable": failed,
            }));
        }
        BehaviourEvent::Autonat(v1::Event::StatusChanged { new, .. }) => {
            let state = match new {
                v1::NatStatus::Public(_) => "Public",
                v1::NatStatus::Private => "Private",
                v1::NatStatus::Unknown => "Unknown",
            };
            print_line(&json!({"event": "reachability", "state": state}));
        }
        _ => {}
    }
}
