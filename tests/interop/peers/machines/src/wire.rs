// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A transport in memory: what was fed can be read, what is written is kept,
//! and whoever reads more than there is has to wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};

#[derive(Clone, Default)]
pub struct Wire(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    received: VecDeque<u8>,
    sent: Vec<u8>,
}

impl Wire {
    pub fn feed(&self, data: &[u8]) {
        self.0.borrow_mut().received.extend(data);
    }

    /// What nobody has read so far.
    pub fn rest(&self) -> Vec<u8> {
        self.0.borrow_mut().received.drain(..).collect()
    }

    /// What was sent since this was asked last.
    pub fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().sent)
    }

    pub fn waits(&self) -> usize {
        self.0.borrow().sent.len()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let received = &mut self.0.borrow_mut().received;
        if received.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(received.read(buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().sent.extend(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
