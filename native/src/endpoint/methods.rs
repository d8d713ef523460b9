//! The methods for Python: `IQuicEndpoint` of twisted_libp2p describes them.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};
use quic::{Dir, VarInt};
use quinn_proto as quic;
use rustc_hash::FxHashMap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;

use super::Endpoint;
use crate::address::Zones;
use crate::clock::Clock;
use crate::config::{build, invalid};
use crate::connection::protocol;
use crate::judge::Judge;
use crate::panics::guard;
use crate::results::Results;
use crate::settings::{SMALLEST_DATAGRAM, Settings};
use crate::streams;
use crate::tokens::DialTokens;

/// Handles, knocks, and datagrams to send.
type Received<'py> = (Bound<'py, PyList>, Bound<'py, PyList>, Bound<'py, PyList>);
/// Datagrams to send, events, the time of the next poll, and whether it is over.
type Polled<'py> = (Bound<'py, PyList>, Bound<'py, PyList>, Option<f64>, bool);

#[pymethods]
impl Endpoint {
    #[new]
    fn new(
        settings: &Bound<'_, PyAny>,
        sent: Bound<'_, PyType>,
        knock: Bound<'_, PyType>,
        stats: Bound<'_, PyType>,
        cause: Bound<'_, PyType>,
    ) -> PyResult<Self> {
        let settings: Settings = settings.extract()?;
        settings.check()?;
        let algorithms = default_provider().signature_verification_algorithms;
        let ask = settings.judge.clone_ref(sent.py());
        let judge = Arc::new(Judge::new(ask, algorithms));
        let (machine, dialing, serving) = build(&settings, &judge)?;
        Ok(Self {
            machine,
            dialing,
            serving,
            judge,
            results: Results::new(sent, knock, stats, cause)?,
            clock: Clock::new(),
            zones: Zones::default(),
            keep: settings
                .keep()
                .map(|keep| settings.idle().map_or(keep, |idle| keep.min(idle / 3))),
            segments: settings.max_segments,
            max_streams: settings.max_streams,
            send_window: settings.send_window,
            window: settings.connection_window.into(),
            connections: FxHashMap::default(),
            next_handle: 0,
            handles: Vec::new(),
            knocks: FxHashMap::default(),
            next_knock: 0,
            out: Vec::new(),
        })
    }

    /// Take received datagrams.
    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        datagrams: &Bound<'py, PyAny>,
    ) -> PyResult<Received<'py>> {
        let now = self.clock.at(now)?;
        let mut lists = (Vec::new(), PyList::empty(py), PyList::empty(py));
        for datagram in datagrams.try_iter()? {
            let datagram = datagram?.cast_into::<PyTuple>()?;
            let (data, host, port, segment, ecn): (
                Bound<'py, PyBytes>,
                Bound<'py, PyString>,
                i64,
                usize,
                u8,
            ) = datagram.extract()?;
            let remote = self.zones.parse(host.to_str()?, port)?;
            let data = data.as_bytes();
            let size = if segment == 0 { data.len().max(1) } else { segment };
            for part in data.chunks(size) {
                self.receive_one(py, now, (part, remote, ecn), &mut lists)?;
            }
        }
        let (mut touched, knocks, answers) = lists;
        if touched.len() > 1 {
            touched.sort_unstable();
            touched.dedup();
        }
        Ok((PyList::new(py, touched)?, knocks, answers))
    }

    /// Let a peer connect.
    fn accept<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        knock: u64,
    ) -> PyResult<(Option<u64>, Bound<'py, PyList>)> {
        let now = self.clock.at(now)?;
        let Some(incoming) = self.knocks.remove(&knock) else {
            return Ok((None, PyList::empty(py)));
        };
        self.out.clear();
        let accepted = guard(|| {
            let accepted = self.machine.accept(incoming, now, &mut self.out, None);
            accepted.map_err(|error| error.response)
        });
        match accepted {
            Ok(Ok((slot, machine))) => {
                Ok((Some(self.insert(slot, machine, None, now)), PyList::empty(py)))
            }
            Ok(Err(answer)) => Ok((None, self.answers(py, answer)?)),
            Err(_) => Ok((None, PyList::empty(py))),
        }
    }

    /// Have a peer prove its address.
    fn retry<'py>(&mut self, py: Python<'py>, knock: u64) -> PyResult<Bound<'py, PyList>> {
        let Some(incoming) = self.knocks.remove(&knock) else {
            return Ok(PyList::empty(py));
        };
        self.out.clear();
        let retried = guard(|| {
            let retried = self.machine.retry(incoming, &mut self.out);
            retried.map_err(|error| self.machine.ignore(error.into_incoming()))
        });
        self.answers(py, retried.ok().and_then(Result::ok))
    }

    /// Refuse a peer.
    fn refuse<'py>(&mut self, py: Python<'py>, knock: u64) -> PyResult<Bound<'py, PyList>> {
        let Some(incoming) = self.knocks.remove(&knock) else {
            return Ok(PyList::empty(py));
        };
        self.out.clear();
        let refused = guard(|| self.machine.refuse(incoming, &mut self.out));
        self.answers(py, refused.ok())
    }

    /// Drop a knock without an answer.
    fn ignore(&mut self, knock: u64) {
        if let Some(incoming) = self.knocks.remove(&knock) {
            let _ = guard(|| self.machine.ignore(incoming));
        }
    }

    /// Begin to connect.
    #[pyo3(signature = (now, host, port, expected, name, token = None, round_trip = None))]
    #[allow(clippy::too_many_arguments)]
    fn connect(
        &mut self,
        now: f64,
        host: &str,
        port: i64,
        expected: Option<Vec<u8>>,
        name: &str,
        token: Option<&[u8]>,
        round_trip: Option<f64>,
    ) -> PyResult<u64> {
        let now = self.clock.at(now)?;
        let remote = self.zones.parse(host, port)?;
        let tokens = Arc::new(DialTokens::new(token.unwrap_or_default()));
        let config = self.dialing.config(expected, tokens.clone(), round_trip)?;
        let connected = guard(|| self.machine.connect(now, config, remote, name));
        let (slot, machine) = connected.map_err(invalid)?.map_err(invalid)?;
        Ok(self.insert(slot, machine, Some(tokens), now))
    }

    /// Advance a connection.  If there are events, datagrams wait for the next poll: what the
    /// caller writes meanwhile leaves with them.
    fn poll<'py>(&mut self, py: Python<'py>, handle: u64, now: f64) -> PyResult<Polled<'py>> {
        let moment = self.clock.at(now)?;
        let keep = self.keep;
        let sent = PyList::empty(py);
        if self.connection(handle)?.closed() {
            // Its time may be over: a slow judge takes longer than that.  But the peer has to
            // be told.
            match guard(|| self.transmit(py, handle, moment, &sent)) {
                Ok(transmitted) => drop(transmitted?),
                Err(text) => self.broken(handle, text),
            }
        }
        let connection = self.connection(handle)?;
        if let Err(text) = guard(|| connection.pass(moment, keep)) {
            self.broken(handle, text);
        }
        let mut found = self.events(handle);
        let mut more = false;
        if found.is_empty() {
            match guard(|| self.transmit(py, handle, moment, &sent)) {
                Ok(transmitted) => more = transmitted?,
                Err(text) => self.broken(handle, text),
            }
            found = self.events(handle);
        } else {
            more = true;
        }
        let events = PyList::empty(py);
        for event in found {
            events.append(event.tuple(py, &self.zones, &self.results)?)?;
        }
        let connection = self.connection(handle)?;
        let over = connection.over;
        let due = if more { None } else { connection.due(keep) };
        let due = if more { Some(now) } else { due.map(|due| self.clock.seconds(due)) };
        Ok((sent, events, due.filter(|_| !over), over))
    }

    /// Forget a connection with its streams.
    fn forget(&mut self, handle: u64) -> PyResult<()> {
        let (slot, over) = self.connection(handle).map(|one| (one.slot, one.over))?;
        if !over {
            let _ = guard(|| self.machine.handle_event(slot, quic::EndpointEvent::drained()));
        }
        self.connections.remove(&handle);
        Ok(())
    }

    /// Accept browsers, with this certificate from now on.
    #[pyo3(name = "serveWeb")]
    fn serve_web(&mut self, certificate: Vec<u8>, private_key: Vec<u8>) -> PyResult<()> {
        let server = self.serving.web(certificate, private_key)?;
        self.machine.set_server_config(Some(server));
        Ok(())
    }

    /// Open a stream.
    #[pyo3(signature = (handle, unidirectional = false))]
    fn open(&mut self, handle: u64, unidirectional: bool) -> PyResult<Option<u64>> {
        let connection = self.connection(handle)?;
        let direction = if unidirectional { Dir::Uni } else { Dir::Bi };
        match guard(|| connection.open(direction)) {
            Ok(opened) => Ok(opened.map(u64::from)),
            Err(text) => {
                self.broken(handle, text);
                Ok(None)
            }
        }
    }

    /// Send bytes, and return how many were taken.
    fn write(
        &mut self,
        py: Python<'_>,
        handle: u64,
        stream: u64,
        pieces: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let written = self.with_stream(handle, stream, |_, machine, id| {
            Some(streams::write(py, machine, id, pieces))
        });
        written?.unwrap_or(Ok(0))
    }

    /// End our half of a stream.
    fn finish(&mut self, handle: u64, stream: u64) -> PyResult<()> {
        self.with_stream(handle, stream, |_, machine, id| {
            let _ = machine.send_stream(id).finish();
        })
    }

    /// Reset our half of a stream.
    fn reset(&mut self, handle: u64, stream: u64, code: u64) -> PyResult<()> {
        let code = VarInt::from_u64(code).map_err(invalid)?;
        self.with_stream(handle, stream, |_, machine, id| {
            let _ = machine.send_stream(id).reset(code);
        })
    }

    /// Ask the peer to send no longer.
    fn stop(&mut self, handle: u64, stream: u64, code: u64) -> PyResult<()> {
        let code = VarInt::from_u64(code).map_err(invalid)?;
        self.with_stream(handle, stream, |connection, machine, id| {
            connection.readable.remove(&id);
            connection.resets.remove(&id);
            let _ = machine.recv_stream(id).stop(code);
        })
    }

    /// Read bytes, and give the peer as much credit.
    fn read<'py>(
        &mut self,
        py: Python<'py>,
        handle: u64,
        stream: u64,
        maximum: usize,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Option<i64>)>> {
        let result = self.with_stream(handle, stream, |connection, machine, id| {
            if let Some(code) = connection.resets.remove(&id) {
                let code = i64::try_from(code).ok();
                return Some(Ok(Some((PyBytes::new(py, b""), code))));
            }
            let maximum = maximum.max(1);
            let result = streams::read(py, machine, id, maximum);
            let more = match &result {
                Ok(Some((data, end))) => {
                    let size = data.as_bytes().len();
                    connection.was_read(machine, size as u64);
                    end.is_none() && size >= maximum
                }
                Ok(None) => false,
                Err(_) => true,
            };
            if !more {
                connection.readable.remove(&id);
            }
            Some(result)
        });
        result?.unwrap_or(Ok(None))
    }

    /// Close a connection.
    fn close(&mut self, handle: u64, now: f64, code: u64, reason: Vec<u8>) -> PyResult<()> {
        let now = self.clock.at(now)?;
        let code = VarInt::from_u64(code).map_err(invalid)?;
        let connection = self.connection(handle)?;
        if let Err(text) = guard(|| connection.close(now, code, reason)) {
            self.broken(handle, text);
        }
        Ok(())
    }

    /// Send a PING.
    fn ping(&mut self, handle: u64) -> PyResult<()> {
        self.with(handle, |_, machine| machine.ping())
    }

    /// Note that our own address has changed.
    fn moved(&mut self, handle: u64, now: f64) -> PyResult<()> {
        let now = self.clock.at(now)?;
        self.with(handle, |_, machine| {
            machine.path_changed(now);
            machine.local_address_changed();
        })
    }

    /// Change the window of a connection.
    #[pyo3(name = "setWindow")]
    fn set_window(&mut self, handle: u64, size: u64) -> PyResult<()> {
        let size = VarInt::from_u64(size).map_err(invalid)?;
        self.with(handle, |connection, machine| connection.set_window(machine, size))
    }

    /// Return the certificate of the peer.
    fn certificate<'py>(
        &mut self,
        py: Python<'py>,
        handle: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let identity = self.with(handle, |_, machine| machine.crypto_session().peer_identity())?;
        let chain =
            identity.and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        Ok(chain.and_then(|chain| chain.first().map(|leaf| PyBytes::new(py, leaf))))
    }

    /// Return the agreed application protocol.
    fn alpn<'py>(&mut self, py: Python<'py>, handle: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let name = self.with(handle, |_, machine| protocol(machine))?;
        Ok(name.map(|name| PyBytes::new(py, &name)))
    }

    /// Return the address of the peer.
    fn address(&mut self, handle: u64) -> PyResult<(String, u16)> {
        let remote = self.with(handle, |_, machine| Some(machine.remote_address()))?;
        Ok(remote.map_or((String::new(), 0), |remote| (self.zones.host(&remote), remote.port())))
    }

    /// Return facts of a connection.
    fn stats<'py>(&mut self, py: Python<'py>, handle: u64) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.with(handle, |_, machine| machine.stats())?;
        let path = stats.path;
        let mtu = path.current_mtu.max(SMALLEST_DATAGRAM);
        let (sent, received) = (stats.udp_tx.datagrams, stats.udp_rx.datagrams);
        let fields = (path.rtt.as_secs_f64(), mtu, path.cwnd, path.lost_packets, sent, received);
        self.results.make(py, &self.results.stats, fields)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.judge.traverse(&visit)
    }

    fn __clear__(&mut self) {
        self.judge.clear();
    }
}
