// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What a dialer does on its connection.
//!
//! Each task fills in its facts as it goes, so that a failed one tells how far
//! it came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, ready};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{identify, ping};
use serde_json::{Value, json};
use tokio::sync::{Barrier, mpsc};
use tokio::time::sleep;

use crate::output::{AnyError, reason};
use crate::pattern::{exchange, fill, send_pattern, send_zeros};
use crate::serve::{BACK, ECHO, PERF, RESET, SINK};
use crate::streams::Connection;
use crate::wire::{StreamWasReset, Wire};

pub const NAMES: [&str; 10] = [
    "ping",
    "identify",
    "echo",
    "halfclose",
    "reset",
    "remote-reset",
    "back",
    "many",
    "perf",
    "idle",
];

const PING_COUNT: usize = 3;
const MANY_STREAMS: u64 = 100;
const MANY_BYTES: u64 = 1000;

type Done = Result<(), AnyError>;

/// What the protocols of the package learn of the remote by themselves.
pub enum Told {
    Ping(Result<Duration, ping::Failure>),
    Identified(Box<identify::Info>),
    Unidentified(String),
}

/// One connection, and what the tasks need of it.
pub struct Dialer {
    connection: Connection,
    /// The number of the task that is being done.
    pub size: u64,
    told: mpsc::UnboundedReceiver<Told>,
    pings: Vec<Result<Duration, ping::Failure>>,
    identified: Option<Result<Box<identify::Info>, String>>,
}

impl Dialer {
    pub fn new(connection: Connection, told: mpsc::UnboundedReceiver<Told>) -> Self {
        Self {
            connection,
            size: 0,
            told,
            pings: Vec::new(),
            identified: None,
        }
    }

    /// Wait for something to be told.
    async fn listen(&mut self) -> Done {
        match self.told.recv().await.ok_or("connection lost")? {
            Told::Ping(result) => self.pings.push(result),
            Told::Identified(info) => self.identified = Some(Ok(info)),
            Told::Unidentified(error) => self.identified = Some(Err(error)),
        }
        Ok(())
    }
}

/// Do one task.
pub async fn run(name: &str, dialer: &mut Dialer, facts: &mut Value) -> Done {
    match name {
        "ping" => ping(dialer, facts).await,
        "identify" => identify(dialer, facts).await,
        "echo" => echo(dialer, facts).await,
        "halfclose" => half_close(dialer, facts).await,
        "reset" => reset(dialer, facts).await,
        "remote-reset" => remote_reset(dialer, facts).await,
        "back" => back(dialer, facts).await,
        "many" => many(dialer, facts).await,
        "perf" => perf(dialer, facts).await,
        "idle" => idle(dialer, facts).await,
        _ => Err(format!("unknown task {name:?}").into()),
    }
}

async fn ping(dialer: &mut Dialer, facts: &mut Value) -> Done {
    facts["ms"] = json!([]);
    while dialer.pings.len() < PING_COUNT {
        dialer.listen().await?;
    }
    for result in dialer.pings.drain(..PING_COUNT) {
        let elapsed = result.map_err(|failure| failure.to_string())?;
        let times = facts["ms"].as_array_mut().expect("a list");
        times.push((elapsed.as_secs_f64() * 1000.0).into());
    }
    Ok(())
}

async fn identify(dialer: &mut Dialer, facts: &mut Value) -> Done {
    while dialer.identified.is_none() {
        dialer.listen().await?;
    }
    let info = dialer.identified.clone().expect("just waited for")?;
    *facts = json!({
        "agentVersion": info.agent_version,
        "protocolVersion": info.protocol_version,
        "protocols": info.protocols.iter().map(|each| each.as_ref()).collect::<Vec<&str>>(),
        "listenAddrs": info.listen_addrs.iter().map(|each| each.to_string()).collect::<Vec<_>>(),
        "observedAddr": info.observed_addr.to_string(),
    });
    Ok(())
}

async fn echo(dialer: &mut Dialer, facts: &mut Value) -> Done {
    facts["equal"] = false.into();
    let wire = Wire::open(&dialer.connection, ECHO).await?;
    let (got, ended) = exchange(wire, 0, dialer.size, ready(())).await;
    facts["bytes"] = got.into();
    facts["equal"] = ended.is_ok().into();
    ended
}

async fn half_close(dialer: &mut Dialer, facts: &mut Value) -> Done {
    facts["bytes"] = dialer.size.into();
    let mut wire = Wire::open(&dialer.connection, SINK).await?;
    send_pattern(&mut wire, 0, dialer.size, ready(())).await?;
    let mut answer = String::new();
    (&mut wire).take(100).read_to_string(&mut answer).await?;
    facts["answer"] = answer.as_str().into();
    if answer != dialer.size.to_string() {
        return Err("the remote counted otherwise".into());
    }
    Ok(())
}

async fn reset(dialer: &mut Dialer, facts: &mut Value) -> Done {
    let (mut sent, mut got) = ([0; 10], [0; 10]);
    fill(&mut sent, 0, 0);
    let mut wire = Wire::open(&dialer.connection, ECHO).await?;
    wire.write_all(&sent).await?;
    wire.flush().await?;
    let ended = wire.read_exact(&mut got).await;
    facts["bytes"] = wire.received.into();
    ended?;
    if sent != got {
        return Err("what came back differs from what was sent".into());
    }
    // Dropping the stream resets it.
    Ok(())
}

async fn remote_reset(dialer: &mut Dialer, facts: &mut Value) -> Done {
    *facts = json!({"reset": false, "code": null});
    let mut wire = Wire::open(&dialer.connection, RESET).await?;
    wire.write_all(&[1]).await?;
    wire.flush().await?;
    let ended = match wire.drain().await {
        Ok(_) => wire.finish().await,
        Err(error) => Err(wire.cause(error).await),
    };
    facts["bytes"] = wire.received.into();
    match ended {
        Err(error) if error.is::<StreamWasReset>() => {
            facts["reset"] = true.into();
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => Err("the stream ended cleanly instead of by a reset".into()),
    }
}

async fn back(dialer: &mut Dialer, facts: &mut Value) -> Done {
    let mut wire = Wire::open(&dialer.connection, BACK).await?;
    wire.close().await?;
    let mut answer = String::new();
    (&mut wire).take(100).read_to_string(&mut answer).await?;
    facts["answer"] = answer.as_str().into();
    if answer != "ok" {
        return Err("the remote could not call back".into());
    }
    Ok(())
}

/// Hold a hundred streams open at the same time: none sends its second half
/// before every one has sent its first, or failed.
async fn many(dialer: &mut Dialer, facts: &mut Value) -> Done {
    let everyone = Arc::new(Barrier::new(MANY_STREAMS as usize));
    let one = |seed| {
        let (connection, everyone) = (dialer.connection.clone(), everyone.clone());
        async move {
            let arrived = std::cell::Cell::new(false);
            let half = async {
                arrived.set(true);
                everyone.wait().await;
            };
            let ended = match Wire::open(&connection, ECHO).await {
                Ok(wire) => exchange(wire, seed, MANY_BYTES, half).await.1,
                Err(error) => Err(error.into()),
            };
            if !arrived.get() {
                everyone.wait().await;
            }
            ended.map_err(|error| format!("stream {seed}: {}", reason(error.as_ref())))
        }
    };
    let ends = join_all((0..MANY_STREAMS).map(one)).await;
    let equal = ends.iter().filter(|end| end.is_ok()).count();
    *facts = json!({"streams": MANY_STREAMS, "equal": equal});
    for end in ends {
        end?;
    }
    Ok(())
}

async fn perf(dialer: &mut Dialer, facts: &mut Value) -> Done {
    facts["uploadBytes"] = dialer.size.into();
    let mut wire = Wire::open(&dialer.connection, PERF).await?;
    let begin = Instant::now();
    wire.write_all(&dialer.size.to_be_bytes()).await?;
    send_zeros(&mut wire, dialer.size).await?;
    wire.close().await?;
    let ended = wire.drain().await;
    facts["downloadBytes"] = wire.received.into();
    facts["seconds"] = begin.elapsed().as_secs_f64().into();
    ended?;
    if wire.received != dialer.size {
        return Err(format!("{} of {} bytes came", wire.received, dialer.size).into());
    }
    Ok(())
}

/// Leave the connection alone for as many seconds as it is told to.
async fn idle(dialer: &mut Dialer, facts: &mut Value) -> Done {
    facts["seconds"] = dialer.size.into();
    sleep(Duration::from_secs(dialer.size)).await;
    Ok(())
}
