# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions whose peer is played frame by frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.muxer.raw import Frames, RawPeer
from twisted_libp2p.errors import (
    ProtocolViolation,
)
from twisted_libp2p.interfaces import Role
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.muxer.yamux.frame import (
    ACK,
    GO_AWAY,
    PING,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    pack,
)
from twisted_libp2p.muxer.yamux.pings import FIRST_PING

__all__ = ["MIB", "WINDOW", "SessionTestCase", "frames"]

WINDOW = 256 * 1024
MIB = 1024 * 1024


def frames(data: bytes) -> list[tuple[Any, ...]]:
    """
    Read what a session has sent: tuples of type, flags, stream id and length,
    with the body behind them where there is one.
    """
    found = Frames()
    FrameReader(found).feed(data)
    return found.found


class SessionTestCase(SynchronousTestCase):
    """
    A session with a raw peer.
    """

    role = Role.SERVER
    options: Mapping[str, Any] = MappingProxyType({})

    def setUp(self) -> None:
        """
        Connect, and answer the first ping a tenth of a second after it.
        """
        self.clock = Clock()
        self.peer = RawPeer(Yamux(self.clock, **self.options), self.clock, self.role)
        self.owner = self.peer.owner
        self.started = self.peer.take()
        self.clock.advance(FIRST_PING)
        self.peer.pump.flush()
        self.first = self.peer.take()
        self.clock.advance(0.1)
        self.peer.send(pack(PING, ACK, 0, 0))

    def tearDown(self) -> None:
        """
        No timer is left.
        """
        self.peer.session.close()
        self.peer.pump.flush()
        self.peer.pump.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def sent(self) -> list[tuple[Any, ...]]:
        """
        @return: the frames that the session has sent since the last time.
        """
        return frames(self.peer.take())

    def open(self, protocol: Any = None) -> Any:
        """
        Have the peer open stream 1, and forget the acknowledgement.
        """
        if protocol is not None:
            self.owner.build = lambda: protocol
        self.peer.send(pack(WINDOW_UPDATE, SYN, 1, 0))
        self.peer.take()
        return self.owner.protocols[-1]

    def assertViolation(self, text: str) -> None:
        """
        Check that the session has ended by the peer's fault: with a go-away
        for a protocol error as the last frame, and typed reasons.
        """
        self.assertEqual(self.sent()[-1:], [(GO_AWAY, 0, 0, 1)])
        self.owner.lost[0].trap(ProtocolViolation)
        self.assertIn(text, str(self.owner.lost[0].value))
        self.assertIsNotNone(self.peer.lost)
        for stream, reason in self.owner.ended:
            reason.trap(ProtocolViolation)
            self.assertTrue(stream.disconnected)
        self.assertEqual(len(self.owner.ended), len(self.owner.opened))
