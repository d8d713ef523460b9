// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The roles of a benchmark: a listener that says nothing, and a dialer that
//! does what it is told as often as it is told.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::try_join_all;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, Stream, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::options::{CONNECT_LIMIT, Options};
use crate::output::{AnyError, print_line, reason};
use crate::serve::{ECHO, PERF};
use crate::stack::{Behaviour, BehaviourEvent, make_swarm};
use crate::streams::{Connection, Incoming};
use crate::wire::BLOCK_SIZE;

const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
const PING_SIZE: usize = 32;
const SMALL_BLOCK: usize = 4096;

/// Print where this peer listens, then serve until its parent is done.
pub async fn listen(options: &Options) -> Result<(), AnyError> {
    let (mut swarm, incoming) = make_swarm(options)?;
    let id = *swarm.local_peer_id();
    swarm.listen_on(options.address().parse()?)?;
    tokio::spawn(serve(incoming));
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        let event = tokio::select! {
            _ = lines.next_line() => return Ok(()),
            event = swarm.select_next_some() => event,
        };
        if let SwarmEvent::NewListenAddr { address, .. } = event {
            print_line(&json!({
                "peerId": id.to_string(),
                "addrs": [format!("{address}/p2p/{id}")],
                "pid": std::process::id(),
            }));
        }
    }
}

async fn serve(mut incoming: UnboundedReceiver<Incoming>) {
    while let Some(Incoming {
        stream, protocol, ..
    }) = incoming.recv().await
    {
        tokio::spawn(async move {
            if protocol == ECHO {
                let _ = echo(stream).await;
            } else if protocol == PERF {
                let _ = perf(stream).await;
            }
        });
    }
}

async fn echo(mut stream: Stream) -> io::Result<()> {
    let mut block = [0; SMALL_BLOCK];
    loop {
        let length = stream.read(&mut block).await?;
        if length == 0 {
            return stream.close().await;
        }
        stream.write_all(&block[..length]).await?;
        stream.flush().await?;
    }
}

async fn perf(mut stream: Stream) -> io::Result<()> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    drain(&mut stream).await?;
    send_blocks(&mut stream, u64::from_be_bytes(header), BLOCK_SIZE as u64).await
}

/// Read and forget everything up to the end.
async fn drain(stream: &mut Stream) -> io::Result<u64> {
    let mut block = vec![0; BLOCK_SIZE];
    let mut count = 0;
    loop {
        match stream.read(&mut block).await? {
            0 => return Ok(count),
            length => count += length as u64,
        }
    }
}

/// Send so many bytes that mean nothing, and half-close.
async fn send_blocks(stream: &mut Stream, size: u64, most: u64) -> io::Result<()> {
    let block = vec![0; most as usize];
    let mut left = size;
    while left > 0 {
        let length = left.min(most);
        stream.write_all(&block[..length as usize]).await?;
        left -= length;
    }
    stream.close().await
}

/// Send a few bytes, and read them back.
async fn echoed(stream: &mut Stream, sent: &[u8]) -> io::Result<()> {
    let mut got = [0; PING_SIZE];
    stream.write_all(sent).await?;
    stream.flush().await?;
    stream.read_exact(&mut got[..sent.len()]).await
}

/// Close our side now and forget the stream when the remote has closed its
/// own: a stream that is dropped before is reset.
fn leave(mut stream: Stream) {
    tokio::spawn(async move {
        if stream.close().await.is_ok() {
            let _ = stream.read(&mut [0]).await;
        }
    });
}

/// What the task that drives a swarm is asked.
enum Request {
    Dial(oneshot::Sender<Result<(ConnectionId, Connection), AnyError>>),
    Close(ConnectionId),
}

/// A swarm of its own, which makes connections to the target.
#[derive(Clone)]
struct Lane {
    requests: mpsc::UnboundedSender<Request>,
    pinged: Arc<Notify>,
}

impl Lane {
    fn new(options: &Options, peer: PeerId, target: &Multiaddr) -> Result<Self, AnyError> {
        let (swarm, _) = make_swarm(options)?;
        let (requests, requested) = mpsc::unbounded_channel();
        let pinged = Arc::new(Notify::new());
        let lane = Self { requests, pinged };
        tokio::spawn(drive(
            swarm,
            peer,
            target.clone(),
            requested,
            lane.pinged.clone(),
        ));
        Ok(lane)
    }

    async fn dial(&self) -> Result<(ConnectionId, Connection), AnyError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.requests.send(Request::Dial(answer));
        timeout(CONNECT_LIMIT, answered).await??
    }

    fn close(&self, id: ConnectionId) {
        let _ = self.requests.send(Request::Close(id));
    }
}

/// Keep a swarm going, and do what is asked, one dial at a time.
async fn drive(
    mut swarm: Swarm<Behaviour>,
    peer: PeerId,
    target: Multiaddr,
    mut requested: mpsc::UnboundedReceiver<Request>,
    pinged: Arc<Notify>,
) {
    let mut waiting = None;
    loop {
        tokio::select! {
            request = requested.recv() => match request {
                None => return,
                Some(Request::Close(id)) => {
                    swarm.close_connection(id);
                }
                Some(Request::Dial(answer)) => {
                    let dial = DialOpts::peer_id(peer)
                        .addresses(vec![target.clone()])
                        .condition(PeerCondition::Always)
                        .build();
                    match swarm.dial(dial) {
                        Ok(()) => waiting = Some(answer),
                        Err(error) => drop(answer.send(Err(error.into()))),
                    }
                }
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                    let made = swarm.behaviour().streams.connection(connection_id);
                    if let Some(answer) = waiting.take() {
                        let made = made.ok_or_else(|| "it was closed at once".into());
                        let _ = answer.send(made.map(|made| (connection_id, made)));
                    }
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => {
                    if let Some(answer) = waiting.take() {
                        let _ = answer.send(Err(error.into()));
                    }
                }
                SwarmEvent::Behaviour(BehaviourEvent::Ping(_)) => pinged.notify_one(),
                _ => {}
            },
        }
    }
}

/// One line of the standard input of a dialer.
struct Order {
    work: String,
    amount: u64,
    lanes: u64,
    block: u64,
}

impl Order {
    fn parse(line: &str) -> Result<Self, AnyError> {
        let told: Value = serde_json::from_str(line)?;
        let number = |name: &str, default| told[name].as_u64().unwrap_or(default);
        Ok(Self {
            work: told["do"].as_str().unwrap_or_default().into(),
            amount: number("amount", 0),
            lanes: number("lanes", 1),
            block: number("block", BLOCK_SIZE as u64),
        })
    }
}

/// A dialer that does what it is told as often as it is told.
struct Bencher {
    options: Options,
    peer: PeerId,
    target: Multiaddr,
    // What all works but handshakes use.
    connected: Option<(Lane, Connection)>,
    // What handshakes use.
    lanes: Vec<Lane>,
}

/// Do the orders of the standard input, and answer each by a line.
pub async fn dial(target: &str, options: Options) -> Result<(), AnyError> {
    let mut target: Multiaddr = target.parse()?;
    let Some(Protocol::P2p(peer)) = target.pop() else {
        return Err("the multiaddr does not end in /p2p/ and a peer id".into());
    };
    let mut bencher = Bencher {
        options,
        peer,
        target,
        connected: None,
        lanes: Vec::new(),
    };
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = bencher.run(Order::parse(&line)?).await;
        print_line(&answer.unwrap_or_else(|error| json!({"error": reason(error.as_ref())})));
    }
    Ok(())
}

impl Bencher {
    async fn run(&mut self, order: Order) -> Result<Value, AnyError> {
        match order.work.as_str() {
            "upload" => self.perf(&order, order.amount / order.lanes, 0).await,
            "download" => self.perf(&order, 0, order.amount / order.lanes).await,
            "streams" => self.streams(order).await,
            "handshakes" => self.handshakes(order).await,
            "ping" => self.ping(order).await,
            other => Err(format!("unknown work {other:?}").into()),
        }
    }

    fn lane(&self) -> Result<Lane, AnyError> {
        Lane::new(&self.options, self.peer, &self.target)
    }

    async fn connected(&mut self) -> Result<Connection, AnyError> {
        if let Some((_, connection)) = &self.connected {
            return Ok(connection.clone());
        }
        let lane = self.lane()?;
        let (_, connection) = lane.dial().await?;
        // The first ping of the package: the remote keeps one stream of pings
        // only, the last that came.
        lane.pinged.notified().await;
        self.connected = Some((lane, connection.clone()));
        Ok(connection)
    }

    async fn perf(&mut self, order: &Order, send: u64, want: u64) -> Result<Value, AnyError> {
        let connection = self.connected().await?;
        let block = order.block;
        in_lanes(order.lanes, |_| {
            let connection = connection.clone();
            async move {
                let mut stream = connection.open(PERF).await?;
                stream.write_all(&want.to_be_bytes()).await?;
                send_blocks(&mut stream, send, block).await?;
                let got = drain(&mut stream).await?;
                match got == want {
                    true => Ok(()),
                    false => Err(format!("{got} of {want} bytes came").into()),
                }
            }
        })
        .await
    }

    async fn streams(&mut self, order: Order) -> Result<Value, AnyError> {
        let connection = self.connected().await?;
        let left = Arc::new(AtomicI64::new(order.amount as i64));
        in_lanes(order.lanes, |_| {
            let (connection, left) = (connection.clone(), left.clone());
            async move {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let mut stream = connection.open(ECHO).await?;
                    echoed(&mut stream, b"12345").await?;
                    leave(stream);
                }
                Ok(())
            }
        })
        .await
    }

    async fn handshakes(&mut self, order: Order) -> Result<Value, AnyError> {
        while (self.lanes.len() as u64) < order.lanes {
            let lane = self.lane()?;
            self.lanes.push(lane);
        }
        let left = Arc::new(AtomicI64::new(order.amount as i64));
        let times = Arc::new(Mutex::new(Vec::new()));
        let mut told = in_lanes(order.lanes, |lane| {
            let lane = self.lanes[lane as usize].clone();
            let (left, times) = (left.clone(), times.clone());
            async move {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let begin = Instant::now();
                    let (id, connection) = lane.dial().await?;
                    let mut stream = connection.open(ECHO).await?;
                    echoed(&mut stream, b"1").await?;
                    times.lock().expect("not poisoned").push(micros(begin));
                    lane.close(id);
                }
                Ok(())
            }
        })
        .await?;
        told["times"] = json!(*times.lock().expect("not poisoned"));
        Ok(told)
    }

    async fn ping(&mut self, order: Order) -> Result<Value, AnyError> {
        let connection = self.connected().await?;
        let mut stream = connection.open(PING).await?;
        let (begin, mut times) = (Instant::now(), Vec::new());
        for _ in 0..order.amount {
            let begin = Instant::now();
            echoed(&mut stream, &[0; PING_SIZE]).await?;
            times.push(micros(begin));
        }
        leave(stream);
        Ok(json!({"seconds": begin.elapsed().as_secs_f64(), "times": times}))
    }
}

fn micros(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64 / 1000.0
}

/// Run a function in as many lanes as are wanted, each a task of its own, and
/// take the time of all.
async fn in_lanes<F>(lanes: u64, run: impl Fn(u64) -> F) -> Result<Value, AnyError>
where
    F: Future<Output = Result<(), AnyError>> + Send + 'static,
{
    let begin = Instant::now();
    let tasks: Vec<_> = (0..lanes).map(|lane| tokio::spawn(run(lane))).collect();
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    Ok(json!({"seconds": begin.elapsed().as_secs_f64()}))
}
