// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What this peer serves besides the protocols of the package.

use std::io;

use futures::future::ready;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::options::TASK_LIMIT;
use crate::output::{AnyError, reason};
use crate::pattern::{exchange, send_zeros};
use crate::streams::{Connection, Incoming};
use crate::wire::{BLOCK_SIZE, ConnectionLost, StreamWasReset, Wire};

pub const ECHO: StreamProtocol = StreamProtocol::new("/echo/1.0.0");
pub const PERF: StreamProtocol = StreamProtocol::new("/perf/1.0.0");
pub const RESET: StreamProtocol = StreamProtocol::new("/test/reset/1.0.0");
pub const SINK: StreamProtocol = StreamProtocol::new("/test/sink/1.0.0");
pub const BACK: StreamProtocol = StreamProtocol::new("/test/back/1.0.0");

pub const PROTOCOLS: [StreamProtocol; 5] = [ECHO, PERF, RESET, SINK, BACK];

const BACK_BYTES: u64 = 1000;

/// Serve everything that comes in. Each stream and the way it ends is told to
/// report.
pub async fn serve(mut incoming: UnboundedReceiver<Incoming>, report: fn(Value)) {
    while let Some(Incoming {
        stream,
        protocol,
        connection,
    }) = incoming.recv().await
    {
        report(json!({"event": "stream", "protocol": protocol.as_ref()}));
        let wire = Wire::new(stream, connection.clone());
        tokio::spawn(async move {
            let Err(error) = handle(&protocol, wire, connection, report).await else {
                return;
            };
            if error.is::<StreamWasReset>() {
                report(json!({"event": "reset", "protocol": protocol.as_ref()}));
            } else if !error.is::<ConnectionLost>() {
                eprintln!("peer: {protocol}: {}", reason(error.as_ref()));
            }
        });
    }
}

async fn handle(
    protocol: &StreamProtocol,
    mut wire: Wire,
    connection: Connection,
    report: fn(Value),
) -> Result<(), AnyError> {
    let served = if *protocol == ECHO {
        echo(&mut wire).await
    } else if *protocol == PERF {
        perf(&mut wire).await
    } else if *protocol == SINK {
        sink(&mut wire).await
    } else if *protocol == BACK {
        back(&mut wire, &connection).await
    } else {
        // Dropping the stream resets it.
        wire.read_exact(&mut [0]).await?;
        return Ok(());
    };
    if let Err(error) = served {
        return Err(wire.cause(error).await);
    }
    wire.finish().await?;
    let bytes = wire.received;
    report(json!({"event": "halfclosed", "protocol": protocol.as_ref(), "bytes": bytes}));
    Ok(())
}

async fn echo(wire: &mut Wire) -> io::Result<()> {
    let mut block = vec![0; BLOCK_SIZE];
    loop {
        let length = wire.read(&mut block).await?;
        if length == 0 {
            return Ok(());
        }
        wire.write_all(&block[..length]).await?;
        wire.flush().await?;
    }
}

async fn perf(wire: &mut Wire) -> io::Result<()> {
    let mut header = [0; 8];
    wire.read_exact(&mut header).await?;
    wire.drain().await?;
    send_zeros(wire, u64::from_be_bytes(header)).await
}

async fn sink(wire: &mut Wire) -> io::Result<()> {
    let count = wire.drain().await?;
    wire.write_all(count.to_string().as_bytes()).await
}

/// Open an echo stream on exactly this connection, and say how that went.
async fn back(wire: &mut Wire, connection: &Connection) -> io::Result<()> {
    let call = async {
        let back = Wire::open(connection, ECHO).await?;
        exchange(back, 0, BACK_BYTES, ready(())).await.1
    };
    let called = timeout(TASK_LIMIT, call).await;
    let answer: &[u8] = match called.unwrap_or_else(|late| Err(late.into())) {
        Ok(()) => b"ok",
        Err(error) => {
            eprintln!("peer: calling back: {}", reason(error.as_ref()));
            b"bad"
        }
    };
    wire.write_all(answer).await?;
    wire.close().await?;
    timeout(TASK_LIMIT, wire.drain()).await??;
    Ok(())
}
