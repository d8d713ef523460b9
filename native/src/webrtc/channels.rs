//! SCTP of one connection, and the opening of its channels (DCEP, RFC 8832).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use sctp::PayloadProtocolIdentifier as Kind;
use sctp_proto as sctp;

use super::RtcConfig;
use super::connection::{Cause, Event};
use super::credit::Credit;
use super::pieces::Pieces;

/// The types of messages of DCEP.
const ACK: u8 = 2;
const OPEN: u8 = 3;

/// A reliable and ordered channel without a label, of the usual priority (RFC 8832, 5.1).
const OPENING: [u8; 12] = [OPEN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The most channels with data of which no opening has come.
const MAX_UNOPENED: usize = 16;

/// The most closed channels whose numbers are not free: SCTP keeps our last messages in each of
/// them until the peer acknowledges them, and looks through all.
const MAX_ENDING: usize = 2048;

/// The most bytes of all channels that wait to be sent and acknowledged, but for those of the
/// last message: one association has one window, so more would not leave sooner.
const MAX_WAITING: usize = 1024 * 1024;

/// Channels may send again when no more bytes wait.
const LOW_WAITING: usize = MAX_WAITING / 2;

/// A channel that both sides know.
struct Channel {
    /// Whether the peer has opened it.
    theirs: bool,
}

/// The association.
pub struct Channels {
    endpoint: sctp::Endpoint,
    transport: Arc<sctp::TransportConfig>,
    association: Option<sctp::Association>,
    handle: sctp::AssociationHandle,
    dialed: bool,
    known: FxHashMap<u16, Channel>,
    /// Those that our side has closed, and the peer has not: their messages are dropped with them.
    shut: FxHashSet<u16>,
    unopened: FxHashSet<u16>,
    /// The channels that the peer has opened, of those.
    theirs: usize,
    max: usize,
    /// The closed channels whose numbers are not free.
    ending: usize,
    low: usize,
    credit: Credit,
    pieces: Pieces,
    /// No fewer bytes than those of all channels that wait.
    waiting: usize,
    /// Whether a channel was found full for this reason.
    full: bool,
}

/// SCTP has no addresses of its own inside DTLS.
fn nowhere() -> SocketAddr {
    ([192, 0, 2, 1], sctp::DEFAULT_SCTP_PORT).into()
}

impl Channels {
    pub fn new(config: &RtcConfig, dialed: bool) -> Self {
        Self {
            endpoint: sctp::Endpoint::new(config.endpoint.clone(), Some(config.server.clone())),
            transport: config.transport.clone(),
            association: None,
            handle: sctp::AssociationHandle(0),
            dialed,
            known: FxHashMap::default(),
            shut: FxHashSet::default(),
            unopened: FxHashSet::default(),
            theirs: 0,
            max: config.max_channels,
            ending: 0,
            low: config.low,
            credit: Credit::new(config.window),
            pieces: Pieces::new(config.window),
            waiting: 0,
            full: false,
        }
    }

    /// DTLS is ready: the dialer begins.
    pub fn start(&mut self) {
        if self.dialed && self.association.is_none() {
            let mut config = sctp::ClientConfig::new();
            config.transport = self.transport.clone();
            if let Ok((handle, association)) = self.endpoint.connect(config, nowhere()) {
                self.adopt(handle, association);
            }
        }
    }

    /// Use an association.  There is one at most, whatever the peer sends.
    fn adopt(&mut self, handle: sctp::AssociationHandle, association: sctp::Association) {
        if self.association.is_none() {
            self.endpoint.reject_new_associations();
            self.handle = handle;
            self.association = Some(association);
        }
    }

    /// Take a packet.
    pub fn receive(&mut self, now: Instant, data: Vec<u8>) {
        self.credit.received(&data);
        if self.pieces.take(&data, self.credit.acknowledged()) {
            self.handle(now, Bytes::from(data));
        }
    }

    fn handle(&mut self, now: Instant, data: Bytes) {
        match self.endpoint.handle(now, nowhere(), None, None, data) {
            Some((handle, sctp::DatagramEvent::NewAssociation(made))) => self.adopt(handle, made),
            Some((_, sctp::DatagramEvent::AssociationEvent(event))) => {
                if let Some(association) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => {}
        }
    }

    /// Act on timers, and let the peer know of a window that is open again.
    pub fn tick(&mut self, now: Instant) {
        if let Some(packet) = self.credit.update() {
            self.handle(now, Bytes::from(packet));
        }
        if let Some(association) = &mut self.association
            && association.poll_timeout().is_some_and(|due| due <= now)
        {
            association.handle_timeout(now);
        }
    }

    pub fn due(&self) -> Option<Instant> {
        self.association.as_ref().and_then(|association| association.poll_timeout())
    }

    /// The packets to send.
    pub fn packets(&mut self, now: Instant) -> Vec<Bytes> {
        let mut found = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let sctp::Payload::RawEncode(packets) = transmit.payload {
                found.extend(packets);
            }
        }
        if let Some(association) = &mut self.association {
            while let Some(transmit) = association.poll_transmit(now) {
                if let sctp::Payload::RawEncode(packets) = transmit.payload {
                    found.extend(packets);
                }
            }
        }
        for packet in &found {
            if let Some(window) = self.credit.sent(packet) {
                self.pieces.announced(window);
            }
        }
        found
    }

    /// Act on the events of the association; return its end.
    pub fn act(&mut self, events: &mut Vec<Event>) -> Option<(Cause, String)> {
        if self.pieces.too_many() {
            let text = "SCTP: too many pieces of messages are not read";
            return Some((Cause::Broken, text.to_owned()));
        }
        let association = self.association.as_mut()?;
        while let Some(event) = association.poll_endpoint_event() {
            if let Some(answer) = self.endpoint.handle_event(self.handle, event) {
                association.handle_event(answer);
            }
        }
        while let Some(event) = self.association.as_mut()?.poll() {
            match event {
                sctp::Event::Connected => self.connected(events),
                sctp::Event::HandshakeFailed { reason } => {
                    return Some((Cause::Broken, format!("SCTP: {reason}")));
                }
                sctp::Event::AssociationLost { reason } => {
                    return Some((Cause::Peer, format!("SCTP: {reason}")));
                }
                sctp::Event::Stream(event) => self.of_stream(event, events),
                _ => {}
            }
            if self.unopened.len() > MAX_UNOPENED {
                let text = "SCTP: data of too many channels that are not open";
                return Some((Cause::Broken, text.to_owned()));
            }
            if self.ending > MAX_ENDING {
                let text = "SCTP: too many closed channels are not acknowledged";
                return Some((Cause::Broken, text.to_owned()));
            }
        }
        None
    }

    /// Count the bytes of all channels that wait.
    fn count(&mut self) {
        let Some(association) = &mut self.association else { return };
        let amounts = self.known.keys().map(|id| {
            association.stream(*id).and_then(|stream| stream.buffered_amount()).unwrap_or(0)
        });
        self.waiting = amounts.sum();
    }

    /// Whether no channel may send, as too many bytes of all wait.  An event reports when fewer
    /// do.
    pub fn full(&mut self) -> bool {
        if !self.full && self.waiting >= MAX_WAITING {
            self.count();
            self.full = self.waiting >= MAX_WAITING;
        }
        self.full
    }

    /// Report that fewer bytes wait, if a channel was found full.
    pub fn drain(&mut self, events: &mut Vec<Event>) {
        if !self.full {
            return;
        }
        self.count();
        if self.waiting <= LOW_WAITING {
            self.full = false;
            events.push(Event::Drained);
        }
    }

    /// Both sides know the first channel, without DCEP.
    fn connected(&mut self, events: &mut Vec<Event>) {
        if let Some(association) = &mut self.association {
            let _ = association.open_stream(0, Kind::Binary);
            self.insert(0, false);
            events.push(Event::Connected);
        }
    }

    fn insert(&mut self, id: u16, theirs: bool) {
        self.unopened.remove(&id);
        self.known.insert(id, Channel { theirs });
        self.theirs += usize::from(theirs);
        if let Some(Ok(mut stream)) = self.association.as_mut().map(|each| each.stream(id)) {
            let _ = stream.set_buffered_amount_low_threshold(self.low);
        }
    }

    fn of_stream(&mut self, event: sctp::StreamEvent, events: &mut Vec<Event>) {
        match event {
            sctp::StreamEvent::Opened { id } => {
                if let Some(association) = &mut self.association {
                    while association.accept_stream().is_some() {}
                }
                self.look(id, events);
            }
            sctp::StreamEvent::Readable { id } => self.look(id, events),
            sctp::StreamEvent::BufferedAmountLow { id } if self.known.contains_key(&id) => {
                events.push(Event::Writable(id));
            }
            sctp::StreamEvent::Finished { id } => {
                self.ending += 1;
                self.unopened.remove(&id);
                self.shut.remove(&id);
                if let Some(channel) = self.known.remove(&id) {
                    self.theirs -= usize::from(channel.theirs);
                    events.push(Event::Closed(id));
                }
            }
            sctp::StreamEvent::ResetComplete { id } => {
                self.ending = self.ending.saturating_sub(1);
                events.push(Event::Freed(id));
            }
            sctp::StreamEvent::ResetFailed { .. } => {
                self.ending = self.ending.saturating_sub(1);
            }
            _ => {}
        }
    }

    /// Look at a channel that may have a message.
    fn look(&mut self, id: u16, events: &mut Vec<Event>) {
        if self.known.contains_key(&id) {
            events.push(Event::Readable(id));
            return;
        }
        if self.shut.contains(&id) {
            return;
        }
        let Some(Ok(mut stream)) = self.association.as_mut().map(|each| each.stream(id)) else {
            return;
        };
        let Ok(Some(chunks)) = stream.read_sctp() else {
            self.unopened.insert(id);
            return;
        };
        self.pieces.read(chunks.chunks.len());
        let mut message = vec![0; chunks.len()];
        let _ = chunks.read(&mut message);
        // Channels of the client of DTLS are even, those of the server odd (RFC 8832, 6).
        let parity = id.is_multiple_of(2) != self.dialed;
        let good = chunks.ppi == Kind::Dcep
            && message.len() >= OPENING.len()
            && message[..2] == OPENING[..2]
            && parity
            && self.theirs < self.max;
        if !good || stream.write_with_ppi(&[ACK], Kind::Dcep).is_err() {
            let _ = stream.close();
            self.unopened.insert(id);
            return;
        }
        self.insert(id, true);
        events.push(Event::Opened(id));
        events.push(Event::Readable(id));
    }

    /// Open a channel of ours; return whether this is possible now.
    pub fn open(&mut self, id: u16) -> bool {
        let parity = id.is_multiple_of(2) == self.dialed;
        let Some(association) = &mut self.association else { return false };
        if !parity || self.known.contains_key(&id) {
            return false;
        }
        let Ok(mut stream) = association.open_stream(id, Kind::Binary) else { return false };
        if stream.write_with_ppi(&OPENING, Kind::Dcep).is_err() {
            return false;
        }
        self.insert(id, false);
        true
    }

    fn stream(&mut self, id: u16) -> Option<sctp::Stream<'_>> {
        if !self.known.contains_key(&id) {
            return None;
        }
        self.association.as_mut()?.stream(id).ok()
    }

    /// Send a message; return how many bytes wait now, or None if the channel is closed.
    pub fn write(&mut self, id: u16, message: &[u8]) -> Option<usize> {
        let mut stream = self.stream(id)?;
        stream.write_with_ppi(message, Kind::Binary).ok()?;
        let found = stream.buffered_amount().ok();
        self.waiting += message.len();
        found
    }

    /// The bytes that wait to be sent and acknowledged.
    pub fn buffered(&mut self, id: u16) -> Option<usize> {
        self.stream(id)?.buffered_amount().ok()
    }

    /// Read messages up to a size, or one; and whether there is a message of text, which has no
    /// meaning.  What nobody reads fills the window of all channels.
    pub fn read(&mut self, id: u16, maximum: usize) -> (Vec<u8>, bool) {
        let mut data = Vec::new();
        while data.len() < maximum {
            let Some(mut stream) = self.stream(id) else { break };
            let Ok(Some(chunks)) = stream.read_sctp() else { break };
            self.pieces.read(chunks.chunks.len());
            match chunks.ppi {
                Kind::Binary => {
                    let begin = data.len();
                    self.credit.read(chunks.len());
                    data.resize(begin + chunks.len(), 0);
                    let _ = chunks.read(&mut data[begin..]);
                }
                // An acknowledgement of ours, and a message without a byte.
                Kind::Dcep | Kind::BinaryEmpty => {}
                _ => return (data, true),
            }
        }
        (data, false)
    }

    /// Close a channel in both directions.  Messages that nobody has read would fill the window
    /// until the peer has closed it as well.
    pub fn close(&mut self, id: u16) {
        while !self.read(id, 1).0.is_empty() {}
        if let Some(channel) = self.known.remove(&id) {
            self.theirs -= usize::from(channel.theirs);
        }
        if let Some(Ok(mut stream)) = self.association.as_mut().map(|each| each.stream(id))
            && stream.close().is_ok()
        {
            self.shut.insert(id);
        }
    }
}
