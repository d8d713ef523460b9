//! Browsers on the port of peers: they get another certificate, and send none themselves.
//!
//! rustls asks every client of one configuration for a certificate, or none.  So there are
//! two, and the protocols of the first handshake message choose between them.

use std::any::Any;
use std::sync::Arc;

use quic::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quic::transport_parameters::TransportParameters;
use quic::{ConnectionId, Side, TransportError, TransportErrorCode};
use quinn_proto as quic;

use crate::announced::Server;

/// The application protocol of browsers.
pub const HTTP: &[u8] = b"h3";
/// The bytes of the longest first message; those of browsers have up to 2 KiB.
const LONGEST_HELLO: usize = 16 * 1024;
/// The alert for a message that cannot be read.
const DECODE_ERROR: u8 = 50;
const CLIENT_HELLO: u8 = 1;
/// The extension with the application protocols.
const ALPN: [u8; 2] = [0, 16];

/// Two TLS servers on one port.
pub struct Split {
    /// For peers of libp2p.
    pub peers: Server,
    /// For browsers.
    pub browsers: Server,
    /// The application protocols of peers.
    pub alpn: Vec<Vec<u8>>,
}

impl ServerConfig for Split {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.peers.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.peers.retry_tag(version, id, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn Session> {
        let undecided = Undecided { config: self, version, parameters: *parameters };
        Box::new(SplitSession { undecided, hello: Vec::new(), chosen: None })
    }
}

/// What a session is made of, once the first message has come.
struct Undecided {
    config: Arc<Split>,
    version: u32,
    parameters: TransportParameters,
}

impl Undecided {
    fn session(&self, browser: bool) -> Box<dyn Session> {
        let config = if browser { &self.config.browsers } else { &self.config.peers };
        config.clone().start_session(self.version, &self.parameters)
    }
}

struct SplitSession {
    undecided: Undecided,
    /// The first message, as far as it has come.
    hello: Vec<u8>,
    chosen: Option<Box<dyn Session>>,
}

impl Session for SplitSession {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        match &self.chosen {
            Some(session) => session.initial_keys(id, side),
            None => self.undecided.session(false).initial_keys(id, side),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.chosen.as_ref()?.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.chosen.as_ref()?.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.chosen.as_ref()?.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.chosen.as_ref()?.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.chosen.as_ref().is_none_or(|session| session.is_handshaking())
    }

    fn read_handshake(&mut self, data: &[u8]) -> Result<bool, TransportError> {
        if let Some(session) = &mut self.chosen {
            return session.read_handshake(data);
        }
        self.hello.extend_from_slice(data);
        if self.hello.len() > LONGEST_HELLO {
            return Err(TransportErrorCode::crypto(DECODE_ERROR).into());
        }
        let Some(protocols) = protocols(&self.hello)? else { return Ok(false) };
        let browser = !protocols.iter().any(|each| self.undecided.config.alpn.contains(each));
        let mut session = self.undecided.session(browser);
        let ready = session.read_handshake(&std::mem::take(&mut self.hello));
        self.chosen = Some(session);
        ready
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.chosen.as_ref().map_or(Ok(None), |session| session.transport_parameters())
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        self.chosen.as_mut()?.write_handshake(out)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.chosen.as_mut()?.next_1rtt_keys()
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        // Only dialers get these.
        false
    }

    fn export_keying_material(
        &self,
        out: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        match &self.chosen {
            Some(session) => session.export_keying_material(out, label, context),
            None => Err(ExportKeyingMaterialError),
        }
    }
}

/// The application protocols that a first message offers; None while it is not complete.
fn protocols(hello: &[u8]) -> Result<Option<Vec<Vec<u8>>>, TransportError> {
    let Some((head, rest)) = hello.split_first_chunk::<4>() else { return Ok(None) };
    let [kind, size @ ..] = *head;
    if kind != CLIENT_HELLO {
        return Err(TransportErrorCode::crypto(DECODE_ERROR).into());
    }
    let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    let Some(body) = rest.get(..size) else { return Ok(None) };
    match offered(body) {
        Some(names) => Ok(Some(names)),
        None => Err(TransportErrorCode::crypto(DECODE_ERROR).into()),
    }
}

/// The application protocols in the body of a first message; None if it cannot be read.
fn offered(mut body: &[u8]) -> Option<Vec<Vec<u8>>> {
    // The version and the random bytes.
    body = body.get(34..)?;
    for width in [1, 2, 1] {
        // The session id, the cipher suites, the compression methods.
        vector(&mut body, width)?;
    }
    let mut extensions = vector(&mut body, 2)?;
    let mut found = Vec::new();
    while !extensions.is_empty() {
        let (kind, rest) = extensions.split_at_checked(2)?;
        extensions = rest;
        let mut content = vector(&mut extensions, 2)?;
        if kind == ALPN {
            let mut names = vector(&mut content, 2)?;
            while !names.is_empty() {
                found.push(vector(&mut names, 1)?.to_vec());
            }
        }
    }
    Some(found)
}

/// Take a vector, which is preceded by its size in so many bytes.
fn vector<'a>(data: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (size, rest) = data.split_at_checked(width)?;
    let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    let (body, rest) = rest.split_at_checked(size)?;
    *data = rest;
    Some(body)
}
