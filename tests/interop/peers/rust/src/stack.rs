// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A swarm that speaks exactly one stack, has no limits, and talks to nobody
//! but the peers of the test.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use futures::future::Either;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::websocket::tls as wss;
use libp2p::{
    PeerId, Transport, identify, noise, ping, plaintext, quic, relay, swarm, tcp, tls, websocket,
    yamux,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::discovery;
use crate::options::{CONNECT_LIMIT, Options};
use crate::output::AnyError;
use crate::reachability;
use crate::serve;
use crate::streams::{self, Incoming};

// As many as the windows of a connection have room for.
const YAMUX_STREAMS: usize = 4096;
const NO_LIMIT: usize = 1 << 30;
// The package pings by itself; this often, if pings are wanted. With mplex they
// are, since a reset lies about until something else is sent.
const PING_INTERVAL: Duration = Duration::from_millis(50);
// And this often in a benchmark, whose own pings they would end.
const BENCH_PING_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub ping: ping::Behaviour,
    pub identify: identify::Behaviour,
    pub discovery: discovery::Behaviour,
    pub reachability: reachability::Behaviour,
    pub streams: streams::Behaviour,
}

/// Make a swarm, and give what comes in on it.
pub fn make_swarm(
    options: &Options,
) -> Result<(Swarm<Behaviour>, UnboundedReceiver<Incoming>), AnyError> {
    let keys = make_keys(&options.key)?;
    let mplex = options.muxer == "mplex";
    let asked = options.tasks.iter().any(|step| step.name == "ping");
    let ping = match !options.defaults && (mplex || asked) {
        _ if options.bench => ping::Config::new().with_interval(BENCH_PING_INTERVAL),
        true => ping::Config::new().with_interval(PING_INTERVAL),
        false => ping::Config::new(),
    };
    let peer = keys.public().to_peer_id();
    let transport = make_transport(options, &keys)?;
    let (transport, circuits) = match reachability::is_relayed(options) {
        true => {
            let (relayed, circuits) = relay::client::new(peer);
            let relayed = make_stack(options, &keys, relayed)?;
            let either = relayed.or_transport(transport);
            let both = either.map(|made, _| made.into_inner()).boxed();
            (both, Some(circuits))
        }
        false => (transport, None),
    };
    let (streams, incoming) = streams::Behaviour::new(&serve::PROTOCOLS, mplex);
    let behaviour = Behaviour {
        ping: ping::Behaviour::new(ping),
        identify: identify::Behaviour::new(
            identify::Config::new("interop".into(), keys.public())
                .with_agent_version(concat!("rust-libp2p/", "0.57").into()),
        ),
        discovery: discovery::Behaviour::new(options, &keys)?,
        reachability: reachability::Behaviour::new(options, peer, circuits),
        streams,
    };
    let mut config = swarm::Config::with_tokio_executor();
    if !options.defaults {
        config = config
            .with_max_negotiating_inbound_streams(NO_LIMIT)
            .with_idle_connection_timeout(Duration::MAX);
    }
    Ok((Swarm::new(transport, behaviour, peer, config), incoming))
}

fn make_keys(name: &str) -> Result<Keypair, AnyError> {
    Ok(match name {
        "ed25519" => Keypair::generate_ed25519(),
        "secp256k1" => Keypair::generate_secp256k1(),
        "ecdsa" => Keypair::generate_ecdsa(),
        "rsa" => {
            let made = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
            let der: Pkcs8V1Der = made.as_der()?;
            Keypair::rsa_from_pkcs8(&mut der.as_ref().to_vec())?
        }
        _ => return Err(format!("unknown key type {name:?}").into()),
    })
}

fn make_transport(
    options: &Options,
    keys: &Keypair,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, AnyError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    match options.transport.as_str() {
        "tcp" => make_stack(options, keys, tcp),
        "ws" => make_stack(options, keys, websocket::Config::new(tcp)),
        "wss" => {
            let mut transport = websocket::Config::new(tcp);
            transport.set_tls_config(make_tls(options)?);
            make_stack(options, keys, transport)
        }
        "quic" => {
            let quic = quic::tokio::Transport::new(quic::Config::new(keys));
            Ok(quic
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
                .boxed())
        }
        other => Err(format!("unknown transport {other:?}").into()),
    }
}

/// Make the TLS below a WebSocket, of the files that the command line names.
fn make_tls(options: &Options) -> Result<wss::Config, AnyError> {
    let mut builder = wss::Config::builder();
    if let Some(file) = &options.certificate {
        let chain = read_certificates(file)?;
        let key = PrivateKeyDer::from_pem_file(file)?;
        builder.server(wss::PrivateKey::new(key.secret_der().to_vec()), chain)?;
    }
    if let Some(file) = &options.roots {
        for root in read_certificates(file)? {
            builder.add_trust(&root)?;
        }
    }
    Ok(builder.finish())
}

fn read_certificates(file: &str) -> Result<Vec<wss::Certificate>, AnyError> {
    CertificateDer::pem_file_iter(file)?
        .map(|each| Ok(wss::Certificate::new(each?.to_vec())))
        .collect()
}

fn make_stack<T>(
    options: &Options,
    keys: &Keypair,
    transport: T,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, AnyError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let network = match &options.psk {
        Some(file) => Some(read_key(file).map_err(|error| format!("{file}: {error}"))?),
        None => None,
    };
    let raw = transport.and_then(move |stream, _| async move {
        match network {
            Some(key) => PnetConfig::new(key)
                .handshake(stream)
                .await
                .map(Either::Right)
                .map_err(std::io::Error::other),
            None => Ok(Either::Left(stream)),
        }
    });
    // Each combination is a type of its own.
    macro_rules! stack {
        ($security:expr, $muxer:expr) => {
            raw.upgrade(Version::V1Lazy)
                .authenticate($security)
                .multiplex($muxer)
                .timeout(CONNECT_LIMIT)
                .boxed()
        };
    }
    macro_rules! secure {
        ($security:expr) => {
            match options.muxer.as_str() {
                "yamux" => stack!($security, make_yamux()),
                "mplex" => stack!($security, make_mplex()),
                other => return Err(format!("unknown muxer {other:?}").into()),
            }
        };
    }
    Ok(match options.security.as_str() {
        "noise" => secure!(noise::Config::new(keys)?),
        "tls" => secure!(tls::Config::new(keys)?),
        "plaintext" => secure!(plaintext::Config::new(keys)),
        other => return Err(format!("unknown security {other:?}").into()),
    })
}

fn make_yamux() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS);
    config
}

fn make_mplex() -> libp2p_mplex::Config {
    let mut config = libp2p_mplex::Config::new();
    config.set_max_num_streams(NO_LIMIT);
    config
}

fn read_key(file: &str) -> Result<PreSharedKey, AnyError> {
    Ok(std::fs::read_to_string(file)?.parse()?)
}

/// What was negotiated on a connection, which can be nothing but what was
/// chosen. The package never takes a muxer out of a handshake.
pub fn describe(options: &Options) -> Value {
    if options.transport == "quic" {
        return json!({"security": null, "muxer": null, "early": false});
    }
    let security = match options.security.as_str() {
        "noise" => "/noise",
        "tls" => "/tls/1.0.0",
        _ => "/plaintext/2.0.0",
    };
    let muxer = match options.muxer.as_str() {
        "yamux" => "/yamux/1.0.0",
        _ => "/mplex/6.7.0",
    };
    json!({"security": security, "muxer": muxer, "early": false})
}
