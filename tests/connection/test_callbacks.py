# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what an application may do, or fail to do, while it is being called: close
the stream or the connection, give up the dial, raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.connection.callbacks import (
    ID,
    CallbackTestCase,
    Watched,
    Watching,
    nothing,
)
from twisted_libp2p.connection.streams import MAX_ABANDONED
from twisted_libp2p.errors import (
    ClosedHere,
    ConfigurationError,
    ErrorCode,
)
from twisted_libp2p.events import (
    ClosedConn,
)
from twisted_libp2p.testing.nodes import MemoryNodes


class AccountTests(CallbackTestCase):
    """
    Nothing that an application can set falsifies what is counted.
    """

    def test_readOnly(self) -> None:
        """
        What identifies a stream cannot be set by its protocol.
        """
        refused: list[str] = []

        def act(protocol: Watched) -> None:
            for name in ("protocolID", "direction", "streamID", "connection", "scope"):
                try:
                    setattr(protocol.transport, name, None)
                except AttributeError:
                    refused.append(name)

        self.connect()
        served = Watching(act)
        self.server.registry.register(ID, served)
        for _ in range(3):
            asked = Watching()
            self.nodes.result(self.near.openStream(ID, asked))
            asked.made[0].transport.loseConnection()
            served.made[-1].transport.loseConnection()
            self.nodes.settle()
        self.assertEqual(len(refused), 15)
        self.assertFalse(any(self.server.connections.limiter.protocols[ID].used))
        self.assertOver(*served.made)

    def test_connection(self) -> None:
        """
        Nor can it change what tells whose connection it is, and since when.
        """
        nodes = MemoryNodes()
        _, far = nodes.connect(nodes.start(), nodes.start())
        for name in ("remotePeer", "openedAt", "scope"):
            self.assertRaises(AttributeError, setattr, far, name, None)
        nodes.stop()

    def test_name(self) -> None:
        """
        The stream has the name that was agreed on it, before and after its end.
        """
        self.connect()
        self.server.registry.register(ID, Watching())
        asked = Watching()
        self.nodes.result(self.near.openStream([ID, "/other"], asked))
        stream = asked.made[0].transport
        self.assertEqual(stream.protocolID, ID)
        stream.abortConnection()
        self.nodes.settle()
        self.assertEqual(stream.protocolID, ID)


class NeverAgreedTests(CallbackTestCase):
    """
    A peer whose streams end before their protocol was agreed is not served for ever,
    whatever ends them.
    """

    def setUp(self) -> None:
        """
        Connect the nodes.
        """
        super().setUp()
        self.connect()

    def assertLimited(self, open: Callable[[Any], object]) -> None:
        """
        A peer that opens streams which come to nothing is closed in the end.
        """
        session: Any = self.near._session
        closed: list[ClosedConn] = []
        subscription = self.server.events.subscribe(ClosedConn, closed.append)
        for _ in range(MAX_ABANDONED):
            open(session)
            self.nodes.settle()
        self.assertEqual(closed, [])
        open(session)
        self.nodes.settle()
        [event] = closed
        error = event.reason.value
        assert isinstance(error, ClosedHere)
        self.assertEqual(error.code, ErrorCode.RATE_LIMITED)
        subscription.cancel()
        self.assertOver()

    def test_fin(self) -> None:
        """
        The peer opens a stream and ends it in good order.
        """
        self.assertLimited(lambda s: s.openStream(Watched()).loseConnection())

    def test_refused(self) -> None:
        """
        The peer proposes what nobody speaks, and ends the stream in good order.
        """

        def propose(session: Any) -> None:
            stream = session.openStream(Watched())
            stream.write(b"\x13/multistream/1.0.0\n\x08/nobody\n")
            stream.loseConnection()

        self.assertLimited(propose)

    def test_garbage(self) -> None:
        """
        The peer sends what is no proposal.
        """
        self.assertLimited(lambda s: s.openStream(Watched()).write(b"\xff" * 10))

    def test_refusedByFactory(self) -> None:
        """
        Our factory has no protocol for it.
        """
        self.server.registry.register(ID, Watching(build=lambda: None))

        def propose(session: Any) -> None:
            self.near.openStream(ID, Watching()).addErrback(nothing)

        self.assertLimited(propose)

    def test_tooMany(self) -> None:
        """
        Our side refuses the stream at once, as too many are open.
        """
        limiter = self.server.connections.limiter
        limiter.transient.limits = limiter.transient.limits._replace(inboundStreams=0)
        self.assertLimited(lambda s: s.openStream(Watched()))


class ProtocolIDTests(CallbackTestCase):
    """
    Protocol ids that cannot be sent.
    """

    def test_proposed(self) -> None:
        """
        Our own mistakes are reported as such, in one line.
        """
        self.connect()
        for wrong in (
            "",
            "/a\nb",
            "x" * 1024,
            "é" * 512,
            b"/bytes",
            "/half\ud800",
            "na",
            "ls",
            "/multistream/1.0.0",
            [],
            ["/a", "na"],
            ["/a", 7],
            [b"/a"],
            [["/a"]],
            None,
            7,
        ):
            opening = self.near.openStream(wrong, Watching())  # type: ignore[arg-type]
            failed = self.failureResultOf(opening, ConfigurationError)
            self.assertNotIn("\n", failed.getErrorMessage())
            self.assertLess(len(failed.getErrorMessage()), 250)
        self.assertTrue(self.near.connected)
        self.assertOver()

    def test_served(self) -> None:
        """
        A match function is not asked about a proposal that cannot be a protocol id:
        it is refused without a traceback.
        """
        self.connect()
        asked: list[str] = []

        def match(name: str) -> bool:
            asked.append(name)
            return True

        self.server.registry.register(match, Watching())
        session: Any = self.near._session
        for wrong in (b"/a\nb", b"na", b"", b"/multistream/1.0.0"):
            protocol = Watched()
            answers: list[bytes] = []
            self.patch(protocol, "dataReceived", answers.append)
            stream = session.openStream(protocol)
            text = wrong + b"\n"
            stream.write(b"\x13/multistream/1.0.0\n" + bytes([len(text)]) + text)
            self.nodes.settle()
            self.assertEqual(b"".join(answers), b"\x13/multistream/1.0.0\n\x03na\n")
            stream.abortConnection()
        self.assertEqual(asked, [])
        self.assertOver()
