// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! Both sides of multistream-select.

use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use multistream_select::{NegotiationError, Version};
use multistream_select::{dialer_select_proto, listener_select_proto};

use crate::records::{Reader, Writer, unexpected};
use crate::wire::Wire;

/// What was agreed on, once it is.
type Outcome = Pin<Box<dyn Future<Output = Result<String, NegotiationError>>>>;

pub fn dial(
    protocols: &[u8],
    reader: &mut Reader<impl Read>,
    writer: &mut Writer<impl Write>,
) -> io::Result<()> {
    let wire = Wire::default();
    let future = dialer_select_proto(wire.clone(), lines(protocols), Version::V1);
    drive(
        Box::pin(async { Ok(future.await?.0) }),
        wire,
        reader,
        writer,
    )
}

pub fn listen(
    protocols: &[u8],
    reader: &mut Reader<impl Read>,
    writer: &mut Writer<impl Write>,
) -> io::Result<()> {
    let wire = Wire::default();
    let future = listener_select_proto(wire.clone(), lines(protocols));
    drive(
        Box::pin(async { Ok(future.await?.0) }),
        wire,
        reader,
        writer,
    )
}

fn lines(protocols: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(protocols);
    text.lines().map(str::to_owned).collect()
}

/// After each step: what was sent, whether something was agreed on or went
/// wrong, and then what came behind the agreement.
fn drive(
    mut outcome: Outcome,
    wire: Wire,
    reader: &mut Reader<impl Read>,
    writer: &mut Writer<impl Write>,
) -> io::Result<()> {
    let mut context = Context::from_waker(Waker::noop());
    let mut over = false;
    let mut agreed = false;
    for step in reader.steps()? {
        match step.kind {
            b'f' => wire.feed(&step.payload),
            kind => return Err(unexpected(kind)),
        }
        if !over && let Poll::Ready(result) = outcome.as_mut().poll(&mut context) {
            over = true;
            match result {
                Ok(protocol) => {
                    agreed = true;
                    writer.put(b'a', 0, protocol.as_bytes())?;
                }
                Err(error) => writer.put(b'q', 0, error.to_string().as_bytes())?,
            }
        }
        writer.put(b's', 0, &wire.sent())?;
        if agreed {
            writer.put(b't', 0, &wire.rest())?;
        }
        writer.put(b'.', 0, b"")?;
    }
    Ok(())
}
