# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport that is secure and multiplexed by itself: Noise and yamux at once, over any
transport of bytes, without a negotiation.

It stands for QUIC and its like: a node that has it begins at the streams::

    node = Node(reactor, transports=[Straight(TCPTransport(reactor), reactor)])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    IMuxedConnection,
    IMuxedTransport,
    INativeSession,
    ITransport,
    IUpgrade,
)
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.security.noise import Noise


@implementer(INativeSession)
class StraightSession(Protocol):
    """
    Sits on Noise, and gives its transport to yamux when it has an owner.
    """

    transport: Any

    def __init__(self, upgrade: IUpgrade, muxer: Yamux) -> None:
        self._upgrade = upgrade
        self._muxer = muxer
        self._session: Any = None

    def connectionMade(self) -> None:
        # The peer has proven its identity.
        secured = replace(self.transport.secured, muxer=self._muxer.protocolID)
        self._upgrade.upgraded(secured, self)

    def start(self, connection: IMuxedConnection) -> None:
        factory = self._muxer.wrap(self._upgrade.handshake.role, connection)
        self._session = factory.buildProtocol(self.getPeer())
        self._session.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self._session is not None:
            self._session.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._session is not None:
            self._session.connectionLost(reason)

    def getHost(self) -> Any:
        return self.transport.getHost()

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def abort(self, reason: Failure) -> None:
        self.transport.abortConnection()


class _Accepting(Factory):
    """
    Builds the layers of each accepted connection.
    """

    noisy = False

    def __init__(self, accept: Any, layers: Callable[[IUpgrade], Any]) -> None:
        self._accept = accept
        self._layers = layers

    def buildProtocol(self, addr: IAddress | None) -> Any:
        upgrade = self._accept(addr)
        if upgrade is None:
            return None
        wire = self._layers(upgrade).buildProtocol(addr)
        return wire if upgrade.begin(lambda: wire.transport.abortConnection()) else None


@implementer(IMuxedTransport)
class Straight:
    """
    Dials and listens on the addresses of another transport.
    """

    name = "straight"
    byteStream = False

    def __init__(self, below: ITransport, clock: IReactorTime) -> None:
        self._below = below
        self._noise = Noise(clock)
        self._yamux = Yamux(clock)

    def _layers(self, upgrade: IUpgrade) -> Any:
        session = StraightSession(upgrade, self._yamux)
        return self._noise.wrap(upgrade.handshake, StreamFactory(lambda: session))

    def canDial(self, address: Multiaddr) -> bool:
        return self._below.canDial(address)

    def canListen(self, address: Multiaddr) -> bool:
        return self._below.canListen(address)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        return self._below.listeningOn(address, port)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        return self._below.toMultiaddr(address)

    def dial(
        self, address: Multiaddr, upgrade: IUpgrade, options: Any = DEFAULT_OPTIONS
    ) -> None:
        endpoint = self._below.clientEndpoint(address, options)
        connecting: list[Deferred[Any]] = []
        wires: list[Any] = []

        def drop() -> None:
            for each in connecting:
                each.cancel()
            for wire in wires:
                wire.transport.abortConnection()

        if upgrade.begin(drop):
            connecting.append(endpoint.connect(self._layers(upgrade)))
            connecting[0].addCallbacks(wires.append, upgrade.fail)

    def listen(
        self, address: Multiaddr, accept: Callable[[IAddress | None], IUpgrade | None]
    ) -> Deferred[IListeningPort]:
        endpoint = self._below.serverEndpoint(address)
        return endpoint.listen(_Accepting(accept, self._layers))
