// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A swarm that speaks WebRTC-direct.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Transport, identify, ping, swarm};
use libp2p_webrtc::tokio as webrtc;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::options::Options;
use crate::output::AnyError;
use crate::serve;
use crate::streams::{self, Incoming};

const NO_LIMIT: usize = 1 << 30;
const PING_INTERVAL: Duration = Duration::from_millis(50);

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub ping: ping::Behaviour,
    pub identify: identify::Behaviour,
    pub streams: streams::Behaviour,
}

/// Make a swarm, and give what comes in on it.
pub fn make_swarm(
    options: &Options,
) -> Result<(Swarm<Behaviour>, UnboundedReceiver<Incoming>), AnyError> {
    if options.transport != "webrtc-direct" {
        return Err(format!("unknown transport {:?}", options.transport).into());
    }
    let keys = Keypair::generate_ed25519();
    let certificate = webrtc::Certificate::generate(&mut rand::rng())?;
    let transport = webrtc::Transport::new(keys.clone(), certificate)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let ping = match options.tasks.iter().any(|step| step.name == "ping") {
        true => ping::Config::new().with_interval(PING_INTERVAL),
        false => ping::Config::new(),
    };
    let (streams, incoming) = streams::Behaviour::new(&serve::PROTOCOLS, false);
    let behaviour = Behaviour {
        ping: ping::Behaviour::new(ping),
        identify: identify::Behaviour::new(
            identify::Config::new("interop".into(), keys.public())
                .with_agent_version(concat!("rust-libp2p/", "0.57").into()),
        ),
        streams,
    };
    let config = swarm::Config::with_tokio_executor()
        .with_max_negotiating_inbound_streams(NO_LIMIT)
        .with_idle_connection_timeout(Duration::MAX);
    let peer = keys.public().to_peer_id();
    let mut swarm = Swarm::new(transport, behaviour, peer, config);
    // A dial uses the port of a listener, and fails without one.
    let address = format!("/ip4/{}/udp/{}/webrtc-direct", options.host, options.port);
    swarm.listen_on(address.parse()?)?;
    Ok((swarm, incoming))
}

/// What is negotiated on each connection.
pub fn describe(_: &Options) -> Value {
    json!({"security": "/noise", "muxer": null, "early": false})
}
