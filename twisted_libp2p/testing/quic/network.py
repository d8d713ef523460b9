# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions of QUIC that are joined in memory, without sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IMuxedStream,
    INativeSession,
    IQuicBackend,
    IUpgrade,
    ReceivedDatagram,
    Role,
    Secured,
    SentDatagram,
)
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.testing.muxer.doubles import MuxedConnectionDouble
from twisted_libp2p.testing.muxer.pair import SessionPair
from twisted_libp2p.testing.quic.pair import MOMENT, settingsOf

__all__ = ["QuicSessionPair", "UpgradeDouble", "Wire"]

#: Seconds that pass with each step of a flush, for the pacing of datagrams.
_STEP = 0.0005

#: The most seconds that pass in one step.
_PACE = 2.0


@implementer(IUpgrade)
class UpgradeDouble:
    """
    An upgrade that keeps its session.

    @ivar secured: the result of the handshake.
    @ivar session: the session.
    @ivar failures: the errors.
    """

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.secured: Secured | None = None
        self.session: Any = None
        self.failures: list[Failure] = []
        self.drop: Callable[[], object] | None = None
        self.ready: Callable[[Any], object] = lambda session: None

    def begin(self, drop: Callable[[], object]) -> bool:
        """
        Accept.
        """
        self.drop = drop
        return True

    opensEarly = False

    def early(self, secured: Secured, session: INativeSession) -> None:
        """
        Do nothing.
        """

    def upgraded(self, secured: Secured, session: INativeSession) -> None:
        """
        Keep the session.
        """
        self.secured = secured
        self.session = session
        self.ready(session)

    def fail(self, reason: Failure) -> None:
        """
        Keep the error.
        """
        self.failures.append(reason)


class Wire:
    """
    A port whose datagrams wait until they are delivered by hand.

    @ivar sent: the datagrams that wait.
    @ivar closed: whether it was closed.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.number = port
        self.sent: deque[SentDatagram] = deque()
        self.closed = False

    def send(self, datagram: SentDatagram) -> None:
        """
        Keep datagrams.
        """
        self.sent.append(SentDatagram(*datagram))

    def getHost(self) -> IPv4Address:
        """
        Return the address.
        """
        return IPv4Address("UDP", self.host, self.number)

    def addressTo(self, host: str, port: int) -> IPv4Address:
        """
        Return the address.
        """
        return self.getHost()

    def stopListening(self) -> None:
        """
        Note the end.
        """
        self.closed = True


class _Announcing(Protocol):
    """
    Writes a byte, before the application writes: the peer learns of a stream by its
    first bytes, and the streams of libp2p begin with a negotiation.
    """

    def __init__(self, application: IProtocol) -> None:
        self._application = application

    def makeConnection(self, transport: Any) -> None:
        """
        Write, and connect the application.
        """
        transport.protocol = self._application
        transport.write(b"\0")
        self._application.makeConnection(transport)


class _Announced(Protocol):
    """
    Takes the first byte, and connects the application then.
    """

    def __init__(self, application: IProtocol) -> None:
        self._application = application

    def dataReceived(self, data: bytes) -> None:
        """
        Connect the application.
        """
        transport = self.transport
        assert IMuxedStream.providedBy(transport)
        transport.switchProtocol(self, self._application)
        self._application.makeConnection(transport)
        if len(data) > 1:
            self._application.dataReceived(data[1:])


class _Owner(MuxedConnectionDouble):
    """
    An owner whose streams begin with a byte.
    """

    def openStream(self, protocol: IProtocol) -> IMuxedStream:
        """
        Open a stream and announce it.
        """
        return super().openStream(_Announcing(protocol))

    def buildProtocol(self, addr: Any) -> Any:
        """
        Build a protocol that is connected after the first byte.
        """
        found = super().buildProtocol(addr)
        return None if found is None else _Announced(found)


class QuicSessionPair(SessionPair):
    """
    Two sessions over two hubs in memory.

    @ivar near: the hub of the dialer.
    @ivar far: the hub of the listener.
    @ivar upgrades: those of the dialer and of the listener.
    @ivar dropped: whether a sent datagram is lost.
    @cvar quiet: the seconds that pass where nothing is sent.
    """

    quiet = 0.03

    def __init__(
        self,
        clock: Clock,
        backend: IQuicBackend,
        other: IQuicBackend | None = None,
        start: bool = True,
        announce: bool = True,
        **settings: Any,
    ) -> None:
        """
        @param other: the backend of the listener; the same by default.
        @param start: whether to connect.
        @param announce: whether each stream begins with a byte of its own, so that the
            peer learns of it at once.
        @param settings: settings of both backends.
        """
        super().__init__(clock)
        if announce:
            self.client = _Owner(self.client.localPeer, self.client.remotePeer)
            self.server = _Owner(self.server.localPeer, self.server.remotePeer)
        self._held: set[Wire] = set()
        self.wires = (Wire("192.0.2.1", 4001), Wire("192.0.2.2", 4002))
        identities = [Identity.generate() for _ in range(2)]
        judge = CertificateJudge(lambda: MOMENT)
        hubs = []
        for wire, identity, made in zip(
            self.wires, identities, (backend, other or backend), strict=True
        ):
            hub = QuicHub(
                clock,
                clock.seconds,
                made,
                settingsOf(identity, judge=judge, **settings),
                judge,
                PeerMemory(),
                lambda hub: None,
            )
            hub.port = wire
            hubs.append(hub)
        self.near, self.far = hubs
        self.upgrades = (
            UpgradeDouble(self._handshake(identities, Role.CLIENT)),
            UpgradeDouble(self._handshake(identities, Role.SERVER)),
        )
        self.far.accept = self._accept
        self.dropped: Callable[[SentDatagram], bool] = lambda datagram: False
        if start:
            self.near.dial("192.0.2.2", 4002, self.upgrades[0])
            self.upgrades[0].ready = lambda each: each.start(self.client)
            self.upgrades[1].ready = lambda each: each.start(self.server)
            self.flush()
            self.far.stopAccepting()

    @staticmethod
    def _handshake(identities: list[Identity], role: Role) -> Handshake:
        ours, theirs = identities if role is Role.CLIENT else reversed(identities)
        expected = theirs.peerID if role is Role.CLIENT else None
        return Handshake(ours, role, expected, (), lambda reason: None)

    def _accept(self, address: IAddress | None) -> UpgradeDouble:
        return self.upgrades[1]

    def advance(self, seconds: float) -> None:
        """
        Let time pass, in steps: a connection that carries nothing for long is lost.
        """
        until = self.clock.seconds() + seconds
        self.flush()
        while (left := until - self.clock.seconds()) > 0:
            self.clock.advance(min(left, _PACE))
            self.flush()

    def flush(self) -> None:
        """
        Run all calls that are due and carry datagrams until all is quiet.
        """
        quiet = 0
        while quiet < 3:
            moved = False
            self.clock.advance(0)
            for owner in (self.client, self.server):
                moved = self.deliver(owner) or moved
            quiet = 0 if moved else quiet + 1
            # Datagrams are paced, and acknowledgements delayed.
            self.clock.advance(_STEP if moved else self.quiet)

    def deliver(self, owner: MuxedConnectionDouble, count: int | None = None) -> bool:
        """
        Let datagrams of one side arrive, unless they are held.

        @param count: the most; by default all.
        @return: whether there was any.
        """
        mine, other, hub = self._path(owner)
        moved = 0
        while mine.sent and moved != count and mine not in self._held:
            moved += 1
            sent = mine.sent.popleft()
            if not (self.dropped(sent) or other.closed):
                received = ReceivedDatagram(
                    sent.data, mine.host, mine.number, sent.segment
                )
                hub.received([received])
        return moved > 0

    def hold(self, owner: MuxedConnectionDouble) -> None:
        """
        Keep all datagrams that one side sends from arriving.
        """
        self._held.add(self._path(owner)[0])

    def release(self, owner: MuxedConnectionDouble) -> None:
        """
        Let the datagrams arrive that L{hold} keeps back.
        """
        self._held.discard(self._path(owner)[0])

    def _path(self, owner: MuxedConnectionDouble) -> tuple[Wire, Wire, QuicHub]:
        """
        Return the wire of a side, that of the other one, and the hub of the other one.
        """
        near, far = self.wires
        if owner is self.client:
            return near, far, self.far
        return far, near, self.near
