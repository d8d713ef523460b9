// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! Finding peers: on the local network, and at a rendezvous point.

use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, mdns, multiaddr, rendezvous};
use serde_json::json;

use crate::options::Options;
use crate::output::{AnyError, print_line};
use crate::stack;

const NAMESPACE: &str = "interop";

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    mdns: Toggle<mdns::tokio::Behaviour>,
    point: Toggle<rendezvous::server::Behaviour>,
    client: Toggle<rendezvous::client::Behaviour>,
}

impl Behaviour {
    /// Make the parts that the command line asks for.
    pub fn new(options: &Options, keys: &Keypair) -> Result<Self, AnyError> {
        let peer = keys.public().to_peer_id();
        let mdns = match options.mdns {
            true => Some(mdns::tokio::Behaviour::new(mdns::Config::default(), peer)?),
            false => None,
        };
        let point = options
            .point
            .then(|| rendezvous::server::Behaviour::new(rendezvous::server::Config::default()));
        let client = (options.register.is_some() || options.discover.is_some())
            .then(|| rendezvous::client::Behaviour::new(keys.clone()));
        Ok(Self {
            mdns: mdns.into(),
            point: point.into(),
            client: client.into(),
        })
    }
}

/// What is wanted of a rendezvous point.
pub struct Search {
    point: Option<(PeerId, Multiaddr)>,
    register: bool,
}

impl Search {
    pub fn new(options: &Options) -> Result<Self, AnyError> {
        let point = match options.register.as_ref().or(options.discover.as_ref()) {
            Some(text) => {
                let address: Multiaddr = text.parse()?;
                let Some(multiaddr::Protocol::P2p(peer)) = address.iter().last() else {
                    return Err(format!("{text} does not end in a peer").into());
                };
                Some((peer, address))
            }
            None => None,
        };
        let register = options.register.is_some();
        Ok(Self { point, register })
    }

    /// Dial the point, as soon as there is an address to register.
    pub fn begin(
        &self,
        swarm: &mut Swarm<stack::Behaviour>,
        address: Multiaddr,
    ) -> Result<(), AnyError> {
        if let Some((_, point)) = &self.point {
            swarm.add_external_address(address);
            swarm.dial(point.clone())?;
        }
        Ok(())
    }

    /// Register, or ask, as soon as the point is connected.
    pub fn connected(&self, swarm: &mut Swarm<stack::Behaviour>, peer: &PeerId) {
        let Some((point, _)) = &self.point else {
            return;
        };
        let Some(client) = swarm.behaviour_mut().discovery.client.as_mut() else {
            return;
        };
        if point != peer {
            return;
        }
        let namespace = rendezvous::Namespace::from_static(NAMESPACE);
        if !self.register {
            client.discover(Some(namespace), None, None, *point);
        } else if let Err(error) = client.register(namespace, *point, None) {
            print_line(&json!({"event": "failed", "error": error.to_string()}));
        }
    }

    /// Print what has happened.
    pub fn happened(&self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    print_found(&peer, &[address]);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(gone)) => {
                for (peer, _) in gone {
                    print_line(&json!({"event": "expired", "peer": peer.to_string()}));
                }
            }
            BehaviourEvent::Client(rendezvous::client::Event::Discovered {
                registrations, ..
            }) => {
                let count = registrations.len();
                for each in registrations {
                    print_found(&each.record.peer_id(), each.record.addresses());
                }
                print_line(&json!({"event": "discovered", "count": count}));
            }
            BehaviourEvent::Client(rendezvous::client::Event::Registered { ttl, .. }) => {
                print_line(&json!({"event": "registered", "ttl": ttl}));
            }
            BehaviourEvent::Client(rendezvous::client::Event::RegisterFailed { error, .. })
            | BehaviourEvent::Client(rendezvous::client::Event::DiscoverFailed { error, .. }) => {
                print_line(&json!({"event": "failed", "error": format!("{error:?}")}));
            }
            BehaviourEvent::Point(rendezvous::server::Event::PeerRegistered { peer, .. }) => {
                print_line(&json!({"event": "peer-registered", "peer": peer.to_string()}));
            }
            _ => {}
        }
    }
}

fn print_found(peer: &PeerId, addresses: &[Multiaddr]) {
    let addrs: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    print_line(&json!({"event": "found", "peer": peer.to_string(), "addrs": addrs}));
}
