# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a gater in a node, at each place where it is asked.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import formatEvent

from tests.connmanager.crowd import CrowdTestCase, Late, transport
from twisted_libp2p.connmanager import ListGater, OpenGater
from twisted_libp2p.errors import (
    DialFailed,
    ErrorCode,
    Gated,
    SessionEnded,
)
from twisted_libp2p.events import (
    OpenedConn,
)


class GaterTests(CrowdTestCase):
    """
    The hooks of the gater, each in its place.
    """

    def test_accepted(self) -> None:
        """
        Blocked addresses are closed at once.
        """
        self.serve(gater=ListGater(blocked=["192.0.2.0/24"]))
        self.failureResultOf(self.dial(self.come("192.0.2.1")), DialFailed)
        self.assertTrue(self.connect(self.come("198.51.100.1")).connected)

    def test_secured(self) -> None:
        """
        Blocked peers are sent the code of the refusal after the handshake,
        whichever way the muxer is agreed; nobody hears of a connection.
        """
        gater = ListGater()
        server = self.serve(gater=gater)
        for security in (["noise"], ["tls"], [Late(self.nodes.clock)]):
            node = self.come(security=security)
            gater.blocked.add(node.peerID)
            error = self.refused(self.connect(node))
            assert isinstance(error, SessionEnded)
            self.assertEqual(error.code, ErrorCode.GATED)
            self.assertEqual(list(node.connections), [])
            self.assertEqual(list(server.connections), [])
            self.assertEqual(server.connections.limiter.transient.used.connections, 0)
        self.assertEqual(self.counts[OpenedConn], 0)
        self.assertTrue(self.connect(self.come()).connected)

    def test_stranger(self) -> None:
        """
        Where only some peers are allowed, a stranger is sent the code, and the
        log names the peer and its address.
        """
        friend, stranger = self.come("192.0.2.1"), self.come("192.0.2.2")
        self.serve(gater=ListGater(allowed=[friend.peerID], only=True))
        error = self.refused(self.connect(stranger))
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.GATED)
        self.assertEqual(
            str(error),
            "the peer ended the session (code 0x1008, GATED: it refuses this node)",
        )
        self.assertEqual(str(SessionEnded(7)), "the peer ended the session (code 0x7)")
        (line,) = [
            text
            for text in map(formatEvent, self.logged)
            if text is not None and "refused by the gater" in text
        ]
        self.assertIn(str(stranger.peerID), line)
        self.assertIn("/ip4/192.0.2.2/tcp/4001", line)
        self.assertTrue(self.connect(friend).connected)

    def test_refusedAndFailed(self) -> None:
        """
        When the upgrade with a peer that the gater has refused fails later on,
        the reason is the refusal still, and nothing is left.
        """

        class Choosy(OpenGater):
            def secured(self, peer: Any, address: Any, direction: str) -> str | None:
                return "not today"

        server = self.serve(muxers=["mplex"])
        node = self.come(gater=Choosy(), security=[Late(self.nodes.clock)])
        failure = self.failureResultOf(self.dial(node), DialFailed)
        ((_, error),) = failure.value.causes
        self.assertIsInstance(error, Gated)
        self.assertEqual(server.connections.limiter.transient.used.connections, 0)

    def test_upgraded(self) -> None:
        """
        A connection that is refused when it is ready is told the code.
        """

        class Choosy(OpenGater):
            def upgraded(self, connection: Any) -> str | None:
                return "not today"

        self.serve(gater=Choosy())
        error = self.refused(self.connect(self.come()))
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, ErrorCode.GATED)
        self.assertEqual(self.counts[OpenedConn], 0)

    def test_stoppedMeanwhile(self) -> None:
        """
        A node that stops does not wait for one that it has refused, and that
        does not take its leave.
        """

        ends: list[Any] = []

        class Choosy(OpenGater):
            def upgraded(self, connection: Any) -> str | None:
                ends.append(transport(connection))
                ends[0].other.pauseProducing()
                return "not today"

        server = self.serve(gater=Choosy())
        self.connect(self.come())
        (end,) = ends
        self.assertFalse(end.disconnected)
        self.assertEqual(server.connections.limiter.transient.used.connections, 1)
        self.nodes.result(server.stopService())
        self.assertTrue(end.disconnected)
        self.assertEqual(server.connections.limiter.transient.used.connections, 0)

    def test_dialer(self) -> None:
        """
        The hooks hold for our own dials as well, and the error tells the
        reason.
        """

        class Choosy(OpenGater):
            def secured(self, peer: Any, address: Any, direction: str) -> str | None:
                return f"no {direction} ones"

        self.serve()
        failure = self.failureResultOf(self.dial(self.come(gater=Choosy())), DialFailed)
        ((_, error),) = failure.value.causes
        assert isinstance(error, Gated)
        self.assertEqual(error.reason, "no outbound ones")

    def test_beforeDial(self) -> None:
        """
        A blocked address is not dialed.
        """
        self.serve()
        address = str(self.server.addresses[0].withoutPeer())
        node = self.come(gater=ListGater(blocked=[address]))
        failure = self.failureResultOf(self.dial(node), DialFailed)
        ((_, error),) = failure.value.causes
        assert isinstance(error, Gated)
