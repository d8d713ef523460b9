# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The base class of the tests of a security protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    Handshake,
    ISecurity,
    Role,
)
from twisted_libp2p.testing.pump import Pump, byteByByte, inReads
from twisted_libp2p.testing.security.sides import Side
from twisted_libp2p.testing.security.ways import (
    Middle,
    Way,
    straight,
)

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object


__all__ = ["SecurityTests"]

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4001)


class SecurityTests(_TestCase):
    """
    Two sides of a security protocol, connected in memory.

    @cvar earlyMuxers: whether the muxer can be agreed inside the handshake.
    @cvar authenticates: whether the handshake protects from an attacker in the middle;
        if not, the tests of that are left out.
    @cvar meaningless: the places of bytes in the messages of a handshake that no side
        checks, so that a change to them has no effect.
    @cvar slack: the number of bytes by which one handshake may be longer than another;
        this number of bytes at the end is not tried where every byte is tried.
    @cvar stride: the step from one tried byte to the next, for slow handshakes.
    @ivar clock: the clock, which L{security} passes on.
    """

    earlyMuxers: bool = False
    authenticates: bool = True
    meaningless: frozenset[int] = frozenset()
    slack: int = 0
    stride: int = 1

    def security(self) -> ISecurity:
        """
        Make the security protocol.  Called once for each side.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Make two identities and a clock.
        """
        super().setUp()
        self.clock = Clock()
        self._identities = (Identity.generate(), Identity.generate())

    def tearDown(self) -> None:
        """
        Check that no timer is left.
        """
        super().tearDown()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def connect(
        self,
        *,
        identities: tuple[Identity, Identity] | None = None,
        expected: tuple[PeerID | None, PeerID | None] = (None, None),
        muxers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        ways: tuple[Way, Way] = (straight, straight),
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        greeting: bytes = b"",
    ) -> tuple[Pump, Side, Side]:
        """
        Connect an initiator and a responder, and let them do the handshake.  The first
        of each pair of options is the initiator's.

        @param ways: the changes to the bytes on their way to each side.
        """
        sides = initiator, responder = [
            Side(identity) for identity in identities or self._identities
        ]
        for side, expects, offers, way in zip(
            sides, expected, muxers, ways, strict=True
        ):
            side.greeting = greeting
            handshake = Handshake(
                identity=side.identity,
                role=Role.CLIENT if side is initiator else Role.SERVER,
                expected=expects,
                muxers=offers,
                failed=side.failures.append,
            )
            layer = self.security().wrap(handshake, side).buildProtocol(ADDRESS)
            assert layer is not None
            side.middle = Middle(layer, way)
        pump = Pump(initiator.middle, responder.middle, clock=self.clock, split=split)
        pump.connect()
        pump.flush()
        return pump, initiator, responder

    def cut(self, pump: Pump) -> None:
        """
        End a connection from outside, in order.
        """
        for transport in (pump.client, pump.server):
            transport.lose(ConnectionDone())
        pump.flush()

    def assertNobody(self, side: Side) -> None:
        """
        Check that the handshake has failed, once, with a typed error.
        """
        self.assertFalse(side.authenticated)
        (failure,) = side.failures
        self.assertIsInstance(failure.value, Libp2pError)

    def assertOver(self, side: Side) -> Failure:
        """
        Check that the connection is over, and that this was reported once.

        @return: the reason.
        """
        if not side.authenticated:
            self.assertNobody(side)
            return side.failures[0]
        self.assertEqual(side.failures, [])
        (reason,) = side.application.reasons
        return reason

    def everyPlace(
        self, spoilt: Callable[[int], Way], without: Container[int] = ()
    ) -> Iterator[tuple[Pump, Side, Side]]:
        """
        Do one handshake for each byte of a handshake, with a change at that byte.

        @param spoilt: returns the change for a place.
        @param without: the places of bytes that are not changed.
        @return: the connection, the side that receives the byte, and its sender.
        """
        pump, *sides = self.connect(split=byteByByte)
        self.cut(pump)
        for receiver, side in enumerate(sides):
            self.assertGreater(side.handshakeSize, self.slack)
            for place in range(0, side.handshakeSize - self.slack, self.stride):
                if place in without:
                    continue
                way = spoilt(place)
                ways = (straight, way) if receiver else (way, straight)
                pump, initiator, responder = self.connect(ways=ways)
                if receiver:
                    yield pump, responder, initiator
                else:
                    yield pump, initiator, responder
                self.cut(pump)
