// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! One session of yamux.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::io::{AsyncRead, AsyncWrite};
use yamux::{Config, Connection, Mode, Stream};

use crate::records::{Reader, Record, Writer, unexpected};
use crate::wire::Wire;

/// Nothing happens any more once this many rounds have changed nothing: what a
/// stream hands to the connection in one is sent in the next.
const QUIET_ROUNDS: usize = 2;

/// More than a window, so that all that came is read at once: credit is given for
/// what was read by then.
const LARGEST_READ: usize = 1 << 19;

/// A stream, and what its application wants.
struct End {
    stream: Stream,
    unsent: Vec<u8>,
    closing: bool,
    closed: bool,
    paused: bool,
    ended: bool,
}

impl End {
    fn new(stream: Stream) -> Self {
        End {
            stream,
            unsent: Vec::new(),
            closing: false,
            closed: false,
            paused: false,
            ended: false,
        }
    }

    fn id(&self) -> u32 {
        self.stream.id().val()
    }

    /// Both halves have ended without this side's doing so: a reset.
    fn reset(&self) -> bool {
        !self.closed && self.stream.is_closed()
    }

    /// Whether there was something to send.
    fn send(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.unsent) {
                Poll::Ready(Ok(size)) => drop(self.unsent.drain(..size)),
                Poll::Ready(Err(_)) => self.unsent.clear(),
                Poll::Pending => return moved,
            }
            moved = true;
        }
        if self.closing && !self.closed {
            let closed = Pin::new(&mut self.stream).poll_close(context).is_ready();
            self.closed = closed;
            moved |= closed;
        }
        moved
    }
}

/// A session, and what goes on in it.
struct Session {
    wire: Wire,
    connection: Connection<Wire>,
    ends: Vec<End>,
    buffer: Vec<u8>,
    over: bool,
}

pub fn run(
    client: bool,
    reader: &mut Reader<impl Read>,
    writer: &mut Writer<impl Write>,
) -> io::Result<()> {
    let mode = if client { Mode::Client } else { Mode::Server };
    let wire = Wire::default();
    let mut session = Session {
        connection: Connection::new(wire.clone(), Config::default(), mode),
        wire,
        ends: Vec::new(),
        buffer: vec![0; LARGEST_READ],
        over: false,
    };
    for step in reader.steps()? {
        if !session.over {
            session.begin(step, writer)?;
            session.settle(writer)?;
            writer.put(b's', 0, &session.wire.sent())?;
        }
        writer.put(b'.', 0, b"")?;
    }
    Ok(())
}

impl Session {
    /// Do what the application, or the peer, does.
    fn begin(&mut self, step: Record, writer: &mut Writer<impl Write>) -> io::Result<()> {
        let end = self.ends.iter_mut().find(|end| end.id() == step.number);
        match (step.kind, end) {
            (b'f', _) => self.wire.feed(&step.payload),
            (b'o', _) => {
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(Ok(stream)) = self.connection.poll_new_outbound(&mut context) {
                    let mut end = End::new(stream);
                    end.unsent = step.payload;
                    writer.put(b'o', end.id(), b"")?;
                    self.ends.push(end);
                }
            }
            (b'w', Some(end)) if !end.closing => end.unsent.extend(&step.payload),
            (b'c', Some(end)) => end.closing = true,
            (b'r', Some(_)) => self.ends.retain(|end| end.id() != step.number),
            (b'p', Some(end)) => end.paused = true,
            (b'u', Some(end)) => end.paused = false,
            // The stream has ended here, where it has not on the other side.
            (b'w' | b'c' | b'r' | b'p' | b'u', _) => writer.put(b'?', step.number, b"")?,
            (kind, _) => return Err(unexpected(kind)),
        }
        Ok(())
    }

    /// Let everything happen that can.
    fn settle(&mut self, writer: &mut Writer<impl Write>) -> io::Result<()> {
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS && !self.over {
            let before = self.wire.waits();
            let moved = self.listen(writer)? | self.serve(writer)?;
            quiet = if moved || self.wire.waits() != before {
                0
            } else {
                quiet + 1
            };
        }
        Ok(())
    }

    /// Poll the connection.
    fn listen(&mut self, writer: &mut Writer<impl Write>) -> io::Result<bool> {
        let mut context = Context::from_waker(Waker::noop());
        match self.connection.poll_next_inbound(&mut context) {
            Poll::Ready(Some(Ok(stream))) => {
                let end = End::new(stream);
                writer.put(b'a', end.id(), b"")?;
                self.ends.push(end);
            }
            Poll::Ready(Some(Err(error))) => {
                self.over = true;
                writer.put(b'q', 1, error.to_string().as_bytes())?;
            }
            Poll::Ready(None) => {
                self.over = true;
                writer.put(b'q', 0, b"")?;
            }
            Poll::Pending => return Ok(false),
        }
        Ok(true)
    }

    /// Poll the streams: they send, receive and end.
    fn serve(&mut self, writer: &mut Writer<impl Write>) -> io::Result<bool> {
        let mut context = Context::from_waker(Waker::noop());
        let mut moved = false;
        for end in &mut self.ends {
            // What was not read by then is not read any more.
            if end.reset() {
                writer.put(b'x', end.id(), b"")?;
                continue;
            }
            moved |= end.send(&mut context);
            while !end.paused && !end.ended {
                match Pin::new(&mut end.stream).poll_read(&mut context, &mut self.buffer) {
                    Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => {
                        end.ended = true;
                        writer.put(b'e', end.id(), b"")?;
                    }
                    Poll::Ready(Ok(size)) => writer.put(b'd', end.id(), &self.buffer[..size])?,
                    Poll::Pending => break,
                }
                moved = true;
            }
        }
        let before = self.ends.len();
        self.ends
            .retain(|end| !(end.reset() || end.ended && end.closed));
        Ok(moved || self.ends.len() != before)
    }
}
