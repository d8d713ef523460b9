# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two sessions that are connected in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.task import Clock

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IMuxer, IMuxerSession, Role
from twisted_libp2p.testing.muxer.doubles import Collector, MuxedConnectionDouble
from twisted_libp2p.testing.pump import Pump, PumpTransport, inReads

__all__ = ["MuxerPair", "SessionPair"]


class SessionPair:
    """
    Two sessions that are connected, and whose bytes are moved by hand.

    @ivar clock: runs the timers of both sessions.
    @ivar client: the owner of the first session, which opened the connection.
    @ivar server: the owner of the second session.
    """

    def __init__(self, clock: Clock) -> None:
        alice = PeerID(b"\x00\x01a")
        bob = PeerID(b"\x00\x01b")
        self.clock = clock
        self.client = MuxedConnectionDouble(alice, bob)
        self.server = MuxedConnectionDouble(bob, alice)

    def flush(self) -> None:
        """
        Run all calls that are due and move bytes until all is quiet; override this
        if anything but the clock moves bytes.
        """
        self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """
        Let time pass in one step, then L{flush}.
        """
        self.clock.advance(seconds)
        self.flush()

    def hold(self, owner: MuxedConnectionDouble) -> None:
        """
        Keep all bytes that one side sends from arriving; the suites need it only for
        muxers without windows.
        """
        raise NotImplementedError

    def release(self, owner: MuxedConnectionDouble) -> None:
        """
        Let the bytes arrive that L{hold} keeps back.
        """
        raise NotImplementedError

    @property
    def clientSession(self) -> IMuxerSession:
        """
        The session of the side that opened the connection.
        """
        return self.client.session

    @property
    def serverSession(self) -> IMuxerSession:
        """
        The session of the other side.
        """
        return self.server.session

    def open(
        self, owner: MuxedConnectionDouble, protocol: Collector | None = None
    ) -> tuple[Any, Any]:
        """
        Open a stream.

        @param owner: C{client} or C{server}: the side that opens it.
        @param protocol: the protocol to connect to it; by default a L{Collector}.
        @return: the protocols of both ends.
        """
        other = self.server if owner is self.client else self.client
        if protocol is None:
            protocol = Collector()
        owner.openStream(protocol)
        self.flush()
        return protocol, other.protocols[-1]


class MuxerPair(SessionPair):
    """
    Two sessions of muxers, connected by a pump.

    @ivar pump: the connection between them.
    """

    def __init__(
        self,
        client: IMuxer,
        server: IMuxer,
        clock: Clock,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        record: bool = True,
    ) -> None:
        super().__init__(clock)
        ours = client.wrap(Role.CLIENT, self.client)
        theirs = server.wrap(Role.SERVER, self.server)
        protocols: list[Any] = [
            ours.buildProtocol(PeerAddress(self.client.remotePeer)),
            theirs.buildProtocol(PeerAddress(self.server.remotePeer)),
        ]
        self.pump = Pump(*protocols, clock=clock, split=split, record=record)
        self.pump.connect()
        self.pump.flush()

    def flush(self) -> None:
        """
        Run all calls that are due and move bytes until all is quiet.
        """
        self.pump.flush()

    def hold(self, owner: MuxedConnectionDouble) -> None:
        """
        Keep all bytes that one side sends from arriving.
        """
        self._transport(owner).stalled = True

    def release(self, owner: MuxedConnectionDouble) -> None:
        """
        Let the bytes arrive that L{hold} keeps back.
        """
        self._transport(owner).stalled = False

    def _transport(self, owner: MuxedConnectionDouble) -> PumpTransport:
        return self.pump.client if owner is self.client else self.pump.server
