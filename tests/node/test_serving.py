# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the endpoints of a node.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher

from tests.node.memory import Client, CountingFactory, NodeTestCase
from twisted_libp2p.errors import (
    ConfigurationError,
    ErrorCode,
    InvalidPeerID,
    ProtocolViolation,
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.protocols.echo import PROTOCOL_ID, Echo


class EndpointTests(NodeTestCase):
    """
    A node gives endpoints in both directions.
    """

    def test_roundTrip(self) -> None:
        """
        A factory is served by one node's listener and reached by another's
        connector.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        protocol: Any = self.nodes.result(connector.connect(quiet))
        self.assertEqual(protocol.received, b"word")
        host: Any = port.getHost()
        self.assertEqual(str(host), str(server.addresses[0]))
        self.assertEqual(host.protocolID, PROTOCOL_ID)
        self.assertEqual((factory.started, factory.stopped), (1, 0))

    def test_stopListening(self) -> None:
        """
        A protocol that is served no more refuses new streams; those that are
        open go on.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        protocol: Any = self.nodes.result(connector.connect(quiet))
        port.stopListening()
        port.stopListening()
        self.assertEqual((factory.started, factory.stopped), (1, 1))
        refused = connector.connect(quiet)
        self.nodes.settle()
        self.failureResultOf(refused, UnsupportedProtocol)
        protocol.transport.write(b"more")
        self.nodes.settle()
        self.assertEqual(protocol.received, b"wordmore")

    def test_taken(self) -> None:
        """
        A protocol is served once.
        """
        node = self.nodes.start()
        self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.failureResultOf(
            node.listener("/a").listen(CountingFactory()), ConfigurationError
        )

    def test_anonymous(self) -> None:
        """
        A node that listens nowhere has a host address without a place.
        """
        node = self.nodes.start(listen=())
        port = self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.assertEqual(str(port.getHost()), f"/p2p/{node.peerID}")


class ServeTests(NodeTestCase):
    """
    A node serves protocols by one call, to all peers or to some.
    """

    def logged(self) -> list[str]:
        """
        Collect the messages of the log from now on.
        """
        texts: list[str] = []

        def observe(event: Any) -> None:
            texts.append(formatEvent(event))

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return texts

    def refusal(self, allow: Any, muxers: str = "yamux") -> tuple[StreamReset, Any]:
        """
        Open a stream that is refused.

        @return: the error of the opener, and its node.
        """
        server, client = self.nodes.start(), self.nodes.start(muxers=muxers)
        server.serve(PROTOCOL_ID, CountingFactory(), allow=allow)
        connecting = client.openStream(server.addresses[0], PROTOCOL_ID, Client)
        self.nodes.settle()
        error: Any = self.failureResultOf(connecting, StreamReset).value
        return error, client

    def test_builders(self) -> None:
        """
        A factory, a class of protocols and a function build protocols.
        """
        builders: list[Any] = [CountingFactory(), Echo, lambda: Echo()]
        for number, builder in enumerate(builders):
            server, client = self.nodes.start(), self.nodes.start()
            name = f"/builder/{number}"
            port = server.serve(name, builder)
            self.assertEqual(port.getHost().protocolID, name)
            opened: Any = self.nodes.result(
                client.openStream(server.addresses[0], name, Client)
            )
            self.nodes.settle()
            self.assertEqual(opened.received, b"word")

    def test_noBuilder(self) -> None:
        """
        Something else is refused at once, with a line that says what would be right.
        """
        node = self.nodes.start()
        for wrong, right in ((Factory, "Factory()"), (7, "a factory")):
            error = self.assertRaises(ConfigurationError, node.serve, "/a", wrong)
            self.assertIn(right, str(error))
        self.assertEqual(node.registry.lookup("/a"), None)

    def test_taken(self) -> None:
        """
        An id that is taken raises at once, and its factory is not started.
        """
        node = self.nodes.start()
        port = node.serve("/a", Echo)
        factory = CountingFactory()
        self.assertRaises(ConfigurationError, node.serve, ["/b", "/a"], factory)
        self.assertEqual(factory.started, 0)
        port.stopListening()
        node.serve(["/b", "/a"], factory)
        self.assertEqual(factory.started, 1)

    def test_allowed(self) -> None:
        """
        A peer on the list is served; ids may be text, and a list may be empty.
        """
        server, client = self.nodes.start(), self.nodes.start()
        lists: list[Any] = [
            [str(client.peerID)],
            {client.peerID},
            lambda peer: peer == client.peerID,
        ]
        for number, allow in enumerate(lists):
            server.serve(f"/a/{number}", Echo, allow=allow)
            opened: Any = self.nodes.result(
                client.openStream(server.addresses[0], f"/a/{number}", Client)
            )
            self.nodes.settle()
            self.assertEqual(opened.received, b"word")

    def test_refused(self) -> None:
        """
        The stream of another peer is reset with a code, the factory is not asked, and
        the log names the peer.
        """
        texts = self.logged()
        error, client = self.refusal([])
        self.assertEqual(error.code, ErrorCode.GATED)
        [text] = [each for each in texts if "not on the list" in each]
        self.assertIn(f"peer {client.peerID} refused", text)
        self.assertIn(PROTOCOL_ID, text)

    def test_notServed(self) -> None:
        """
        The log names the peer that asks for a protocol that is not served, and not
        one that finds another of its protocols.
        """
        texts = self.logged()
        server, client = self.nodes.start(), self.nodes.start()
        server.serve("/b", Echo)
        address = server.addresses[0]
        self.nodes.result(client.openStream(address, ["/a", "/b"], Client))
        opening = client.openStream(address, "/a", Client)
        self.nodes.settle()
        self.failureResultOf(opening, UnsupportedProtocol)
        self.assertEqual(
            [each for each in texts if "refused" in each],
            [f"peer {client.peerID} refused: /a is not served"],
        )

    def test_refusedWithoutCode(self) -> None:
        """
        mplex has no place for the code: the stream is reset all the same.
        """
        error, _ = self.refusal([], muxers="mplex")
        self.assertEqual(error.code, 0)

    def test_matched(self) -> None:
        """
        A function that matches ids is guarded too.
        """
        server, client = self.nodes.start(), self.nodes.start()
        server.serve(lambda name: name.startswith("/a/"), Echo, allow=[])
        opening = client.openStream(server.addresses[0], "/a/1", Client)
        self.nodes.settle()
        self.failureResultOf(opening, StreamReset)

    def test_raisingList(self) -> None:
        """
        A function that raises refuses, and its error is logged.
        """

        def broken(peer: PeerID) -> bool:
            raise ValueError("as tested")

        self.refusal(broken)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_laterList(self) -> None:
        """
        A function that answers later refuses: its Deferred would be true for every
        peer.
        """
        self.refusal(lambda peer: succeed(False))
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_noList(self) -> None:
        """
        A list of another kind raises at once.
        """
        node = self.nodes.start()
        wrong: list[tuple[Any, type[Exception]]] = [
            (str(node.peerID), ConfigurationError),
            (node.peerID, ConfigurationError),
            (7, ConfigurationError),
            (["/ip4/127.0.0.1/tcp/1"], InvalidPeerID),
            ([None], InvalidPeerID),
        ]
        for allow, error in wrong:
            self.assertRaises(error, node.serve, "/a", Echo, allow=allow)
        self.failureResultOf(
            node.listener("/a", allow=["no"]).listen(CountingFactory()), InvalidPeerID
        )
        self.assertIsNone(node.registry.lookup("/a"))

    def test_factoryIsGuarded(self) -> None:
        """
        Code that takes the factory from the registry cannot go around the list.
        """
        node, other = self.nodes.start(), self.nodes.start()
        node.serve("/a", Echo, allow=[node.peerID])
        factory = node.registry.lookup("/a")
        assert factory is not None
        self.assertIsNone(factory.buildProtocol(other.address()))
        self.assertIsNotNone(factory.buildProtocol(node.address()))


class AnswerTests(NodeTestCase):
    """
    A node asks another one, which answers.
    """

    def setUp(self) -> None:
        """
        Have a node that answers, and one that asks.
        """
        super().setUp()
        self.server, self.client = self.nodes.start(), self.nodes.start()

    def ask(self, request: bytes, **options: Any) -> bytes:
        """
        Ask by the text of an address.
        """
        return self.nodes.result(
            self.client.ask(str(self.server.addresses[0]), "/a", request, **options)
        )

    def test_answer(self) -> None:
        """
        The function gets the connection and the request.
        """
        seen = []

        async def answer(connection: Any, request: bytes) -> bytes:
            seen.append(connection.remotePeer)
            return request.upper()

        registration = self.server.answer("/a", answer)
        self.assertEqual(self.ask(b"word"), b"WORD")
        self.assertEqual(seen, [self.client.peerID])
        registration.cancel()
        self.assertRaises(UnsupportedProtocol, self.ask, b"word")

    def test_taken(self) -> None:
        """
        An id that is taken raises at once.
        """
        self.server.serve("/a", Echo)
        self.assertRaises(
            ConfigurationError, self.server.answer, "/a", lambda _, word: word
        )
        self.assertRaises(
            ConfigurationError, self.server.answer, "no\nid", lambda _, word: word
        )

    def test_noProtocol(self) -> None:
        """
        Neither side goes without a protocol id.
        """
        self.assertRaises(
            ConfigurationError, self.server.answer, [], lambda _, word: word
        )
        asking = self.client.ask(self.server.addresses[0], [], b"word")
        self.assertRaises(ConfigurationError, self.nodes.result, asking)

    def test_refused(self) -> None:
        """
        A peer that is not on the list gets no answer.
        """
        self.server.answer("/a", lambda _, word: word, allow=[self.server.peerID])
        self.assertRaises(StreamReset, self.ask, b"word")

    def test_bounded(self) -> None:
        """
        Requests and answers are bounded, each by its receiver.
        """
        self.server.answer("/a", lambda _, word: word * 10, maximum=100)
        self.assertEqual(len(self.ask(b"w" * 100)), 1000)
        self.assertRaises(StreamReset, self.ask, b"w" * 101)
        self.assertRaises(ProtocolViolation, self.ask, b"w" * 100, maximum=999)

    def test_late(self) -> None:
        """
        An answer that does not come in time is an error.
        """
        never: Any = Deferred()
        self.server.answer("/a", lambda *_: never)
        asking = Deferred.fromCoroutine(
            self.client.ask(self.server.addresses[0], "/a", b"word", timeout=5)
        )
        self.nodes.advance(4.9)
        self.assertNoResult(asking)
        self.nodes.advance(0.2)
        self.failureResultOf(asking, UpgradeTimeout)
