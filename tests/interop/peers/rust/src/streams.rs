// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! Opens and takes raw streams on one certain connection.
//!
//! The crate libp2p-stream drops what comes in while nobody waits for it, and
//! chooses the connection by itself.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

type Answer = oneshot::Sender<io::Result<Stream>>;

enum Request {
    Open(StreamProtocol, Answer),
    Answer(oneshot::Sender<()>),
}

/// One connection, as long as it lasts.
#[derive(Clone)]
pub struct Connection {
    is_mplex: bool,
    requests: mpsc::UnboundedSender<Request>,
}

impl Connection {
    /// Open a stream.
    pub async fn open(&self, protocol: StreamProtocol) -> io::Result<Stream> {
        let (answer, opened) = oneshot::channel();
        let _ = self.requests.send(Request::Open(protocol, answer));
        opened.await.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "connection lost",
            ))
        })
    }

    /// Ask the connection whether it is there: streams that end with it are
    /// told first.
    pub async fn is_alive(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        let _ = self.requests.send(Request::Answer(answer));
        answered.await.is_ok()
    }

    pub fn is_mplex(&self) -> bool {
        self.is_mplex
    }
}

/// A stream that the remote has opened.
pub struct Incoming {
    pub stream: Stream,
    pub protocol: StreamProtocol,
    pub connection: Connection,
}

pub struct Behaviour {
    protocols: Vec<StreamProtocol>,
    is_mplex: bool,
    incoming: mpsc::UnboundedSender<Incoming>,
    connections: HashMap<ConnectionId, Connection>,
}

impl Behaviour {
    /// Take the streams of these protocols.
    pub fn new(
        protocols: &[StreamProtocol],
        is_mplex: bool,
    ) -> (Self, mpsc::UnboundedReceiver<Incoming>) {
        let (incoming, taken) = mpsc::unbounded_channel();
        let protocols = protocols.to_vec();
        (
            Self {
                protocols,
                is_mplex,
                incoming,
                connections: HashMap::new(),
            },
            taken,
        )
    }

    /// Find an established connection.
    pub fn connection(&self, id: ConnectionId) -> Option<Connection> {
        self.connections.get(&id).cloned()
    }

    fn handler(&mut self, id: ConnectionId) -> Handler {
        let (requests, requested) = mpsc::unbounded_channel();
        let connection = Connection {
            is_mplex: self.is_mplex,
            requests,
        };
        self.connections.insert(id, connection.clone());
        Handler {
            protocols: self.protocols.clone(),
            incoming: self.incoming.clone(),
            connection,
            requested,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.connections.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

pub struct Handler {
    protocols: Vec<StreamProtocol>,
    incoming: mpsc::UnboundedSender<Incoming>,
    connection: Connection,
    requested: mpsc::UnboundedReceiver<Request>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Named;
    type OutboundProtocol = Named;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Answer;

    fn listen_protocol(&self) -> SubstreamProtocol<Named> {
        SubstreamProtocol::new(Named(self.protocols.clone()), ())
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Named, Answer, Infallible>> {
        while let Poll::Ready(Some(request)) = self.requested.poll_recv(context) {
            match request {
                Request::Open(protocol, answer) => {
                    return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                        protocol: SubstreamProtocol::new(Named(vec![protocol]), answer),
                    });
                }
                Request::Answer(answer) => {
                    let _ = answer.send(());
                }
            }
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Named, Named, (), Answer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => {
                let connection = self.connection.clone();
                let _ = self.incoming.send(Incoming {
                    stream,
                    protocol,
                    connection,
                });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info: answer,
            }) => {
                let _ = answer.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                info: answer,
                error,
            }) => {
                let _ = answer.send(Err(match error {
                    StreamUpgradeError::Io(error) => error,
                    StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
                    StreamUpgradeError::NegotiationFailed => {
                        io::Error::other("the remote does not speak the protocol")
                    }
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}

/// Leaves a stream as it is once its protocol is agreed on.
pub struct Named(Vec<StreamProtocol>);

impl UpgradeInfo for Named {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Named {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for Named {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
