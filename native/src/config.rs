//! Settings become the configurations of quinn-proto and rustls.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hkdf, hmac};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use quic::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto as quic;
use rustc_hash::FxHashMap;
use rustls::crypto::{CryptoProvider, aws_lc_rs::default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::announced::{Announcing, Server, grown};
use crate::connection::FIRST_STREAMS;
use crate::judge::{Judge, Verifier};
use crate::settings::{SMALLEST_DATAGRAM, Settings};
use crate::tokens::DialTokens;
use crate::web::{HTTP, Split};

/// QUIC version 1.
const VERSION: u32 = 1;
/// The datagrams of undecided connections: those of one, and of all.
const INCOMING_BUFFER: u64 = 16 * 1024;
const INCOMING_BUFFERS: u64 = 4 * 1024 * 1024;
/// Tokens for each client, and the memory for those that have been used.
const TOKENS_SENT: u32 = 1;
const TOKEN_LOG: usize = 1024 * 1024;
const TOKENS_EXPECTED: u64 = 100_000;
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The peers whose TLS tickets a dialer keeps, and the tickets of each.
const RESUMABLE_PEERS: usize = 256;
const TICKETS_KEPT: usize = 4;

/// The part of the congestion window that is kept after a loss, as in quic-go; RFC 9002 keeps
/// half.
const KEPT_AFTER_LOSS: f32 = 0.7;
/// The first congestion window in smallest datagrams, as in Chromium and quic-go.
const FIRST_WINDOW: u64 = 32;

/// The streams of one direction that a browser may have: HTTP/3 needs three, and clients
/// try others to see whether they are refused well.
const BROWSER_STREAMS: u32 = 16;

/// Turn any error of a configuration into a `ValueError`.
pub fn invalid<E: std::fmt::Display>(error: E) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Makes the configuration of each dial.
pub struct Dialing {
    provider: Arc<CryptoProvider>,
    identity: Arc<CertifiedKey>,
    judge: Arc<Judge>,
    alpn: Vec<Vec<u8>>,
    transport: Arc<quic::TransportConfig>,
    windows: Windows,
    /// By peer, if dials are resumed: rustls resumes only with the same configuration.
    resumable: Option<FxHashMap<Vec<u8>, Arc<QuicClientConfig>>>,
}

impl Dialing {
    pub fn config(
        &mut self,
        expected: Option<Vec<u8>>,
        tokens: Arc<DialTokens>,
        round_trip: Option<f64>,
    ) -> PyResult<quic::ClientConfig> {
        let transport = match round_trip {
            None => self.transport.clone(),
            Some(seconds) => {
                let known = Duration::try_from_secs_f64(seconds).map_err(invalid)?;
                let mut transport = self.windows.transport()?;
                transport.initial_rtt(known);
                Arc::new(transport)
            }
        };
        let known = match (&self.resumable, &expected) {
            (Some(resumable), Some(peer)) => resumable.get(peer).cloned(),
            _ => None,
        };
        let crypto = match known {
            Some(known) => known,
            None => self.crypto(expected)?,
        };
        let announcing = Announcing::new(crypto, self.windows.stream);
        let mut config = quic::ClientConfig::new(announcing);
        config.transport_config(transport).version(VERSION).token_store(tokens);
        Ok(config)
    }

    fn crypto(&mut self, expected: Option<Vec<u8>>) -> PyResult<Arc<QuicClientConfig>> {
        let verifier = Verifier::new(self.judge.clone(), expected.clone());
        let mut tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(invalid)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.identity.clone())));
        tls.alpn_protocols.clone_from(&self.alpn);
        // The name would not be encrypted.
        tls.enable_sni = false;
        let keeps = self.resumable.is_some() && expected.is_some();
        tls.resumption = if keeps {
            rustls::client::Resumption::in_memory_sessions(TICKETS_KEPT)
        } else {
            rustls::client::Resumption::disabled()
        };
        let crypto = Arc::new(QuicClientConfig::try_from(tls).map_err(invalid)?);
        if let (Some(resumable), Some(peer)) = (&mut self.resumable, expected) {
            if resumable.len() >= RESUMABLE_PEERS {
                resumable.clear();
            }
            resumable.insert(peer, crypto.clone());
        }
        Ok(crypto)
    }
}

/// Makes the configuration of accepted connections.
pub struct Serving {
    provider: Arc<CryptoProvider>,
    peers: Server,
    alpn: Vec<Vec<u8>>,
    windows: Windows,
    token_key: Vec<u8>,
    max_incoming: usize,
    used: Arc<quic::BloomTokenLog>,
}

impl Serving {
    /// The configuration for peers alone.
    fn peers(&self) -> PyResult<Arc<quic::ServerConfig>> {
        self.config(self.peers.clone(), self.windows.transport()?)
    }

    /// The configuration for peers and browsers.
    pub fn web(&self, certificate: Vec<u8>, key: Vec<u8>) -> PyResult<Arc<quic::ServerConfig>> {
        let key = PrivateKeyDer::try_from(key).map_err(invalid)?;
        let signer = self.provider.key_provider.load_private_key(key).map_err(invalid)?;
        let web = CertifiedKey::new(vec![CertificateDer::from(certificate)], signer);
        let mut tls = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(invalid)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(web)));
        tls.alpn_protocols = vec![HTTP.to_vec()];
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        let split = Split {
            peers: self.peers.clone(),
            browsers: Announcing::new(
                Arc::new(QuicServerConfig::try_from(tls).map_err(invalid)?),
                self.windows.stream,
            ),
            alpn: self.alpn.clone(),
        };
        let mut transport = self.windows.transport()?;
        // Browsers want to hear of datagrams; nobody reads those that come.
        transport
            .datagram_receive_buffer_size(Some(SMALLEST_DATAGRAM.into()))
            .max_concurrent_uni_streams(BROWSER_STREAMS.into());
        self.config(Arc::new(split), transport)
    }

    fn config(
        &self,
        crypto: Arc<dyn quic::crypto::ServerConfig>,
        transport: quic::TransportConfig,
    ) -> PyResult<Arc<quic::ServerConfig>> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"libp2p quic tokens");
        let mut server = quic::ServerConfig::new(crypto, Arc::new(salt.extract(&self.token_key)));
        let mut tokens = quic::ValidationTokenConfig::default();
        tokens.sent(TOKENS_SENT).lifetime(TOKEN_LIFETIME).log(self.used.clone());
        server
            .transport_config(Arc::new(transport))
            .max_incoming(self.max_incoming)
            .incoming_buffer_size(INCOMING_BUFFER)
            .incoming_buffer_size_total(INCOMING_BUFFERS)
            .validation_token_config(tokens);
        Ok(Arc::new(server))
    }
}

/// Make the endpoint of quinn-proto, and the configurations of both directions.
pub fn build(
    settings: &Settings,
    judge: &Arc<Judge>,
) -> PyResult<(quic::Endpoint, Dialing, Serving)> {
    let provider = Arc::new(default_provider());
    let key = PrivateKeyDer::try_from(settings.private_key.clone()).map_err(invalid)?;
    let signer = provider.key_provider.load_private_key(key).map_err(invalid)?;
    let chain = vec![CertificateDer::from(settings.certificate.clone())];
    let identity = Arc::new(CertifiedKey::new(chain, signer));
    let windows = Windows::new(settings);
    let dialing = Dialing {
        provider: provider.clone(),
        identity: identity.clone(),
        judge: judge.clone(),
        alpn: settings.alpn.clone(),
        transport: Arc::new(windows.transport()?),
        windows: windows.clone(),
        resumable: (settings.tickets > 0).then(FxHashMap::default),
    };
    let used = quic::BloomTokenLog::new_expected_items(TOKEN_LOG, TOKENS_EXPECTED);
    let serving = Serving {
        provider: provider.clone(),
        peers: Announcing::new(
            server_crypto(settings, provider, identity, judge)?,
            settings.stream_window,
        ),
        alpn: settings.alpn.clone(),
        windows,
        token_key: settings.token_key.clone(),
        max_incoming: settings.max_incoming,
        used: Arc::new(used),
    };
    let server = serving.peers()?;
    let discovers = settings.max_datagram > SMALLEST_DATAGRAM;
    let endpoint = quic::Endpoint::new(identifiers(settings), Some(server), discovers, None);
    Ok((endpoint, dialing, serving))
}

/// Connection ids that an endpoint with the same secret knows after a restart: it can then
/// tell peers of lost connections by a stateless reset.
fn identifiers(settings: &Settings) -> Arc<quic::EndpointConfig> {
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &settings.reset_key);
    let derived = hmac::sign(&reset_key, b"libp2p quic connection ids");
    let mut first = [0; 8];
    first.copy_from_slice(&derived.as_ref()[..8]);
    let seed = u64::from_le_bytes(first);
    let mut config = quic::EndpointConfig::new(Arc::new(reset_key));
    config
        .supported_versions(vec![VERSION])
        .cid_generator(move || Box::new(quic::HashedConnectionIdGenerator::from_key(seed)));
    Arc::new(config)
}

/// The settings of the transport; quinn-proto has no copies of its own configuration.
#[derive(Clone)]
struct Windows {
    idle: Option<Duration>,
    max_datagram: u16,
    max_streams: u32,
    stream: u32,
    connection: u32,
    send: u64,
    crypto: usize,
}

impl Windows {
    fn new(settings: &Settings) -> Self {
        Self {
            idle: settings.idle(),
            max_datagram: settings.max_datagram,
            max_streams: settings.max_streams,
            stream: settings.stream_window,
            connection: settings.connection_window,
            send: settings.send_window,
            crypto: settings.crypto_buffer,
        }
    }

    fn transport(&self) -> PyResult<quic::TransportConfig> {
        let idle = self.idle.map(TryInto::try_into).transpose().map_err(invalid)?;
        let discovery = (self.max_datagram > SMALLEST_DATAGRAM).then(|| {
            let mut discovery = quic::MtuDiscoveryConfig::default();
            // With this step the first probe has the largest size, which most paths carry: a
            // connection needs one probe, and not one for each half of the interval.
            let step = (self.max_datagram - SMALLEST_DATAGRAM) / 2 + 1;
            discovery.upper_bound(self.max_datagram).minimum_change(step);
            discovery
        });
        let mut congestion = quic::congestion::NewRenoConfig::default();
        congestion
            .loss_reduction_factor(KEPT_AFTER_LOSS)
            .initial_window(FIRST_WINDOW * u64::from(SMALLEST_DATAGRAM));
        let mut transport = quic::TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(self.max_streams.min(FIRST_STREAMS).into())
            .max_concurrent_uni_streams(0u32.into())
            .max_idle_timeout(idle)
            .stream_receive_window(grown(self.stream))
            .receive_window(self.connection.into())
            .send_window(self.send)
            .crypto_buffer_size(self.crypto)
            .datagram_receive_buffer_size(None)
            .allow_spin(false)
            .congestion_controller_factory(Arc::new(congestion))
            .mtu_discovery_config(discovery);
        Ok(transport)
    }
}

fn server_crypto(
    settings: &Settings,
    provider: Arc<CryptoProvider>,
    identity: Arc<CertifiedKey>,
    judge: &Arc<Judge>,
) -> PyResult<Arc<QuicServerConfig>> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(invalid)?
        .with_client_cert_verifier(Arc::new(Verifier::new(judge.clone(), None)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    tls.alpn_protocols.clone_from(&settings.alpn);
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.send_tls13_tickets = settings.tickets;
    if settings.tickets > 0 {
        tls.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(invalid)?;
    }
    Ok(Arc::new(QuicServerConfig::try_from(tls).map_err(invalid)?))
}
