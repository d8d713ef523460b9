# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what an application may do, or fail to do, while it is being called: close
the stream or the connection, give up the dial, raise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.connection import Connection
from twisted_libp2p.connection.context import STREAM_DEADLINE
from twisted_libp2p.connection.streams import MAX_ABANDONED
from twisted_libp2p.connmanager import ConnectionPolicy, OpenGater
from twisted_libp2p.errors import (
    ClosedHere,
    ConfigurationError,
    ConnectionClosing,
    DialFailed,
    ErrorCode,
    Gated,
    Libp2pError,
)
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    LimitReached,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.interfaces import IExpendability
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.testing.muxer import PushProducer
from twisted_libp2p.testing.nodes import MemoryNodes

ID = "/callback/1.0.0"


def nothing(*_: object) -> None:
    """
    Do nothing.
    """


def same(thing: Any) -> Any:
    """
    @return: what it is given.
    """
    return thing


def ending(end: Callable[[Connection], object], protocol: Any) -> None:
    """
    End the connection of a protocol.
    """
    end(protocol.transport.connection)


def endingOf(end: Callable[[Connection], object], event: Any) -> None:
    """
    End the connection of an event.
    """
    end(event.connection)


class Watched(Protocol):
    """
    Notes its beginning and its end, and does something in between.
    """

    transport: Any

    def __init__(self, act: Callable[[Any], object] = nothing) -> None:
        self.act = act
        self.calls: list[str] = []

    def connectionMade(self) -> None:
        self.calls.append("made")
        self.act(self)

    def dataReceived(self, data: bytes) -> None:
        self.calls.append("data")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.calls.append("lost")


class Watching(Factory):
    """
    Makes such protocols, and keeps them.
    """

    noisy = False

    def __init__(
        self,
        act: Callable[[Any], object] = nothing,
        building: Callable[[], object] = nothing,
        build: Callable[[], Any] | None = None,
    ) -> None:
        self.made: list[Watched] = []
        self._act = act
        self._building = building
        self._build = build or (lambda: Watched(act))

    def buildProtocol(self, addr: Any) -> Any:
        self._building()
        protocol = self._build()
        if protocol is not None:
            self.made.append(protocol)
        return protocol


def used(node: Node) -> list[Usage]:
    """
    @return: what is in use of every scope of a node, where anything is.
    """
    limiter = node.connections.limiter
    scopes = (
        limiter.system,
        limiter.transient,
        *limiter.peers.values(),
        *limiter.protocols.values(),
    )
    return [scope.used for scope in scopes if any(scope.used)]


class CallbackTestCase(SynchronousTestCase):
    """
    Two nodes in memory whose events are kept.
    """

    muxer = "yamux"

    def setUp(self) -> None:
        """
        Start the nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.start()
        self.client = self.start()

    def start(self, **options: Any) -> Node:
        """
        Start a node and keep its events.
        """
        node = self.nodes.start(muxers=[self.muxer], **options)
        events: list[Event] = []
        node.events.subscribe(Event, events.append)
        node.heard = events  # type: ignore[attr-defined]
        return node

    def connect(self) -> None:
        """
        Connect the nodes.
        """
        self.near, self.far = self.nodes.connect(self.client, self.server)

    def assertOver(self, *protocols: Watched) -> None:
        """
        After the end of all connections every count is 0, every event has its
        counterpart, and every protocol that was connected has lost its connection.
        """
        self.nodes.settle()
        for node in (self.client, self.server):
            for connection in node.connections:
                connection.close()
        self.nodes.advance(20)
        for node in (self.client, self.server):
            self.assertEqual(used(node), [])
            heard: list[Event] = node.heard  # type: ignore[attr-defined]
            for opened, closed, what in (
                (OpenedConn, ClosedConn, "connection"),
                (OpenedStream, ClosedStream, "stream"),
            ):
                begun = [getattr(e, what) for e in heard if type(e) is opened]
                ended = [getattr(e, what) for e in heard if type(e) is closed]
                self.assertEqual(len(begun), len(set(map(id, begun))))
                self.assertEqual(sorted(map(id, begun)), sorted(map(id, ended)))
        for protocol in protocols:
            self.assertIn(protocol.calls.count("made"), (0, 1))
            self.assertEqual(protocol.calls.count("made"), protocol.calls.count("lost"))


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
