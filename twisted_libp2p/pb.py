# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Perspective Broker between peers: a root object for each calling peer, and the root
object of a peer, ready to be called.

A server has a class whose C{remote_} methods know the caller, and a client needs one
line::

    class Teller(PeerRoot):
        def remote_name(self) -> str:
            return str(self.peer)

    node.serve("/bank/1.0.0", PeerRootFactory(Teller))

    teller = await openRoot(node, address, "/bank/1.0.0")
    print(await teller.callRemote("name"))

The handshake has proven the peer id, so neither side needs a password.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.spread.jelly import SecurityOptions, globalSecurity
from twisted.spread.pb import (
    Broker,
    PBClientFactory,
    PBServerFactory,
    RemoteReference,
    Root,
)

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.node.targets import Target
from twisted_libp2p.pacing import addTimeout

__all__ = ["PeerRoot", "PeerRootFactory", "openRoot"]

#: Seconds that the two sides of a new stream have to agree on PB's dialect.
TIMEOUT = 10.0


class PeerRoot(Root):
    """
    The root object that one peer calls; a subclass has the C{remote_} methods.

    @ivar peer: the id of the calling peer.
    """

    def __init__(self, peer: PeerID) -> None:
        self.peer = peer


class PeerRootFactory(Factory):
    """
    Serves Perspective Broker, with a root object of its own for each stream.
    """

    noisy = False

    def __init__(
        self,
        build: Callable[[PeerID], Root],
        *,
        unsafeTracebacks: bool = False,
        security: SecurityOptions = globalSecurity,
    ) -> None:
        """
        @param build: returns the root object for the peer with an id: a subclass of
            L{PeerRoot}, or a function.
        @param unsafeTracebacks: whether peers get the tracebacks of exceptions.
        @param security: the classes whose instances peers may send.
        """
        self._build = build
        self._unsafeTracebacks = unsafeTracebacks
        self._security = security

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        Build the broker of one stream.

        @raise InvalidInput: the other end is not a libp2p peer.
        """
        root = self._build(PeerAddress.of(addr).peerID)
        server = PBServerFactory(root, self._unsafeTracebacks, self._security)
        broker: Broker = server.buildProtocol(addr)
        return broker


class _ClientBroker(Broker):
    """
    Reports its end to its factory, as only the connectors of C{connectTCP} do.
    """

    factory: Any

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the calls that wait for an answer, and those that wait for the root object.
        """
        super().connectionLost(reason)
        self.factory.clientConnectionLost(None, reason)


class _ClientFactory(PBClientFactory):
    noisy = False
    protocol = _ClientBroker


async def openRoot(
    node: Node,
    target: Target,
    protocols: str | Sequence[str],
    *,
    timeout: float = TIMEOUT,
    security: SecurityOptions = globalSecurity,
    options: DialOptions = DEFAULT_OPTIONS,
) -> RemoteReference:
    """
    Open a stream of Perspective Broker to a peer, and return the root object of its
    server, on which C{callRemote} calls methods.

    The stream stays open until the peer, or C{root.broker.transport.loseConnection()},
    closes it.

    @param target: a peer id, or an address, as for C{node.connect}.
    @param protocols: a protocol id, or several in order of preference.
    @param timeout: seconds for the first answer of the server, once the stream is open.
    @param security: the classes whose instances the peer may send.
    @param options: how to dial, and whether the stream may run over a relay.
    @raise TimeoutError: of C{twisted.internet.defer}: the server was too slow.
    @raise ConnectionClosed: the stream was closed before the server had answered.
    @raise Libp2pError: as C{node.openStream} fails, or the peer has reset the stream.
    """
    factory = _ClientFactory(security=security)
    broker: Any = await node.openStream(target, protocols, factory, options)
    try:
        found: Deferred[RemoteReference] = factory.getRootObject()
        return await addTimeout(found, timeout, node.clock)
    except BaseException:
        broker.transport.abortConnection()
        raise
