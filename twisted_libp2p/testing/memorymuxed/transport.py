# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport inside one process that secures and multiplexes by itself.

It is the model of a natively muxed transport, and lets whole nodes run without any
layer of negotiation, security and muxer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IMuxedTransport,
    IUpgrade,
    Role,
    Secured,
)
from twisted_libp2p.testing.memorymuxed.session import MemorySession
from twisted_libp2p.transport.memory import (
    MemoryAddress,
    MemoryAddressing,
    MemoryNumbers,
)

__all__ = ["SECURITY", "MemoryMuxedNetwork", "MemoryMuxedTransport"]

#: The name of the security of these connections, which never leave the process.
SECURITY = "/memory"

Accept = Callable[[IAddress | None], IUpgrade | None]


class MemoryMuxedNetwork(MemoryNumbers[Accept]):
    """
    The network of the nodes that share it; it carries the events of sessions.
    """

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
        address: MemoryAddress,
        source: MemoryAddress,
    ) -> None:
        self._network = network
        self._upgrade = upgrade
        self._address = address
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
        address = self._address
        accept = self._network.receiver(address)
        far = None if accept is None else accept(self._source)
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
class MemoryMuxedTransport(MemoryAddressing):
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
        source = self._network.free() if local is None else MemoryAddress.of(local)
        _Dial(self._network, upgrade, MemoryAddress.of(address), source).begin()

    def listen(self, address: Multiaddr, accept: Accept) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once; number 0 takes a free one.
        """
        return self._network.listen(MemoryAddress.of(address), accept)
