//! WebRTC's data channels, as WebRTC-direct uses them: DTLS by `dimpl` and SCTP by
//! `sctp-proto`, for one peer each.  ICE is the caller's.

mod channels;
mod connection;
mod credit;
mod methods;
mod pieces;
mod proof;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sctp_proto as sctp;

use crate::panics::guard;
use connection::Connection;

/// The bytes of the user's data in a chunk of SCTP: packets pass everywhere with the headers of
/// DTLS, UDP, and IPv6.
const PAYLOAD: u32 = 1150;

/// The most bytes of a message that a peer may send.
const LARGEST_MESSAGE: u32 = 65536;

/// The longest time after which SCTP sends again, in times of the shortest.  A peer that reads
/// again after a pause waits as long.
const MOST_RESENDS: u64 = 5;

/// The least receive window: a largest message has to fit.
const SMALLEST_WINDOW: u32 = 2 * LARGEST_MESSAGE;

/// What all connections of a listener have in common.
#[pyclass(module = "twisted_libp2p_native", frozen)]
pub struct RtcConfig {
    dtls: Arc<Config>,
    prover: proof::Prover,
    certificate: DtlsCertificate,
    endpoint: Arc<sctp::EndpointConfig>,
    server: Arc<sctp::ServerConfig>,
    transport: Arc<sctp::TransportConfig>,
    window: u32,
    /// The most channels that the peer may have open.
    max_channels: usize,
    /// A channel is writable again when as few bytes of it wait.
    low: usize,
}

#[pymethods]
impl RtcConfig {
    #[new]
    #[pyo3(signature = (certificate, private_key, window, low, max_channels, timeout, resend))]
    fn new(
        certificate: Vec<u8>,
        private_key: Vec<u8>,
        window: u32,
        low: usize,
        max_channels: usize,
        timeout: f64,
        resend: f64,
    ) -> PyResult<Self> {
        let invalid = |text: String| PyValueError::new_err(text);
        for (name, value) in [("timeout", timeout), ("resend", resend)] {
            if !(0.001..=3600.0).contains(&value) {
                return Err(invalid(format!("{name} is {value}: it is 0.001 to 3600 s")));
            }
        }
        if window < SMALLEST_WINDOW {
            return Err(invalid(format!("window is {window}: it is {SMALLEST_WINDOW} or more")));
        }
        let dtls = Config::builder()
            .with_crypto_provider(proof::provider())
            .use_server_cookie(true)
            .require_client_certificate(true)
            .handshake_timeout(Duration::from_secs_f64(timeout))
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let prover = proof::Prover::new()
            .ok_or_else(|| PyOSError::new_err("the system has no random bytes"))?;
        let rto = (resend * 1000.0) as u64;
        let transport = Arc::new(
            sctp::TransportConfig::default()
                .with_max_receive_buffer_size(window)
                .with_max_receive_message_size(LARGEST_MESSAGE)
                .with_max_send_message_size(LARGEST_MESSAGE)
                .with_rto_initial_ms(rto)
                .with_rto_min_ms(rto)
                .with_rto_max_ms(MOST_RESENDS * rto),
        );
        let mut endpoint = sctp::EndpointConfig::default();
        endpoint.max_payload_size(PAYLOAD);
        let mut server = sctp::ServerConfig::default();
        server.transport = transport.clone();
        let made = Self {
            dtls: Arc::new(dtls),
            prover,
            certificate: DtlsCertificate { certificate, private_key },
            endpoint: Arc::new(endpoint),
            server: Arc::new(server),
            transport,
            window,
            max_channels,
            low,
        };
        // It panics at a key that it cannot read.
        guard(|| made.machine(Instant::now(), false)).map_err(invalid)?;
        Ok(made)
    }

    /// Judge the first datagram of a peer, for which there is no state.
    fn judge(&self, now: f64, source: &[u8], hello: &[u8]) -> PyResult<u8> {
        finite(now)?;
        let found = guard(|| self.prover.judge(now, source, hello));
        Ok(found.unwrap_or(proof::Kind::False) as u8)
    }

    /// Make the datagram that asks a peer to prove its address, and keep nothing; None if this
    /// peer cannot be asked.
    fn ask<'py>(
        &self,
        py: Python<'py>,
        now: f64,
        source: &[u8],
        hello: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        finite(now)?;
        let found = guard(|| self.prover.ask(self, now, source, hello));
        Ok(found.ok().flatten().map(|data| PyBytes::new(py, &data)))
    }

    /// Make the connection of a peer with a proof; None if it has none.
    fn resume(&self, now: f64, source: &[u8], hello: &[u8]) -> PyResult<Option<RtcConnection>> {
        let mut clock = crate::clock::Clock::new();
        let at = clock.at(now)?;
        let made = guard(|| self.prover.resume(self, now, at, source, hello));
        Ok(made.ok().flatten().map(|machine| RtcConnection {
            machine: Some(machine),
            clock,
            certificate: None,
            events: Vec::new(),
            out: Vec::new(),
        }))
    }
}

fn finite(now: f64) -> PyResult<()> {
    match now.is_finite() {
        true => Ok(()),
        false => Err(PyValueError::new_err(format!("{now} is not a time"))),
    }
}

impl RtcConfig {
    /// Make the machine of DTLS.
    fn machine(&self, now: Instant, dialed: bool) -> Dtls {
        let mut dtls = Dtls::new_auto(self.dtls.clone(), self.certificate.clone(), now);
        dtls.set_active(dialed);
        dtls
    }
}

/// One connection: `methods.rs` has its methods.
#[pyclass(module = "twisted_libp2p_native")]
pub struct RtcConnection {
    /// None after a panic.
    machine: Option<Connection>,
    clock: crate::clock::Clock,
    /// Outlives the machine.
    certificate: Option<Vec<u8>>,
    /// The last events.
    events: Vec<connection::Event>,
    /// The last datagrams.
    out: Vec<Vec<u8>>,
}
