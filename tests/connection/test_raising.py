# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of callbacks that raise.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError
from zope.interface import implementer

from tests.connection.callbacks import (
    ID,
    CallbackTestCase,
    Watched,
    Watching,
    nothing,
    same,
    used,
)
from twisted_libp2p.connection.context import STREAM_DEADLINE
from twisted_libp2p.connmanager import ConnectionPolicy, OpenGater
from twisted_libp2p.errors import (
    DialFailed,
    Gated,
)
from twisted_libp2p.events import (
    OpenedConn,
)
from twisted_libp2p.interfaces import IExpendability
from twisted_libp2p.protocols.identify import IdentifyService


class RaisingTests(CallbackTestCase):
    """
    The application raises while it is called.
    """

    def fail(self, *_: object) -> Any:
        """
        Raise.
        """
        raise RuntimeError("on purpose")

    def test_connectionLostOfLateStream(self) -> None:
        """
        A protocol that raises as it loses its unanswered stream stops neither the
        end of this stream nor that of the others.
        """
        self.connect()
        self.far._session.transport.pauseProducing()  # type: ignore[union-attr]
        protocols = [Watched() for _ in range(3)]
        openings = []
        for protocol in protocols:
            self.patch(protocol, "connectionLost", self.fail)
            openings.append(
                self.near.openStream(ID, Watching(build=partial(same, protocol)))
            )
        self.nodes.advance(STREAM_DEADLINE)
        for opening in openings:
            self.failureResultOf(opening)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 3)
        self.assertEqual(
            [each for each in self.near.streams if each.protocolID == ID], []
        )
        self.far._session.transport.resumeProducing()  # type: ignore[union-attr]
        self.assertOver()

    def test_connectionMade(self) -> None:
        """
        A protocol that raises as it starts fails the opening of its stream.
        """
        self.server.registry.register(ID, Watching())
        for proposed in (ID, [ID, "/other"]):
            self.connect()
            asked = Watching(self.fail)
            opening = self.near.openStream(proposed, asked)
            self.nodes.settle()
            self.failureResultOf(opening)
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
            self.assertOver(*asked.made)

    def test_match(self) -> None:
        """
        A match function that raises does not match; others are asked.
        """
        self.connect()
        self.server.registry.register(self.fail, Watching())
        served = Watching()
        self.server.registry.register(lambda name: name == ID, served)
        self.nodes.result(self.near.openStream(ID, Watching()))
        self.assertEqual(len(served.made), 1)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
        self.assertOver()

    def test_gater(self) -> None:
        """
        A gater that raises has refused: the dial fails at once, and the error is
        logged.
        """
        for hook in ("beforeDial", "secured", "upgraded"):
            gater = OpenGater()
            setattr(gater, hook, self.fail)
            dialer = self.start(gater=gater)
            dialing = dialer.connect(self.server.addresses[0])
            self.nodes.settle()
            failed = self.failureResultOf(dialing, DialFailed)
            [(_, cause)] = failed.value.causes
            self.assertIsInstance(cause, Gated)
            self.assertIn(hook, str(cause))
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
            self.assertOver()
            self.assertEqual(used(dialer), [])

    def test_gaterOfInbound(self) -> None:
        """
        The same for inbound connections.
        """
        for hook in ("accepted", "secured", "upgraded"):
            gater = OpenGater()
            setattr(gater, hook, self.fail)
            listener = self.start(gater=gater)
            self.client.connect(listener.addresses[0]).addErrback(nothing)
            self.nodes.settle()
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
            self.nodes.advance(20)
            self.assertEqual(used(listener), [])
            self.assertEqual(len(listener._upgrader.upgrades), 0)
            self.assertOver()

    def test_transport(self) -> None:
        """
        A transport that raises when it is asked fails the dial, and the next dial of
        the same peer is not kept waiting for it.
        """
        dialer = self.start()
        [transport] = dialer._transports
        address = self.server.addresses[0]
        patch = self.patch(transport, "canDial", self.fail)
        self.failureResultOf(dialer.connect(address), RuntimeError)
        patch.restore()
        self.nodes.result(dialer.connect(address))
        self.assertEqual(dialer._dialer._dials, {})
        self.assertOver()

    def test_expendability(self) -> None:
        """
        Connections are trimmed by the value of their peers when the order of the
        application raises.
        """

        @implementer(IExpendability)
        class Failing:
            """
            An order that is none.
            """

            def key(self, connection: Any, value: float) -> float:
                """
                Raise.
                """
                raise RuntimeError("on purpose")

        policy = ConnectionPolicy(
            lowWater=1, highWater=2, grace=1, expendability=Failing()
        )
        hub = self.start(policy=policy)
        for _ in range(4):
            self.nodes.connect(self.start(), hub)
        self.nodes.advance(200)
        self.assertLessEqual(len(hub.connections), 2)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))

    def test_whenClosed(self) -> None:
        """
        A caller that waits for the end and cancels in the callback of another one
        stops nobody.
        """
        self.connect()
        told: list[object] = []
        first, second, third = (self.near.whenClosed() for _ in range(3))
        first.addCallback(lambda _: second.cancel())
        second.addErrback(lambda reason: reason.trap(CancelledError))
        third.addCallback(told.append)
        self.near.close()
        self.nodes.settle()
        self.assertEqual(told, [None])

    def test_identified(self) -> None:
        """
        The same for callers that wait to know what a peer is.
        """
        dialing = self.client.connect(self.server.addresses[0])
        waiting: list[Any] = []
        told: list[str] = []

        def opened(event: OpenedConn) -> None:
            for _ in range(4):
                waiting.append(
                    self.client.service(IdentifyService).identified(event.connection)
                )
            waiting[0].addCallback(lambda _: waiting[1].cancel())
            waiting[1].addErrback(lambda reason: reason.trap(CancelledError))
            for each in waiting[2:]:
                each.addCallback(lambda told_: told.append(told_.agent))

        self.client.events.subscribe(OpenedConn, opened)
        self.nodes.settle()
        self.successResultOf(dialing)
        self.assertEqual(len(told), 2)
