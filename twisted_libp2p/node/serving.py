# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node as the peer that serves: its protocols, and the endpoints that serve them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.connection.building import Builder, factoryOf
from twisted_libp2p.connection.guarded import Allow
from twisted_libp2p.connection.registry import Match, Registry
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.interfaces import IRegistration
from twisted_libp2p.protocols.exchange import MAX_MESSAGE, TIMEOUT, Answer, Exchange

__all__ = ["ProtocolPort", "ProtocolServer", "ServingNode"]

#: Returns the address of a node for a protocol.
AddressOf = Callable[[str | None], PeerAddress]


@implementer(IListeningPort)
class ProtocolPort:
    """
    A served protocol: the result of C{serve}, and of C{listen} of L{ProtocolServer}.
    """

    def __init__(
        self,
        address: AddressOf,
        registration: IRegistration,
        factory: IProtocolFactory,
    ) -> None:
        self._address = address
        self._registration: IRegistration | None = registration
        self._factory = factory

    def startListening(self) -> None:
        """
        Do nothing: it serves since it was made.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Serve no further stream; open streams go on.
        """
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.cancel()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> PeerAddress:
        """
        Return our peer id, an address on which we listen, and the protocol.
        """
        return self._address(
            self._registration.protocols[0]
            if self._registration is not None and self._registration.protocols
            else None,
        )


@implementer(IStreamServerEndpoint)
class ProtocolServer:
    """
    Serves a protocol of a node.
    """

    def __init__(
        self,
        registry: Registry,
        address: AddressOf,
        protocols: str | Iterable[str] | Match,
        allow: Allow | None = None,
    ) -> None:
        """
        @param registry: the protocols of the node.
        @param protocols: a protocol id, several, or a function that returns whether
            an id is served.
        @param allow: the peers that are served; None for all.
        """
        self._registry = registry
        self._address = address
        self._protocols = protocols
        self._allow = allow

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Serve from now on.
        """
        try:
            return succeed(self.serve(protocolFactory))
        except (ConfigurationError, InvalidInput):
            return fail()

    def serve(self, factory: IProtocolFactory) -> ProtocolPort:
        """
        Serve from now on, or raise what L{listen} fails with.
        """
        registration = self._registry.register(
            self._protocols, factory, allow=self._allow
        )
        factory.doStart()
        return ProtocolPort(self._address, registration, factory)


class ServingNode:
    """
    A node as the peer that serves.

    @ivar clock: the reactor, for times and timers.
    @ivar registry: the protocols that it serves.
    """

    clock: IReactorTime
    registry: Registry

    def address(self, protocol: str | None = None) -> PeerAddress:
        """
        Return the address of this node for a protocol.
        """
        raise NotImplementedError

    def serve(
        self,
        protocols: str | Iterable[str] | Match,
        factory: Builder,
        *,
        allow: Allow | None = None,
    ) -> ProtocolPort:
        """
        Serve a protocol to the peers of this node, at all its addresses and on all its
        connections.

        @param protocols: a protocol id, or several, or a function that returns
            whether an id is served; C{transport.getHost()} has the negotiated id.
        @param factory: builds the protocol of each stream: a factory, or a class of
            protocols, or a function without arguments that returns a protocol.  Or a
            coroutine function, which is called with the
            L{Talk<twisted_libp2p.connection.talk.Talk>} of each stream: the stream is
            closed when it returns, and reset when it raises.
        @param allow: the peers that may open streams: their ids, or a function that
            decides about each; None for all peers.  The streams of other peers are
            reset with the code C{GATED}, and the log names them.
        @return: the served protocol; its C{stopListening} ends the service.
        @raise ConfigurationError: an id is served already, or is invalid.
        @raise InvalidPeerID: an entry of C{allow} is not a peer id.
        """
        return self.listener(protocols, allow=allow).serve(factoryOf(factory))

    def listener(
        self,
        protocols: str | Iterable[str] | Match,
        *,
        allow: Allow | None = None,
    ) -> ProtocolServer:
        """
        Return an endpoint of Twisted that serves a protocol as L{serve} does, for code
        that takes an endpoint.
        """
        return ProtocolServer(self.registry, self.address, protocols, allow)

    def answer(
        self,
        protocols: str | Iterable[str],
        function: Answer,
        *,
        allow: Allow | None = None,
        timeout: float = TIMEOUT,
        maximum: int = MAX_MESSAGE,
    ) -> IRegistration:
        """
        Answer the requests of peers, each a message on a stream of its own: the other
        side of C{ask}.

        @param protocols: a protocol id, or several.
        @param function: called with the connection of the peer and the request, in
            bytes; returns the answer, or a coroutine or Deferred of it.  If it raises,
            the stream is reset.
        @param allow: the peers that may ask, as for L{serve}.
        @param timeout: seconds for the complete request.
        @param maximum: maximum size of a request, in bytes.
        @return: an object whose C{cancel} ends the service.
        @raise ConfigurationError: an id is served already, or is invalid.
        @raise InvalidPeerID: an entry of C{allow} is not a peer id.
        """
        exchange = Exchange(protocols, self.clock, timeout=timeout, maximum=maximum)
        return exchange.serve(self.registry, function, allow)
