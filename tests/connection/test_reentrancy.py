# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of callbacks that end the connection, the stream or the node.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.connection.callbacks import (
    ID,
    CallbackTestCase,
    Watched,
    Watching,
    ending,
    endingOf,
    nothing,
    used,
)
from twisted_libp2p.connection import Connection
from twisted_libp2p.connmanager import OpenGater
from twisted_libp2p.errors import (
    ConnectionClosing,
    DialFailed,
    Libp2pError,
)
from twisted_libp2p.events import (
    LimitReached,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.testing.muxer import PushProducer


class ReentrancyTests(CallbackTestCase):
    """
    The application ends a connection while it is called.
    """

    def ends(self) -> list[Callable[[Connection], object]]:
        """
        @return: the ways to end a connection.
        """
        return [
            lambda connection: connection.close(),
            lambda connection: connection.abort(Failure(RuntimeError("enough"))),
        ]

    def test_insideServingBuildProtocol(self) -> None:
        """
        A protocol that is built as its connection ends is never connected.
        """
        for end in self.ends():
            self.connect()
            far = self.far
            factory = Watching(building=partial(end, far))
            registration = self.server.registry.register(ID, factory)
            asked = Watching()
            self.near.openStream(ID, asked).addErrback(nothing)
            self.nodes.settle()
            self.assertEqual(factory.made[0].calls, [])
            self.assertOver(*factory.made, *asked.made)
            registration.cancel()

    def test_insideServingConnectionMade(self) -> None:
        """
        A protocol whose connection ends as it starts loses the connection.
        """
        for end in self.ends():
            self.connect()
            factory = Watching(partial(ending, end))
            registration = self.server.registry.register(ID, factory)
            asked = Watching()
            self.near.openStream(ID, asked).addErrback(nothing)
            self.nodes.settle()
            self.assertEqual(factory.made[0].calls, ["made", "lost"])
            self.assertOver(*factory.made, *asked.made)
            registration.cancel()

    def test_insideAskingBuildProtocol(self) -> None:
        """
        The same on the side that opens, with one proposal and with several.
        """
        self.server.registry.register(ID, Watching())
        for proposed in (ID, [ID, "/other"]):
            for end in self.ends():
                self.connect()
                near = self.near
                factory = Watching(building=partial(end, near))
                opening = near.openStream(proposed, factory)
                self.nodes.settle()
                self.failureResultOf(opening)
                self.assertEqual(factory.made[0].calls, [])
                self.assertOver(*factory.made)

    def test_insideAskingConnectionMade(self) -> None:
        """
        The same in C{connectionMade}.
        """
        self.server.registry.register(ID, Watching())
        for proposed in (ID, [ID, "/other"]):
            for end in self.ends():
                self.connect()
                factory = Watching(partial(ending, end))
                opening = self.near.openStream(proposed, factory)
                self.nodes.settle()
                self.failureResultOf(opening)
                self.assertEqual(factory.made[0].calls, ["made", "lost"])
                self.assertOver(*factory.made)

    def test_abortInsideConnectionMade(self) -> None:
        """
        A stream that is reset as it starts is over on both sides.
        """
        for proposed in (ID, [ID, "/other"]):
            self.connect()
            served = Watching(lambda protocol: protocol.transport.abortConnection())
            registration = self.server.registry.register(ID, served)
            asked = Watching(lambda protocol: protocol.transport.abortConnection())
            self.near.openStream(proposed, asked).addErrback(nothing)
            self.near.openStream(proposed, Watching()).addErrback(nothing)
            self.nodes.settle()
            self.assertOver(*served.made, *asked.made)
            registration.cancel()

    def replacing(self, proposed: str) -> tuple[Watched, Watched, Deferred[Any]]:
        """
        Open a stream whose protocol puts another one in its place as it starts.

        @return: both, and the Deferred of the stream.
        """
        replaced = Watched()

        def replace(protocol: Watched) -> None:
            stream: Any = protocol.transport
            stream.protocol = replaced
            replaced.makeConnection(stream)

        factory = Watching(replace)
        opening = self.near.openStream(proposed, factory)
        return factory.made[0], replaced, opening

    def test_replacedInConnectionMade(self) -> None:
        """
        A protocol that is replaced before the peer has agreed receives nothing more,
        and its successor no byte of the negotiation.
        """
        served = Watching(lambda protocol: protocol.transport.write(b"hello"))
        self.server.registry.register(ID, served)
        self.connect()
        first, second, opening = self.replacing(ID)
        self.nodes.settle()
        self.assertIs(self.successResultOf(opening), first)
        self.assertEqual(second.calls, ["made", "data"])
        served.made[0].transport.abortConnection()
        self.nodes.settle()
        self.assertEqual(first.calls, ["made"])
        self.assertEqual(second.calls, ["made", "data", "lost"])

    def test_replacedAndRefused(self) -> None:
        """
        When the peer does not agree, or the connection ends before, the successor
        loses the connection, whatever is done about it.
        """
        for end in (nothing, *self.ends()):
            self.connect()
            first, second, opening = self.replacing("/none")
            if end is not nothing:
                end(self.near)
            opening.addErrback(lambda reason: self.near.close())
            self.nodes.settle()
            self.assertEqual(first.calls, ["made"])
            self.assertEqual(second.calls, ["made", "lost"])

    def test_insideMatch(self) -> None:
        """
        A match function that ends the connection and then agrees serves nothing.
        """
        for end in self.ends():
            self.connect()
            far, factory = self.far, Watching()

            def match(name: str, far: Any = far, end: Any = end) -> bool:
                end(far)
                return True

            registration = self.server.registry.register(match, factory)
            opening = self.near.openStream(ID, Watching())
            self.nodes.settle()
            self.failureResultOf(opening)
            self.assertEqual(factory.made, [])
            self.assertOver()
            registration.cancel()

    def test_insideOpenedStream(self) -> None:
        """
        A subscriber that ends the connection of the stream that was just opened
        leaves nobody connected, and the caller learns that the stream has ended.
        """
        self.server.registry.register(ID, Watching())
        for proposed in (ID, [ID, "/other"]):
            for end in self.ends():
                self.connect()
                factory = Watching()
                subscription = self.client.events.subscribe(
                    OpenedStream,
                    partial(endingOf, end),
                    lambda event: event.protocolID == ID,
                )
                opening = self.near.openStream(proposed, factory)
                self.nodes.settle()
                self.failureResultOf(opening, ConnectionClosing)
                subscription.cancel()
                self.assertOver(*factory.made)

    def test_insideLimitReached(self) -> None:
        """
        A subscriber of a refusal may end the connection that was refused.
        """
        self.connect()
        self.server.registry.register(ID, Watching())
        far = self.far
        self.server.events.subscribe(LimitReached, lambda event: far.close())
        limiter = self.server.connections.limiter
        transient = limiter.transient
        transient.limits = transient.limits._replace(inboundStreams=0)
        opening = self.near.openStream(ID, Watching())
        self.nodes.settle()
        self.failureResultOf(opening)
        self.assertOver()

    def test_insideStopProducing(self) -> None:
        """
        A producer that ends the connection as its stream ends does not keep the
        protocol from losing the connection, nor one that has taken its place.
        """
        self.server.registry.register(ID, Watching())
        for replaces in (False, True):
            for end in self.ends():
                self.connect()
                asked, other = Watching(), Watched()
                self.nodes.result(self.near.openStream(ID, asked))
                stream = asked.made[0].transport

                def stop(
                    stream: Any = stream,
                    end: Any = end,
                    new: Any = other if replaces else None,
                ) -> None:
                    if new is not None:
                        stream.protocol = new
                    stream.abortConnection()
                    end(stream.connection)

                producer = PushProducer(stream, b"", 0)
                self.patch(producer, "stopProducing", stop)
                stream.abortConnection()
                self.nodes.settle()
                lost = [each.calls.count("lost") for each in (asked.made[0], other)]
                self.assertEqual(lost, [0, 1] if replaces else [1, 0])
                self.assertOver()

    def test_refusedByFactory(self) -> None:
        """
        A factory without a protocol for a stream publishes nothing, on either side
        and however much was proposed.
        """
        self.connect()
        registration = self.server.registry.register(ID, Watching())
        for proposed in (ID, [ID, "/other"]):
            opening = self.near.openStream(proposed, Watching(build=lambda: None))
            self.nodes.settle()
            self.failureResultOf(opening, Libp2pError)
        registration.cancel()
        self.server.registry.register(ID, Watching(build=lambda: None))
        self.near.openStream([ID, "/other"], Watching()).addErrback(nothing)
        self.nodes.settle()
        self.assertOver()


class MplexReentrancyTests(ReentrancyTests):
    """
    The same over mplex.
    """

    muxer = "mplex"


class GatedInsideTests(CallbackTestCase):
    """
    A gater that ends what it is asked about, and agrees.
    """

    def test_closesConnection(self) -> None:
        """
        A connection that the gater closes in C{upgraded} is never announced.
        """
        for end in (
            lambda connection: connection.close(),
            lambda connection: connection.abort(Failure(RuntimeError("enough"))),
        ):
            gater = OpenGater()

            def upgraded(connection: Connection, end: Any = end) -> None:
                end(connection)

            self.patch(gater, "upgraded", upgraded)
            dialer = self.start(gater=gater)
            dialing = dialer.connect(self.server.addresses[0])
            self.nodes.settle()
            self.failureResultOf(dialing, DialFailed)
            heard = dialer.heard  # type: ignore[attr-defined]
            self.assertEqual([e for e in heard if isinstance(e, OpenedConn)], [])
            self.nodes.advance(20)
            self.assertEqual(used(dialer), [])
            self.assertOver()

    def test_cancelsDial(self) -> None:
        """
        A dial that is given up inside of the gater leaves nothing.
        """
        for hook in ("secured", "upgraded"):
            gater = OpenGater()
            dialings: list[Any] = []

            def giveUp(*_: object, dialings: list[Any] = dialings) -> None:
                dialings[0].cancel()

            self.patch(gater, hook, giveUp)
            dialer = self.start(gater=gater)
            dialings.append(dialer.connect(self.server.addresses[0]))
            self.nodes.settle()
            self.failureResultOf(dialings[0], CancelledError)
            heard = dialer.heard  # type: ignore[attr-defined]
            self.assertEqual([e for e in heard if isinstance(e, OpenedConn)], [])
            self.nodes.advance(20)
            self.assertEqual(used(dialer), [])
            self.assertOver()

    def test_opensStream(self) -> None:
        """
        A stream that the gater opens before the connection is admitted is refused,
        since no scope would count it.
        """
        gater = OpenGater()
        openings: list[Any] = []

        def upgraded(connection: Connection) -> None:
            openings.append(connection.openStream(ID, Watching()))

        self.patch(gater, "upgraded", upgraded)
        dialer = self.start(gater=gater)
        self.nodes.result(dialer.connect(self.server.addresses[0]))
        self.failureResultOf(openings[0], ConnectionClosing)
        for connection in dialer.connections:
            connection.close()
        self.nodes.advance(20)
        self.assertEqual(used(dialer), [])
        self.assertOver()


class GivenUpTests(CallbackTestCase):
    """
    Dials that are given up while their connection is announced.
    """

    def test_insideOpenedConn(self) -> None:
        """
        Streams that others have opened on the connection by then are counted until
        they end, and no longer.
        """
        self.server.registry.register(ID, Watching())
        dialings: list[Any] = []

        def opened(event: OpenedConn) -> None:
            event.connection.openStream(ID, Watching()).addErrback(nothing)
            dialings[0].cancel()

        self.client.events.subscribe(OpenedConn, opened)
        dialings.append(self.client.connect(self.server.addresses[0]))
        self.nodes.settle()
        self.failureResultOf(dialings[0], CancelledError)
        self.assertOver()

    def test_stoppedInsideOpenedConn(self) -> None:
        """
        The same when the node is stopped instead.
        """
        stopping: list[Any] = []
        self.client.events.subscribe(
            OpenedConn, lambda event: stopping.append(self.client.stopService())
        )
        dialing = self.client.connect(self.server.addresses[0])
        dialing.addErrback(nothing)
        self.nodes.settle()
        self.successResultOf(stopping[0])
        self.assertEqual(len(self.client.connections), 0)
        self.assertOver()
