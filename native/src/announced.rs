//! Stream windows that begin small and grow: quinn-proto knows one size for a connection.

use std::sync::Arc;

use quic::coding::Codec;
use quic::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quic::crypto::{ClientConfig, Keys, ServerConfig, Session, UnsupportedVersion};
use quic::transport_parameters::TransportParameters;
use quic::{ConnectError, ConnectionId, Side, VarInt};
use quinn_proto as quic;

/// The window of a stream that is read, in announced windows.  The state machine gives credit
/// when an eighth of a window has been read: with more than eight, it would never give any.
const GROWTH: u64 = 8;

/// The transport parameters of the windows of streams.
const STREAM_WINDOWS: [u64; 3] = [0x05, 0x06, 0x07];

/// The window of the state machine, for an announced one.
pub fn grown(announced: u32) -> VarInt {
    VarInt::from_u64(u64::from(announced) * GROWTH).unwrap_or(VarInt::MAX)
}

/// A configuration of TLS which announces smaller windows of streams than the state machine
/// keeps: it gives the larger ones to streams that are read, and to no others.
pub struct Announcing<C> {
    tls: Arc<C>,
    window: VarInt,
}

/// The TLS of accepted connections.
pub type Server = Arc<Announcing<QuicServerConfig>>;

impl<C> Announcing<C> {
    pub fn new(tls: Arc<C>, window: u32) -> Arc<Self> {
        Arc::new(Self { tls, window: window.into() })
    }

    /// Replace the windows of streams.  The fields are private, but not their encoded form.
    fn parameters(&self, side: Side, given: &TransportParameters) -> TransportParameters {
        let mut encoded = Vec::new();
        given.write(&mut encoded);
        let mut replaced = Vec::with_capacity(encoded.len());
        let mut rest = &encoded[..];
        while let Some((id, value)) = next(&mut rest) {
            id.encode(&mut replaced);
            if STREAM_WINDOWS.contains(&id.into_inner()) {
                let mut window = Vec::new();
                self.window.encode(&mut window);
                put(&window, &mut replaced);
            } else {
                put(value, &mut replaced);
            }
        }
        TransportParameters::read(side, &mut &replaced[..]).unwrap_or(*given)
    }
}

/// Append a value with its length.
fn put(value: &[u8], buffer: &mut Vec<u8>) {
    VarInt::try_from(value.len()).unwrap_or(VarInt::MAX).encode(buffer);
    buffer.extend_from_slice(value);
}

/// Take the next of encoded transport parameters.
pub fn next<'a>(rest: &mut &'a [u8]) -> Option<(VarInt, &'a [u8])> {
    let id = VarInt::decode(rest).ok()?;
    let size = usize::try_from(VarInt::decode(rest).ok()?.into_inner()).ok()?;
    let (value, after) = rest.split_at_checked(size)?;
    *rest = after;
    Some((id, value))
}

impl ClientConfig for Announcing<QuicClientConfig> {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        name: &str,
        given: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let parameters = self.parameters(Side::Server, given);
        self.tls.clone().start_session(version, name, &parameters)
    }
}

impl ServerConfig for Announcing<QuicServerConfig> {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.tls.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.tls.retry_tag(version, id, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        given: &TransportParameters,
    ) -> Box<dyn Session> {
        let parameters = self.parameters(Side::Client, given);
        self.tls.clone().start_session(version, &parameters)
    }
}
