//! DTLS of one connection, with SCTP in it.

use std::time::Instant;

use dimpl::{Dtls, Error, Output};

use super::RtcConfig;
use super::channels::Channels;

/// The first size of the buffer for records.
const RECORD: usize = 4096;

/// What has happened.
pub enum Event {
    /// DTLS and SCTP are ready.
    Connected,
    /// The end: its cause, and a text.
    Lost(Cause, String),
    /// The peer has opened a channel.
    Opened(u16),
    /// There are messages to read.
    Readable(u16),
    /// Few bytes of a channel wait to be sent.
    Writable(u16),
    /// A channel is closed: no message of it comes any longer.
    Closed(u16),
    /// The number of a channel may be used again.
    Freed(u16),
    /// Few bytes of all channels wait to be sent, after too many did.
    Drained,
}

/// The cause of the end of a connection; the numbers are those of Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The peer has closed it.
    Peer = 1,
    /// Something is wrong.
    Broken = 2,
    /// Our side has closed it.
    Local = 3,
    /// The handshake takes too long.
    Timeout = 4,
}

/// The machines of one connection.
pub struct Connection {
    dtls: Dtls,
    due: Option<Instant>,
    buffer: Vec<u8>,
    /// Can be read after the end, too.
    pub channels: Channels,
    ready: bool,
    /// Whether the end was reported.
    pub over: bool,
    pub certificate: Option<Vec<u8>>,
    pub events: Vec<Event>,
    pub out: Vec<Vec<u8>>,
}

impl Connection {
    pub fn new(config: &RtcConfig, now: Instant, dialed: bool) -> Self {
        let mut made = Self {
            dtls: config.machine(now, dialed),
            due: None,
            buffer: vec![0; RECORD],
            channels: Channels::new(config, dialed),
            ready: false,
            over: false,
            certificate: None,
            events: Vec::new(),
            out: Vec::new(),
        };
        made.tick(now);
        made
    }

    /// The channels; None before they are ready, and after the end.
    pub fn living(&mut self) -> Option<&mut Channels> {
        (self.ready && !self.over).then_some(&mut self.channels)
    }

    /// Report the end, once.
    pub fn lose(&mut self, cause: Cause, text: &str) {
        if !self.over {
            self.over = true;
            self.events.push(Event::Lost(cause, text.to_owned()));
        }
    }

    /// Let DTLS know the time.
    fn tick(&mut self, now: Instant) {
        if let Err(error) = self.dtls.handle_timeout(now) {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &Error) {
        match error {
            // As if the datagram were lost.
            Error::ReceiveQueueFull => {}
            Error::Timeout(_) => self.lose(Cause::Timeout, "the handshake of DTLS"),
            Error::UnexpectedMessage(_) if !self.ready => {}
            Error::ConnectionClosed => self.lose(Cause::Peer, "DTLS was closed"),
            _ => self.lose(Cause::Broken, &format!("DTLS: {error}")),
        }
    }

    /// Take a datagram.
    pub fn receive(&mut self, now: Instant, data: &[u8]) {
        if self.over {
            return;
        }
        self.tick(now);
        if let Err(error) = self.dtls.handle_packet(data) {
            self.failed(&error);
        }
        self.run(now);
    }

    /// Act on timers, and send what waits.
    pub fn poll(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.tick(now);
        }
        self.channels.tick(now);
        self.run(now);
        self.channels.drain(&mut self.events);
    }

    /// The time of the next poll.
    pub fn due(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        self.due.into_iter().chain(self.channels.due()).min()
    }

    /// Let the machines exchange what they have.
    fn run(&mut self, now: Instant) {
        while !self.over {
            let inner = self.drain(now);
            let received = !inner.is_empty();
            for packet in inner {
                self.channels.receive(now, packet);
            }
            if let Some((cause, text)) = self.channels.act(&mut self.events) {
                self.end(now, cause, &text);
                return;
            }
            let packets = self.channels.packets(now);
            let sent = !packets.is_empty();
            for packet in packets {
                if let Err(error) = self.dtls.send_application_data(&packet) {
                    self.failed(&error);
                }
                // Its queue is short: what it holds has to leave before the next packet.
                for packet in self.drain(now) {
                    self.channels.receive(now, packet);
                }
            }
            if !(received || sent) {
                return;
            }
        }
    }

    /// Take everything from DTLS; return the packets of SCTP.
    fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut inner = Vec::new();
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(packet) => self.out.push(packet.to_vec()),
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::PeerCert(certificate) => self.certificate = Some(certificate.to_vec()),
                Output::ApplicationData(data) => inner.push(data.to_vec()),
                Output::Connected => {
                    self.ready = true;
                    self.channels.start();
                }
                Output::CloseNotify => self.lose(Cause::Peer, "the peer has closed"),
                Output::Timeout(due) => {
                    self.due = (due > now).then_some(due).or(Some(now));
                    return inner;
                }
                _ => {}
            }
        }
    }

    /// Close: the peer learns of it once, at best.
    pub fn close(&mut self, now: Instant) {
        if self.over {
            return;
        }
        self.end(now, Cause::Local, "");
    }

    /// End the connection, and let the peer know.
    fn end(&mut self, now: Instant, cause: Cause, text: &str) {
        let _ = self.dtls.close();
        self.drain(now);
        self.lose(cause, text);
    }
}
