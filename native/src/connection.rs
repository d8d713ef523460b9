//! One connection: the state machine, and what its events need to be complete.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use quic::coding::Codec;
use quic::{ConnectionError, Dir, StreamEvent, StreamId, VarInt};
use quinn_proto as quic;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::address::Zones;
use crate::announced::next;
use crate::results::Results;
use crate::tokens::DialTokens;
use crate::web::HTTP;

/// The transport error of our own faults.
const INTERNAL_ERROR: u64 = 0x1;
/// The transport parameter of the idle timeout.
const MAX_IDLE_TIMEOUT: u64 = 0x01;
/// The streams that a peer may open at first: quinn-proto keeps 68 bytes for each that it
/// grants, and most connections never have many.
pub const FIRST_STREAMS: u32 = 64;
/// The bytes that a connection may always keep until they are acknowledged, in a small
/// congestion window, too.
const FIRST_ROOM: u64 = 1024 * 1024;
/// What a connection keeps beyond that, in congestion windows: one on its way, one to follow.
const ROOM: u64 = 2;
/// Pings in the time of an idle timeout: one may be lost, and one on its way.
const PINGS: u32 = 3;

/// Why a connection has ended; the numbers are those of `LossCause`.
#[derive(Clone, Copy)]
pub enum Cause {
    Application = 1,
    Transport = 2,
    Local = 3,
    Timeout = 4,
    Reset = 5,
    Version = 6,
}

/// An event for Python; the numbers of the tuples are those of `QuicEvent`.
pub enum Event {
    Connected,
    Confirmed,
    Lost(Cause, u64, String),
    Opened(StreamId),
    Readable(StreamId),
    Writable(StreamId),
    Stopped(StreamId, u64),
    Available,
    Token(bytes::Bytes),
    Moved(SocketAddr),
    Finished(StreamId),
    Reset(StreamId, u64),
}

impl Event {
    pub fn tuple<'py>(
        self,
        py: Python<'py>,
        zones: &Zones,
        results: &Results,
    ) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Self::Connected => (1,).into_pyobject(py),
            Self::Confirmed => (2,).into_pyobject(py),
            Self::Lost(cause, code, text) => {
                let cause = results.cause.call1(py, (cause as u8,))?;
                (3, cause, code, text).into_pyobject(py)
            }
            Self::Opened(id) => (4, u64::from(id)).into_pyobject(py),
            Self::Readable(id) => (5, u64::from(id)).into_pyobject(py),
            Self::Writable(id) => (6, u64::from(id)).into_pyobject(py),
            Self::Stopped(id, code) => (7, u64::from(id), code).into_pyobject(py),
            Self::Available => (8,).into_pyobject(py),
            Self::Token(token) => (9, PyBytes::new(py, &token)).into_pyobject(py),
            Self::Moved(address) => (10, zones.host(&address), address.port()).into_pyobject(py),
            Self::Finished(id) => (11, u64::from(id)).into_pyobject(py),
            Self::Reset(id, code) => (12, u64::from(id), code).into_pyobject(py),
        }
    }
}

/// Where a connection is in its life.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The handshake goes on.
    Handshake,
    /// The peer has proven its identity.
    Connected,
    /// The peer has accepted our certificate.
    Confirmed,
    /// The event `Lost` has been reported.
    Lost,
}

/// A connection of an endpoint, from the first call to `forget`.
pub struct Connection {
    /// Box: it has kilobytes.  None after a panic.
    pub machine: Option<Box<quic::Connection>>,
    pub slot: quic::ConnectionHandle,
    /// Whether the endpoint has forgotten it, and nothing will come of it any longer.
    pub over: bool,
    /// The text with which the judge has refused the peer.
    pub refusal: Option<String>,
    /// The streams whose event `Readable` has not been answered by an empty read.
    pub readable: FxHashSet<StreamId>,
    /// The codes of resets that nobody has read.
    pub resets: FxHashMap<StreamId, u64>,
    /// The last receiver of datagrams, with its host as a Python string.
    pub receiver: Option<(SocketAddr, Py<PyString>)>,
    tokens: Option<Arc<DialTokens>>,
    phase: Phase,
    /// The end that our side has caused, which the state machine does not report.
    ended: Option<Event>,
    /// The number of streams that the peer has opened, of both directions and of one.
    accepted: [u64; 2],
    /// The streams that the peer may have open now, and at the most.
    granted: u32,
    max_streams: u32,
    /// The unacknowledged bytes that are kept at the most.
    send_window: u64,
    /// The window of the connection, and the bytes by which that of the state machine is
    /// larger.
    window: u64,
    excess: u64,
    /// Whether the peer is a browser.
    browser: bool,
    /// Whether `open` has returned None since the last event `Available`.
    starved: bool,
    /// The wanted time between pings, and the time of the last sign of life.
    keep: Option<Duration>,
    alive: Instant,
    /// The last reported address, and the number of path responses at that time.
    remote: SocketAddr,
    responses: u64,
}

impl Connection {
    pub fn new(
        slot: quic::ConnectionHandle,
        machine: quic::Connection,
        tokens: Option<Arc<DialTokens>>,
        max_streams: u32,
        send_window: u64,
        window: u64,
        now: Instant,
    ) -> Self {
        Self {
            slot,
            over: false,
            refusal: None,
            readable: FxHashSet::default(),
            resets: FxHashMap::default(),
            receiver: None,
            tokens,
            phase: Phase::Handshake,
            ended: None,
            accepted: [0, 0],
            granted: max_streams.min(FIRST_STREAMS),
            max_streams,
            send_window,
            window,
            excess: 0,
            browser: false,
            starved: false,
            keep: None,
            alive: now,
            remote: machine.remote_address(),
            responses: 0,
            machine: Some(Box::new(machine)),
        }
    }

    /// Whether a stream exists, or has existed.
    pub fn knows(&self, machine: &quic::Connection, id: StreamId) -> bool {
        if id.initiator() == machine.side() {
            return id.dir() == Dir::Bi || self.browser;
        }
        id.index() < self.accepted[id.dir() as usize]
    }

    /// Take a datagram.
    pub fn receive(&mut self, now: Instant, event: quic::ConnectionEvent) {
        self.alive = now;
        if let Some(machine) = &mut self.machine {
            machine.handle_event(event);
        }
    }

    /// Let time pass: timers of the state machine, and our own pings.
    pub fn pass(&mut self, now: Instant, keep_alive: Option<Duration>) {
        let Some(machine) = &mut self.machine else { return };
        if machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
        }
        if !matches!(self.phase, Phase::Connected | Phase::Confirmed) {
            return;
        }
        if self.keep.is_none() {
            let peers = peer_idle_timeout(machine).map(|idle| idle / PINGS);
            self.keep = [keep_alive, peers].into_iter().flatten().min();
        }
        if keep_alive.is_some() && self.keep.is_some_and(|keep| now >= self.alive + keep) {
            self.alive = now;
            machine.ping();
        }
    }

    /// Whether the connection has ended, and only its last datagrams may be sent.
    pub fn closed(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.is_closed())
    }

    /// The time of the next call of `pass`.
    pub fn due(&mut self, keep_alive: Option<Duration>) -> Option<Instant> {
        let timer = self.machine.as_mut()?.poll_timeout();
        let running = matches!(self.phase, Phase::Connected | Phase::Confirmed);
        let pings = running && keep_alive.is_some();
        let ping = self.keep.filter(|_| pings).map(|keep| self.alive + keep);
        [timer, ping].into_iter().flatten().min()
    }

    /// Open a stream; None if the peer allows none now.
    pub fn open(&mut self, direction: Dir) -> Option<StreamId> {
        let opened = self.machine.as_mut()?.streams().open(direction);
        if direction == Dir::Bi {
            self.starved = opened.is_none();
        }
        opened
    }

    /// Close from our side, once.
    pub fn close(&mut self, now: Instant, code: VarInt, reason: Vec<u8>) {
        if self.phase == Phase::Lost || self.ended.is_some() {
            return;
        }
        let text = String::from_utf8_lossy(&reason).into_owned();
        self.ended = Some(Event::Lost(Cause::Local, code.into_inner(), text));
        if let Some(machine) = &mut self.machine {
            machine.close(now, code, reason.into());
        }
    }

    /// Drop a state machine that has panicked.
    pub fn broken(&mut self, text: String) {
        // Its destructor may panic as well, and there is nothing in it worth that.
        std::mem::forget(self.machine.take());
        self.over = true;
        self.ended = Some(Event::Lost(Cause::Transport, INTERNAL_ERROR, text));
    }

    /// Collect the events since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.keep_room();
        while let Some(event) = self.machine.as_mut().and_then(|machine| machine.poll()) {
            if self.phase != Phase::Lost {
                self.event(event, &mut events);
            }
        }
        if self.phase == Phase::Lost {
            return events;
        }
        self.facts(&mut events);
        if let Some(ended) = self.ended.take() {
            self.phase = Phase::Lost;
            events.push(ended);
        }
        events
    }

    /// Translate an event of the state machine.
    fn event(&mut self, event: quic::Event, events: &mut Vec<Event>) {
        match event {
            quic::Event::Connected => {
                let server = self.machine.as_ref().is_some_and(|one| one.side().is_server());
                // A server knows by the end of the handshake.
                self.phase = if server { Phase::Confirmed } else { Phase::Connected };
                self.browser = server
                    && self.machine.as_ref().and_then(|one| protocol(one)).as_deref() == Some(HTTP);
                if self.browser {
                    // Its streams fail when they are too many: it does not wait for others.
                    self.grant();
                }
                events.push(Event::Connected);
            }
            quic::Event::ConnectionLost { reason } if self.ended.is_none() => {
                let refusal = self.refusal.take();
                self.ended = Some(lost(reason, refusal));
            }
            quic::Event::Stream(event) => self.stream_event(event, events),
            _ => {}
        }
    }

    fn stream_event(&mut self, event: StreamEvent, events: &mut Vec<Event>) {
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(id) = self.accept(dir) {
                    if dir == Dir::Uni && !self.browser {
                        self.drop_stream(id);
                        continue;
                    }
                    events.push(Event::Opened(id));
                    // No event follows for the bytes that have opened it.
                    self.arrived(id, events);
                }
                if self.uses_half() {
                    self.grant();
                }
            }
            StreamEvent::Readable { id } => self.arrived(id, events),
            StreamEvent::Writable { id } => events.push(Event::Writable(id)),
            StreamEvent::Stopped { id, error_code } => {
                events.push(Event::Stopped(id, error_code.into_inner()));
            }
            StreamEvent::Available { dir: Dir::Bi } if self.starved => {
                self.starved = false;
                events.push(Event::Available);
            }
            StreamEvent::Finished { id } => events.push(Event::Finished(id)),
            StreamEvent::Available { .. } => {}
        }
    }

    fn accept(&mut self, direction: Dir) -> Option<StreamId> {
        let id = self.machine.as_mut()?.streams().accept(direction)?;
        self.accepted[direction as usize] += 1;
        Some(id)
    }

    /// Drop a stream of one direction of a peer that is no browser.
    fn drop_stream(&mut self, id: StreamId) {
        if let Some(machine) = &mut self.machine {
            let _ = machine.recv_stream(id).stop(0u32.into());
        }
    }

    /// Whether the peer uses half of the streams that it may have now.
    fn uses_half(&mut self) -> bool {
        let Some(machine) = &mut self.machine else { return false };
        machine.streams().remote_open_streams(Dir::Bi) * 2 >= u64::from(self.granted)
    }

    /// Let the peer open as many streams as it may at the most.
    fn grant(&mut self) {
        let Some(machine) = &mut self.machine else { return };
        if self.granted < self.max_streams {
            self.granted = self.max_streams;
            machine.set_max_concurrent_streams(Dir::Bi, self.max_streams.into());
        }
    }

    /// Report once that something can be read, or that it never will be.
    fn arrived(&mut self, id: StreamId, events: &mut Vec<Event>) {
        let Some(machine) = &mut self.machine else { return };
        if let Ok(Some(code)) = machine.recv_stream(id).received_reset() {
            self.readable.remove(&id);
            self.resets.insert(id, code.into_inner());
            events.push(Event::Reset(id, code.into_inner()));
        } else if self.readable.insert(id) {
            events.push(Event::Readable(id));
        }
    }

    /// Change the window of the connection; a smaller one takes effect as bytes are read.  The
    /// state machine does so, too, but grants a larger one at once without regard to reductions
    /// before: many changes would add up.
    pub fn set_window(&mut self, machine: &mut quic::Connection, size: VarInt) {
        let (before, size) = (self.window + self.excess, size.into_inner());
        self.window = size;
        self.excess = before.saturating_sub(size);
        if size > before {
            self.apply_window(machine);
        }
    }

    /// Note that the application has read bytes.
    pub fn was_read(&mut self, machine: &mut quic::Connection, size: u64) {
        let less = self.excess.min(size);
        if less > 0 {
            self.excess -= less;
            self.apply_window(machine);
        }
    }

    fn apply_window(&self, machine: &mut quic::Connection) {
        let size = VarInt::from_u64(self.window + self.excess).unwrap_or(VarInt::MAX);
        machine.set_receive_window(size);
    }

    /// Keep as many bytes as the path takes, and no more of a slow one.
    fn keep_room(&mut self) {
        let Some(machine) = &mut self.machine else { return };
        let room = ROOM * machine.congestion_state().window();
        machine.set_send_window(room.max(FIRST_ROOM).min(self.send_window));
    }

    /// Report the facts for which the state machine has no events.
    fn facts(&mut self, events: &mut Vec<Event>) {
        let Some(machine) = &self.machine else { return };
        if self.phase == Phase::Connected && machine.stats().frame_rx.handshake_done > 0 {
            self.phase = Phase::Confirmed;
            events.push(Event::Confirmed);
        }
        if let Some(token) = self.tokens.as_ref().and_then(|tokens| tokens.take_received()) {
            events.push(Event::Token(token));
        }
        let remote = machine.remote_address();
        if remote != self.remote && machine.stats().frame_rx.path_response > self.responses {
            self.responses = machine.stats().frame_rx.path_response;
            self.remote = remote;
            events.push(Event::Moved(remote));
        }
    }
}

/// The application protocol that was agreed.
pub fn protocol(machine: &quic::Connection) -> Option<Vec<u8>> {
    let data = machine.crypto_session().handshake_data()?;
    data.downcast::<quic::crypto::rustls::HandshakeData>().ok()?.protocol
}

/// Describe the end of a connection.
fn lost(reason: ConnectionError, refusal: Option<String>) -> Event {
    let text = refusal.unwrap_or_else(|| reason.to_string());
    let (cause, code) = match reason {
        ConnectionError::ApplicationClosed(close) => {
            let text = String::from_utf8_lossy(&close.reason).into_owned();
            return Event::Lost(Cause::Application, close.error_code.into_inner(), text);
        }
        ConnectionError::ConnectionClosed(close) => (Cause::Transport, u64::from(close.error_code)),
        ConnectionError::TransportError(error) => (Cause::Transport, u64::from(error.code)),
        ConnectionError::CidsExhausted => (Cause::Transport, INTERNAL_ERROR),
        ConnectionError::TimedOut => (Cause::Timeout, 0),
        ConnectionError::Reset => (Cause::Reset, 0),
        ConnectionError::LocallyClosed => (Cause::Local, 0),
        ConnectionError::VersionMismatch => (Cause::Version, 0),
    };
    Event::Lost(cause, code, text)
}

/// The idle timeout that the peer has announced; None for an endless one.
fn peer_idle_timeout(machine: &quic::Connection) -> Option<Duration> {
    let parameters = machine.crypto_session().transport_parameters().ok()??;
    // The fields of the parameters are private, but not their encoded form.
    let mut encoded = Vec::new();
    parameters.write(&mut encoded);
    let mut rest = &encoded[..];
    while let Some((id, mut value)) = next(&mut rest) {
        if id.into_inner() == MAX_IDLE_TIMEOUT {
            let milliseconds = VarInt::decode(&mut value).ok()?.into_inner();
            return (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
        }
    }
    None
}
