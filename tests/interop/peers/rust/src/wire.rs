// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A stream whose ways to end can be told apart.
//!
//! To a reader of the package a half-close, a reset and the end of the
//! connection are all the same end, except over QUIC, where each is an error of
//! its own.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::poll_fn;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::swarm::Stream;

use crate::output::AnyError;
use crate::streams::Connection;

pub const BLOCK_SIZE: usize = 64 * 1024;

/// The remote has reset the stream.
#[derive(Debug)]
pub struct StreamWasReset;

impl fmt::Display for StreamWasReset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("stream reset by the remote")
    }
}

impl std::error::Error for StreamWasReset {}

/// The stream has ended with its connection.
#[derive(Debug)]
pub struct ConnectionLost;

impl fmt::Display for ConnectionLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("connection lost")
    }
}

impl std::error::Error for ConnectionLost {}

/// A stream and its connection; dropping one that is open resets it.
pub struct Wire {
    stream: Stream,
    connection: Connection,
    closed: bool,
    pub received: u64,
}

impl Wire {
    pub fn new(stream: Stream, connection: Connection) -> Self {
        Self {
            stream,
            connection,
            closed: false,
            received: 0,
        }
    }

    pub async fn open(connection: &Connection, protocol: StreamProtocol) -> io::Result<Self> {
        Ok(Self::new(
            connection.open(protocol).await?,
            connection.clone(),
        ))
    }

    /// Close our side after the end of the remote's, and find out what that
    /// was: a write says it, to yamux before our side is closed, to mplex
    /// after. If our side has been closed before, a reset passes for an end.
    pub async fn finish(&mut self) -> Result<(), AnyError> {
        if self.closed {
            return match self.connection.is_alive().await {
                true => Ok(()),
                false => Err(ConnectionLost.into()),
            };
        }
        let closed = if self.connection.is_mplex() {
            match self.stream.close().await {
                Ok(()) => match self.try_write(&[0]).await {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(error),
                    _ => Ok(()),
                },
                failed => failed,
            }
        } else {
            match self.try_write(&[]).await {
                Ok(()) => self.stream.close().await,
                failed => failed,
            }
        };
        match closed {
            Ok(()) => Ok(()),
            Err(error) => Err(self.cause(error).await),
        }
    }

    /// Find out what an error of a read or a write means.
    pub async fn cause(&mut self, error: io::Error) -> AnyError {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof, WriteZero};
        let bare = error.get_ref().is_none();
        match (self.connection.is_mplex(), error.kind()) {
            (true, BrokenPipe) if bare => StreamWasReset.into(),
            (_, UnexpectedEof) if bare => error.into(),
            (true, _) => ConnectionLost.into(),
            (false, WriteZero) if self.connection.is_alive().await => StreamWasReset.into(),
            (false, WriteZero) => ConnectionLost.into(),
            // QUIC.
            (false, ConnectionReset) if self.connection.is_alive().await => StreamWasReset.into(),
            (false, ConnectionReset | NotConnected) => ConnectionLost.into(),
            (false, _) => error.into(),
        }
    }

    /// Write without waiting.
    async fn try_write(&mut self, data: &[u8]) -> io::Result<()> {
        let stream = &mut self.stream;
        let attempt = |context: &mut Context<'_>| {
            Poll::Ready(match Pin::new(&mut *stream).poll_write(context, data) {
                Poll::Ready(Err(error)) => Err(error),
                _ => Ok(()),
            })
        };
        poll_fn(attempt).await
    }

    /// Read and forget everything up to the end.
    pub async fn drain(&mut self) -> io::Result<u64> {
        let before = self.received;
        let mut block = vec![0; BLOCK_SIZE];
        while self.read(&mut block).await? > 0 {}
        Ok(self.received - before)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(size)) = read {
            self.received += size as u64;
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_close(context);
        self.closed |= matches!(closed, Poll::Ready(Ok(())));
        closed
    }
}
