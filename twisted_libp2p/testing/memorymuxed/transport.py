# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport inside one process that secures and multiplexes by itself.

It is the model of a natively muxed transport, and lets whole nodes run without any
layer of negotiation, security and muxer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, ConnectionRefusedError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch, UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IMuxedTransport,
    IUpgrade,
    Role,
    Secured,
)
from twisted_libp2p.testing.memorymuxed.session import MemorySession
from twisted_libp2p.transport.memory import MemoryAddress

__all__ = ["SECURITY", "MemoryMuxedNetwork", "MemoryMuxedTransport"]

#: The name of the security of these connections, which never leave the process.
SECURITY = "/memory"

Accept = Callable[[IAddress | None], IUpgrade | None]


@implementer(IListeningPort)
class _Port:
    """
    A listener of a network in memory.
    """

    def __init__(
        self, network: MemoryMuxedNetwork, address: MemoryAddress, accept: Accept
    ) -> None:
        self._network = network
        self._address = address
        self.accept = accept

    def startListening(self) -> None:
        """
        Accept connections.

        @raise CannotListenError: another listener has this number.
        """
        number = self._address.number
        if number in self._network.ports:
            raise CannotListenError("memory", number, OSError("address in use"))
        self._network.ports[number] = self

    def stopListening(self) -> Deferred[None]:
        """
        Accept no further connections.
        """
        self._network.ports.pop(self._address.number, None)
        return succeed(None)

    def getHost(self) -> MemoryAddress:
        """
        Return the address on which this listens.
        """
        return self._address


class MemoryMuxedNetwork:
    """
    The network of the nodes that share it.

    @ivar clock: the reactor whose turns carry each step.
    @ivar delay: seconds that each step is on its way, in one direction.
    @ivar ports: the listeners, by their numbers.
    """

    def __init__(self, clock: IReactorTime, delay: float = 0.0) -> None:
        self.clock = clock
        self.delay = delay
        self.ports: dict[int, _Port] = {}
        self._last = 0

    def free(self) -> int:
        """
        Return a number that no end has yet.
        """
        self._last += 1
        while self._last in self.ports:
            self._last += 1
        return self._last

    def sessions(
        self, role: Role, near: MemoryAddress, far: MemoryAddress
    ) -> tuple[MemorySession, MemorySession]:
        """
        Make two sessions that are connected.

        @param role: the part of the first one.
        @param near: the address of the first one.
        @param far: the address of the second one.
        """
        other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
        ours = MemorySession(self.clock, self.delay, role, near, far)
        theirs = MemorySession(self.clock, self.delay, other, far, near)
        ours.other, theirs.other = theirs, ours
        return ours, theirs


class _Dial:
    """
    One connection on its way from the dialer to the listener.
    """

    def __init__(
        self,
        network: MemoryMuxedNetwork,
        upgrade: IUpgrade,
        number: int,
        source: MemoryAddress,
    ) -> None:
        self._network = network
        self._upgrade = upgrade
        self._number = number
        self._source = source
        self._sessions: tuple[MemorySession, ...] = ()
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """
        Arrive after a round trip.
        """
        if self._upgrade.begin(self.drop):
            network = self._network
            self._call = network.clock.callLater(2 * network.delay, self._arrive)

    def drop(self) -> None:
        """
        Give up, or end the connection at once.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        for session in self._sessions[:1]:
            session.abort(Failure(ConnectionRefusedError("dropped")))

    def _dropFar(self) -> None:
        for session in self._sessions[1:]:
            session.abort(Failure(ConnectionRefusedError("dropped")))

    def _arrive(self) -> None:
        """
        Let the listener accept the connection, and both sides prove their identity.
        """
        self._call = None
        upgrade = self._upgrade
        address = MemoryAddress(self._number)
        port = self._network.ports.get(self._number)
        far = None if port is None else port.accept(self._source)
        if far is None or not far.begin(self._dropFar):
            upgrade.fail(
                Failure(ConnectionRefusedError(f"nobody listens at {address}"))
            )
            return
        ours, theirs = upgrade.handshake, far.handshake
        try:
            ours.meet(SECURITY, theirs.identity.peerID)
        except PeerMismatch:
            upgrade.fail(Failure())
            far.fail(Failure(HandshakeFailed(SECURITY, "the peer expected another")))
            return
        self._sessions = self._network.sessions(ours.role, self._source, address)
        near, remote = self._sessions
        far.upgraded(
            Secured(SECURITY, ours.identity.peerID, ours.identity.publicKey), remote
        )
        upgrade.upgraded(
            Secured(SECURITY, theirs.identity.peerID, theirs.identity.publicKey), near
        )


@implementer(IMuxedTransport)
class MemoryMuxedTransport:
    """
    Dials, and listens on, C{/memory} addresses of one network.
    """

    name = "memory-muxed"
    byteStream = False

    def __init__(self, network: MemoryMuxedNetwork) -> None:
        """
        @param network: the network of the peers to reach.
        """
        self._network = network

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address is one of memory, and no more.
        """
        return address.names == ("memory",)

    canListen = canDial

    def dial(
        self,
        address: Multiaddr,
        upgrade: IUpgrade,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> None:
        """
        Begin to connect to an address.

        @raise UnsupportedAddress: C{options.local} is not an address of memory.
        """
        local = options.local
        number = self._network.free() if local is None else self._number(local)
        source = MemoryAddress(number)
        _Dial(self._network, upgrade, self._number(address), source).begin()

    def listen(self, address: Multiaddr, accept: Accept) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once; number 0 takes a free one.
        """
        number = self._number(address) or self._network.free()
        port = _Port(self._network, MemoryAddress(number), accept)
        try:
            port.startListening()
        except CannotListenError:
            return fail()
        return succeed(port)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the address of a listener.
        """
        host = self.toMultiaddr(port.getHost())
        return [] if host is None else [host]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an address of memory.
        """
        if isinstance(address, MemoryAddress):
            return Multiaddr(f"/memory/{address.number}")
        return None

    def _number(self, address: Multiaddr) -> int:
        if not self.canDial(address):
            raise UnsupportedAddress(
                f"{address} is no address of memory: /memory/7 is one"
            )
        return int(address.value("memory") or 0)
