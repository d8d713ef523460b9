//! The class `Endpoint`: connections by handle, and the way of datagrams.

mod methods;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use quic::{DatagramEvent, EcnCodepoint, StreamId, VarInt};
use quinn_proto as quic;
use rustc_hash::FxHashMap;

use crate::address::Zones;
use crate::clock::Clock;
use crate::config::{Dialing, Serving};
use crate::connection::{Connection, Event};
use crate::judge::Judge;
use crate::panics::guard;
use crate::results::Results;
use crate::tokens::DialTokens;

/// The most sent datagrams of one poll; each may have many segments.
const MAX_SENT: usize = 16;

/// The connections of one UDP socket: `IQuicEndpoint` of twisted_libp2p.
#[pyclass(module = "twisted_libp2p_native")]
pub struct Endpoint {
    machine: quic::Endpoint,
    dialing: Dialing,
    serving: Serving,
    judge: Arc<Judge>,
    results: Results,
    clock: Clock,
    zones: Zones,
    keep: Option<Duration>,
    segments: usize,
    max_streams: u32,
    send_window: u64,
    window: u64,
    /// By handle.  Handles are never used again, other than the slots of the machine.
    connections: FxHashMap<u64, Connection>,
    next_handle: u64,
    /// The handle in each slot of the machine.
    handles: Vec<u64>,
    knocks: FxHashMap<u64, quic::Incoming>,
    next_knock: u64,
    /// The datagrams that the machine writes.
    out: Vec<u8>,
}

impl Endpoint {
    fn connection(&mut self, handle: u64) -> PyResult<&mut Connection> {
        self.connections.get_mut(&handle).ok_or_else(|| PyKeyError::new_err(handle))
    }

    /// Do something with the state machine of a connection.  Without one, after a panic,
    /// the result is the default value.
    fn with<T: Default>(
        &mut self,
        handle: u64,
        work: impl FnOnce(&mut Connection, &mut quic::Connection) -> T,
    ) -> PyResult<T> {
        let connection = self.connection(handle)?;
        let Some(mut machine) = connection.machine.take() else {
            return Ok(T::default());
        };
        let done = guard(|| work(connection, &mut machine));
        connection.machine = Some(machine);
        Ok(done.unwrap_or_else(|text| {
            self.broken(handle, text);
            T::default()
        }))
    }

    /// Do something with a stream that exists.
    fn with_stream<T: Default>(
        &mut self,
        handle: u64,
        stream: u64,
        work: impl FnOnce(&mut Connection, &mut quic::Connection, StreamId) -> T,
    ) -> PyResult<T> {
        let Ok(id) = VarInt::from_u64(stream).map(StreamId::from) else {
            return self.connection(handle).map(|_| T::default());
        };
        self.with(handle, |connection, machine| {
            if connection.knows(machine, id) { work(connection, machine, id) } else { T::default() }
        })
    }

    /// Collect the events of a connection.
    fn events(&mut self, handle: u64) -> Vec<Event> {
        let Some(connection) = self.connections.get_mut(&handle) else { return Vec::new() };
        guard(|| connection.events()).unwrap_or_else(|text| {
            self.broken(handle, text);
            self.connections.get_mut(&handle).map(Connection::events).unwrap_or_default()
        })
    }

    /// End a connection whose state machine has panicked.
    fn broken(&mut self, handle: u64, text: String) {
        if let Some(connection) = self.connections.get_mut(&handle) {
            let (slot, over) = (connection.slot, connection.over);
            connection.broken(text);
            if !over {
                let _ = guard(|| self.machine.handle_event(slot, quic::EndpointEvent::drained()));
            }
        }
    }

    fn insert(
        &mut self,
        slot: quic::ConnectionHandle,
        machine: quic::Connection,
        tokens: Option<Arc<DialTokens>>,
        now: Instant,
    ) -> u64 {
        let handle = self.next_handle;
        self.next_handle += 1;
        if self.handles.len() <= slot.0 {
            self.handles.resize(slot.0 + 1, u64::MAX);
        }
        self.handles[slot.0] = handle;
        let (streams, room, window) = (self.max_streams, self.send_window, self.window);
        let made = Connection::new(slot, machine, tokens, streams, room, window, now);
        self.connections.insert(handle, made);
        handle
    }

    /// A list of the datagram that has just been written, if there is one.
    fn answers<'py>(
        &self,
        py: Python<'py>,
        transmit: Option<quic::Transmit>,
    ) -> PyResult<Bound<'py, PyList>> {
        let answers = PyList::empty(py);
        if let Some(transmit) = transmit {
            self.append_answer(py, &transmit, &answers)?;
        }
        Ok(answers)
    }

    fn append_answer(
        &self,
        py: Python<'_>,
        transmit: &quic::Transmit,
        answers: &Bound<'_, PyList>,
    ) -> PyResult<()> {
        let host = PyString::new(py, &self.zones.host(&transmit.destination));
        answers.append(self.results.sent(py, transmit, &self.out[..transmit.size], &host)?)
    }

    /// Route one datagram.
    fn receive_one<'py>(
        &mut self,
        py: Python<'py>,
        now: Instant,
        (data, remote, ecn): (&[u8], std::net::SocketAddr, u8),
        (touched, knocks, answers): &mut (Vec<u64>, Bound<'py, PyList>, Bound<'py, PyList>),
    ) -> PyResult<()> {
        self.out.clear();
        let data = BytesMut::from(data);
        let ecn = EcnCodepoint::from_bits(ecn);
        let event = guard(|| self.machine.handle(now, remote, None, ecn, data, &mut self.out));
        match event {
            Ok(Some(DatagramEvent::ConnectionEvent(slot, event))) => {
                let handle = self.handles.get(slot.0).copied().unwrap_or(u64::MAX);
                let Some(connection) = self.connections.get_mut(&handle) else {
                    return Ok(());
                };
                let done = guard(|| connection.receive(now, event));
                if let Some(text) = self.judge.take_refusal() {
                    connection.refusal = Some(text);
                }
                if let Err(text) = done {
                    self.broken(handle, text);
                }
                if touched.last() != Some(&handle) {
                    touched.push(handle);
                }
            }
            Ok(Some(DatagramEvent::NewConnection(incoming))) => {
                let number = self.next_knock;
                self.next_knock += 1;
                let host = self.zones.host(&remote);
                let (validated, may_retry) =
                    (incoming.remote_address_validated(), incoming.may_retry());
                let fields = (number, host, remote.port(), validated, may_retry);
                knocks.append(self.results.make(py, &self.results.knock, fields)?)?;
                self.knocks.insert(number, incoming);
            }
            Ok(Some(DatagramEvent::Response(transmit))) => {
                self.append_answer(py, &transmit, answers)?
            }
            // Nothing, or a panic, which drops the datagram.
            Ok(None) | Err(_) => {}
        }
        Ok(())
    }

    /// Advance a connection, and append its datagrams; return whether there may be more.
    fn transmit<'py>(
        &mut self,
        py: Python<'py>,
        handle: u64,
        now: Instant,
        sent: &Bound<'py, PyList>,
    ) -> PyResult<bool> {
        let Self { connections, machine: endpoint, out, results, zones, segments, .. } = self;
        let Some(connection) = connections.get_mut(&handle) else { return Ok(false) };
        let Some(machine) = connection.machine.as_mut() else { return Ok(false) };
        if connection.over {
            return Ok(false);
        }
        loop {
            while sent.len() < MAX_SENT {
                out.clear();
                let Some(transmit) = machine.poll_transmit(now, *segments, out) else { break };
                let host = match &connection.receiver {
                    Some((known, host)) if *known == transmit.destination => host.clone_ref(py),
                    _ => {
                        let host = PyString::new(py, &zones.host(&transmit.destination)).unbind();
                        connection.receiver = Some((transmit.destination, host.clone_ref(py)));
                        host
                    }
                };
                sent.append(results.sent(py, &transmit, &out[..transmit.size], host.bind(py))?)?;
            }
            let mut again = false;
            // After the last one the slot may belong to another connection.
            while !connection.over
                && let Some(event) = machine.poll_endpoint_events()
            {
                connection.over = event.is_drained();
                if let Some(answer) = endpoint.handle_event(connection.slot, event) {
                    machine.handle_event(answer);
                    again = true;
                }
            }
            if !again || connection.over || sent.len() >= MAX_SENT {
                return Ok(sent.len() >= MAX_SENT);
            }
        }
    }
}
