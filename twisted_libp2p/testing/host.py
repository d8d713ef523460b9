# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node without a network, for the tests of a service.

The test plays the peers::

    def test_greeting(self):
        host = HostDouble()
        greeter = Greeter()
        greeter.attach(host)
        connection = host.meet()
        stream = host.serve(connection, "/greeter/1.0.0")
        self.assertEqual(stream.value(), b"hello")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin, PeerAddress
from twisted_libp2p.connection.addressfilter import AddressFilter
from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.errors import ClosedHere, NoAddresses, UnsupportedProtocol
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import Identity, PeerID, PublicKey
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AddressSource,
    DialOptions,
    Direction,
    IAllowance,
    IConnection,
    IConnections,
    IHost,
    IPeerStore,
    IProxy,
    Role,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.node.addresses import OwnAddresses
from twisted_libp2p.node.targets import Target, parse
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.transport.proxies import TrustedProxies

__all__ = ["ConnectionDouble", "ConnectionsDouble", "HostDouble", "StreamDouble"]


class StreamDouble(StringTransport):
    """
    A stream whose other end is the test.

    @ivar connection: its connection.
    @ivar protocolID: its protocol.
    @ivar protocol: the object at our end.
    @ivar halfClosed: whether our end has ended its half.
    @ivar resetCode: the code with which our end has reset it; None so far.
    """

    protocol: Any = None
    resetCode: int | None = None
    halfClosed = False

    def __init__(self, connection: ConnectionDouble, protocolID: str) -> None:
        address = PeerAddress(
            connection.remotePeer, connection.remoteAddress, protocolID
        )
        super().__init__(peerAddress=address)
        self.connection = connection
        self.protocolID = protocolID

    def abortConnection(self, code: int = 0) -> None:
        """
        Reset the stream.
        """
        self.resetCode = code
        super().abortConnection()

    def loseWriteConnection(self) -> None:
        """
        Record that our end has ended its half in C{halfClosed}.
        """
        self.halfClosed = True

    def join(self, factory: IProtocolFactory) -> IProtocol | None:
        """
        Build the protocol of our end, and connect it.

        @return: None if the factory has refused.
        """
        self.protocol = factory.buildProtocol(self.getPeer())
        if self.protocol is not None:
            self.protocol.makeConnection(self)
        return self.protocol  # type: ignore[no-any-return]


@implementer(IConnection)
class ConnectionDouble:
    """
    A connection that carries L{StreamDouble}s.

    @ivar serves: the protocols that the peer serves.
    @ivar opened: the streams that our side has opened.
    @ivar roundTrip: the result of L{ping}, in seconds.
    @ivar received: 0, as L{sent}: it carries no bytes.
    """

    def __init__(
        self,
        localPeer: PeerID,
        remoteKey: PublicKey,
        remoteAddress: Multiaddr | None,
        serves: Iterable[str],
    ) -> None:
        self.localPeer = localPeer
        self.remoteKey = remoteKey
        self.remotePeer = PeerID.fromKey(remoteKey)
        self.localAddress: Multiaddr | None = None
        self.remoteAddress = remoteAddress
        self.direction = Direction.OUTBOUND
        self.role = Role.CLIENT
        self.limited = False
        self.allowance: IAllowance | None = None
        self.transport = "memory"
        self.security = "/noise"
        self.muxer = "/yamux/1.0.0"
        self.early = True
        self.upgradeTime = 0.0
        self.openedAt = 0.0
        self.endsApart = True
        self.streams: list[Any] = []
        self.connected = True
        self.reason: Failure | None = None
        self.serves = list(serves)
        self.opened: list[StreamDouble] = []
        self.roundTrip = 0.0
        self.received = self.sent = 0

    def openStream(
        self,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        *,
        allowLimited: bool = False,
    ) -> Deferred[IProtocol]:
        """
        Open a stream, with the first protocol that the peer serves.
        """
        proposed = (protocols,) if isinstance(protocols, str) else tuple(protocols)
        for each in proposed:
            if each in self.serves:
                stream = StreamDouble(self, each)
                self.opened.append(stream)
                return succeed(stream.join(factory))  # type: ignore[arg-type]
        return fail(UnsupportedProtocol(proposed, tuple(self.serves)))

    def ping(self) -> Deferred[float]:
        """
        Return C{roundTrip}.
        """
        return succeed(self.roundTrip)

    def close(self, code: int = 0) -> Deferred[None]:
        """
        End the connection.
        """
        self.abort(Failure(ClosedHere(code)))
        return succeed(None)

    def abort(self, reason: Failure) -> None:
        """
        End the connection.
        """
        self.connected = False
        self.reason = self.reason or reason

    def whenClosed(self) -> Deferred[None]:
        """
        Fire at once: the double has ended when it is closed.
        """
        return succeed(None)


@implementer(IConnections)
class ConnectionsDouble:
    """
    The connections of a L{HostDouble}.

    @ivar protected: the tags of each protected peer.
    """

    def __init__(self) -> None:
        self._all: list[ConnectionDouble] = []
        self.protected: dict[PeerID, set[str]] = {}

    def __iter__(self) -> Iterator[ConnectionDouble]:
        return iter([each for each in self._all if each.connected])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def to(self, peer: PeerID | str) -> list[ConnectionDouble]:
        """
        Return the connections to a peer.
        """
        wanted = PeerID.of(peer)
        return [each for each in self if each.remotePeer == wanted]

    def protect(self, peer: PeerID | str, tag: str, redial: bool = True) -> None:
        """
        Record that a peer is protected.
        """
        self.protected.setdefault(PeerID.of(peer), set()).add(tag)

    def unprotect(self, peer: PeerID | str, tag: str) -> bool:
        """
        Remove the record.
        """
        tags = self.protected.get(PeerID.of(peer), set())
        tags.discard(tag)
        return bool(tags)

    def add(self, connection: ConnectionDouble) -> None:
        """
        Add a connection.
        """
        self._all.append(connection)


@implementer(IHost)
class HostDouble:
    """
    A node without a network: the test adds its connections by L{meet}, and opens the
    streams of peers by L{serve}.

    @ivar asked: the targets of L{connect}, in order.
    @ivar punched: the addresses, the role, the round trip and the result of each call
        of L{punch}.
    @ivar dialedBack: the peer, the address and the result of each call of L{dialBack}.
    @ivar listening: the addresses that L{listenOn} was called with.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        identity: Identity | None = None,
        addresses: Iterable[Multiaddr] = (),
    ) -> None:
        """
        @param clock: the reactor; a new clock by default.
        @param identity: the private key; a new one by default.
        @param addresses: the addresses on which the node listens.
        """
        self.proxy: IProxy | None = None
        self.reactor: Any = clock or Clock()
        self.clock: IReactorTime = self.reactor
        self.identity = identity or Identity.generate()
        self.events = EventBus()
        self.registry = Registry()
        self.peerstore: IPeerStore = MemoryPeerStore(self.clock)
        self.connections = ConnectionsDouble()
        self.ownAddresses = OwnAddresses(self.peerID, self.clock, self.events)
        self.ownAddresses.update(AddressSource.BOUND, addresses)
        self.addressFilter = AddressFilter(self.ownAddresses, self.clock.seconds)
        self.proxies = TrustedProxies()
        self.limits = Limits.scaled()
        self.asked: list[Target] = []
        self.listening: list[Multiaddr] = []
        self.dialedBack: list[tuple[PeerID, Multiaddr, Deferred[Any]]] = []
        self.punched: list[
            tuple[tuple[Multiaddr, ...], Role, float | None, Deferred[Any]]
        ] = []

    @property
    def peerID(self) -> PeerID:
        """
        The peer id of the node.
        """
        return self.identity.peerID

    @property
    def addresses(self) -> list[Multiaddr]:
        """
        The addresses of the node.
        """
        return self.ownAddresses.full()

    def meet(
        self,
        identity: Identity | None = None,
        address: str | None = None,
        serves: Iterable[str] = (),
    ) -> ConnectionDouble:
        """
        Connect the node with a peer.

        @param identity: the key of the peer; a new one by default.
        @param address: the address of the peer.
        @param serves: the protocols that the peer serves.
        """
        connection = ConnectionDouble(
            self.peerID,
            (identity or Identity.generate()).publicKey,
            None if address is None else Multiaddr(address),
            serves,
        )
        self.connections.add(connection)
        return connection

    def serve(self, connection: ConnectionDouble, protocol: str) -> StreamDouble:
        """
        Let the peer of a connection open a stream.

        @return: the stream; its C{protocol} is the protocol that the node serves.
        @raise UnsupportedProtocol: the node does not serve it.
        """
        factory = self.registry.lookup(protocol)
        if factory is None:
            raise UnsupportedProtocol((protocol,), self.registry.protocols())
        stream = StreamDouble(connection, protocol)
        stream.join(factory)
        return stream

    def connect(
        self, target: Target, options: DialOptions = DEFAULT_OPTIONS
    ) -> Deferred[Any]:
        """
        Return a connection that L{meet} has made.

        @return: fails with L{NoAddresses} if it has made none.
        """
        self.asked.append(target)
        peer, _ = parse(target)
        for each in self.connections:
            if each.remotePeer == peer:
                return succeed(each)
        return fail(NoAddresses(f"the test has not met {target}"))

    def whenDirect(self, peer: PeerID, seconds: float) -> Deferred[IConnection | None]:
        """
        Return a direct connection that L{meet} has made, or None at once.
        """
        direct = [
            each
            for each in self.connections.to(peer)
            if each.connected and isDirect(each)
        ]
        return succeed(direct[0] if direct else None)

    def punch(
        self,
        peer: PeerID,
        addresses: Iterable[Multiaddr],
        role: Role,
        roundTrip: float | None,
        seconds: float,
        origin: Origin,
    ) -> Deferred[Any]:
        """
        Record the dial in C{punched}.

        @return: a Deferred that the test fires.
        """
        punching: Deferred[Any] = Deferred()
        self.punched.append((tuple(addresses), role, roundTrip, punching))
        return punching

    def dialsBack(self, address: Multiaddr) -> bool:
        """
        Accept all addresses.
        """
        return True

    def dialBack(self, peer: PeerID, address: Multiaddr) -> Deferred[Any]:
        """
        Record the dial in C{dialedBack}.

        @return: a Deferred that the test fires.
        """
        dialing: Deferred[Any] = Deferred()
        self.dialedBack.append((peer, address, dialing))
        return dialing

    def listenOn(self, address: str | Multiaddr) -> Deferred[list[Multiaddr]]:
        """
        Record the address in C{listening}.
        """
        self.listening.append(Multiaddr.of(address))
        return succeed([])

    async def stopListeningOn(self, address: str | Multiaddr) -> None:
        """
        Remove the address from C{listening}.
        """
        self.listening.remove(Multiaddr.of(address))

    def openStream(
        self,
        target: Target,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[IProtocol]:
        """
        Open a stream on a connection that L{meet} has made.
        """
        return self.connect(target).addCallback(
            lambda connection: connection.openStream(protocols, factory)
        )
