# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.private}.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis.strategies import integers, lists
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
)
from twisted.internet.interfaces import ITransport as ITwistedTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectors
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, DialFailed
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.interfaces import IHalfCloseable, ITransport
from twisted_libp2p.negotiation import Negotiation, Negotiator, multistream
from twisted_libp2p.node import Node
from twisted_libp2p.protocols import echo
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import Pump, byteByByte
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport, TCPTransport
from twisted_libp2p.transport.private import xsalsa20 as cipher
from twisted_libp2p.transport.private.network import (
    PrivateConnection,
    PrivateFactory,
    PrivateNetwork,
    PrivateTransport,
    protect,
)

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4001)

STREAM = vector("pnet.stream")
KEY = hexBytes(STREAM, "psk")
NONCE = hexBytes(STREAM, "nonce")
PLAINTEXT = hexBytes(STREAM, "plaintext")
WIRE = hexBytes(STREAM, "wire")


class Recorder(Protocol):
    """
    Notes what it is told.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.reads: list[bytes] = []
        self.reasons: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Note it.
        """
        self.reads.append(data)
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.reasons.append(reason)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """
    Answers when the other side has said all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        """
        Note it, and answer.
        """
        self.halves.append("read")
        self.transport.write(b"heard " + self.received)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Note it.
        """
        self.halves.append("write")


class Asking(Recorder):
    """
    Asks, and hears the answer out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Ask.
        """
        self.transport.write(b"this")
        self.transport.loseWriteConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The answer is complete.
        """
        super().connectionLost(reason)
        self.over.callback(None)


@implementer(IHalfCloseable)
class Told(StringTransport):
    """
    Notes what else it is told to do.
    """

    def __init__(self) -> None:
        super().__init__(ADDRESS, ADDRESS)
        self.calls: list[str] = []

    def loseWriteConnection(self) -> None:
        """
        Note it.
        """
        self.calls.append("loseWriteConnection")

    def abortConnection(self) -> None:
        """
        Note it.
        """
        self.calls.append("abortConnection")


class Prepared(Factory):
    """
    Gives protocols that are made already, one after the other, and then none.
    """

    noisy = False

    def __init__(self, *protocols: Protocol) -> None:
        self._protocols = iter(protocols)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        Give the next one.
        """
        return next(self._protocols, None)


class PrivateNetworkTests(SynchronousTestCase):
    """
    Tests for L{PrivateNetwork}.
    """

    def write(self, content: bytes) -> str:
        """
        Make a file.
        """
        path: str = self.mktemp()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_fingerprint(self) -> None:
        """
        The fingerprint is what go-libp2p and rust-libp2p compute; nothing else
        of the key is shown.
        """
        for _, entry in vectors("pnet.fingerprint"):
            network = PrivateNetwork(hexBytes(entry, "psk"))
            self.assertEqual(network.fingerprint, entry["fingerprint_hex"])
            self.assertEqual(
                repr(network), f"<PrivateNetwork {entry['fingerprint_hex']}>"
            )

    def test_size(self) -> None:
        """
        A key has 32 bytes, and no others.
        """
        for size in (0, 16, 31, 33, 64):
            self.assertRaises(ConfigurationError, PrivateNetwork, bytes(size))

    def test_fromFile(self) -> None:
        """
        The key may be written in each of the encodings, with either kind of
        line ends, and with one at its end or not.
        """
        fingerprint = PrivateNetwork(KEY).fingerprint
        for end in (b"\n", b"\r\n"):
            for name, encoded in (
                (b"base16", KEY.hex().encode()),
                (b"base16", KEY.hex().upper().encode()),
                (b"base64", base64.b64encode(KEY)),
                (b"bin", KEY),
            ):
                for last in (b"", end):
                    content = end.join(
                        (b"/key/swarm/psk/1.0.0/", b"/" + name + b"/", encoded + last)
                    )
                    network = PrivateNetwork.fromFile(self.write(content))
                    self.assertEqual(network.fingerprint, fingerprint, content)

    def test_binary(self) -> None:
        """
        A key in binary may hold, and end with, whatever looks like a line end.
        """
        for key in (b"\n" * 32, b"\r\n" * 16, bytes(31) + b"\n", bytes(31) + b"\r"):
            for last in (b"", b"\n", b"\r\n"):
                content = b"/key/swarm/psk/1.0.0/\n/bin/\n" + key + last
                network = PrivateNetwork.fromFile(self.write(content))
                self.assertEqual(network.fingerprint, PrivateNetwork(key).fingerprint)

    def test_badFiles(self) -> None:
        """
        Whatever is wrong with a file is told in one line, with its name, and
        without what might be a key.
        """
        header = b"/key/swarm/psk/1.0.0/\n"
        coded = KEY.hex().encode()
        for content, about in (
            (b"", "first line"),
            (coded, "first line"),
            (b"/key/swarm/psk/2.0.0/\n/base16/\n" + coded, "/key/swarm/psk/1.0.0/"),
            (header, "second line"),
            (header + coded, "second line"),
            (header + b"/base58/\n" + coded, "/base16/, /base64/, /bin/"),
            (header + b"/b\xff/\n" + coded, "second line"),
            (header + b"/base16/\n", "32 bytes"),
            (header + b"/base16/\n" + coded[:-1], "base16"),
            (header + b"/base16/\n" + coded[:-2], "32 bytes"),
            (header + b"/base16/\n" + coded + b"00", "32 bytes"),
            (header + b"/base16/\n" + coded + b"\n" + coded, "base16"),
            (header + b"/base16/\nxx" + coded[2:], "base16"),
            (header + b"/base64/\n" + coded, "32 bytes"),
            (header + b"/base64/\n" + base64.b64encode(KEY)[:-1], "base64"),
            (header + b"/base64/\n!" + base64.b64encode(KEY), "base64"),
            (header + b"/bin/\n" + KEY[:-1], "32 bytes"),
            (header + b"/bin/\n" + KEY + b"\n\n", "32 bytes"),
            (header + b"/base16/\n" + coded + b" " * 1000, "too large"),
        ):
            path = self.write(content)
            error = self.assertRaises(ConfigurationError, PrivateNetwork.fromFile, path)
            self.assertIn(path, str(error))
            self.assertIn(about, str(error))
            self.assertNotIn("\n", str(error))
            self.assertNotIn(coded.decode()[2:40], str(error))

    def test_openToOthers(self) -> None:
        """
        A file that others can read is used, with a warning.
        """
        path = self.write(b"/key/swarm/psk/1.0.0/\n/base16/\n" + KEY.hex().encode())
        for mode, warnings in ((0o600, 0), (0o640, 1), (0o604, 1)):
            os.chmod(path, mode)
            with capturedLogs() as events:
                PrivateNetwork.fromFile(path)
            self.assertEqual([each["mode"] for each in events], [mode] * warnings)

    def test_noFile(self) -> None:
        """
        A file that is not there is told in one line.
        """
        path = self.mktemp()
        error = self.assertRaises(ConfigurationError, PrivateNetwork.fromFile, path)
        self.assertIn(path, str(error))
        self.assertIn("No such file", str(error))

    def test_notInstalled(self) -> None:
        """
        Without the package that has the cipher there is no private network,
        and the error tells what to install.
        """
        self.patch(cipher, "requireModule", lambda name: None)
        error = self.assertRaises(ConfigurationError, PrivateNetwork, KEY)
        self.assertIn("pip install 'twisted-libp2p[pnet]'", str(error))


class PrivateConnectionTests(SynchronousTestCase):
    """
    Tests for L{PrivateConnection} and L{PrivateFactory}.
    """

    def setUp(self) -> None:
        """
        Connect an application that records.
        """
        self.network = PrivateNetwork(KEY)
        self.application: Recorder = Recorder()
        self.connect()

    def connect(self) -> None:
        """
        Connect the application.
        """
        factory = PrivateFactory(self.network, Prepared(self.application))
        connection = factory.buildProtocol(ADDRESS)
        assert connection is not None
        self.connection = connection
        self.transport = Told()
        self.connection.makeConnection(self.transport)

    def test_interfaces(self) -> None:
        """
        To the application it is a transport.
        """
        self.assertIs(self.application.transport, self.connection)
        for interface in (ITwistedTransport, IConsumer, IPushProducer):
            verifyObject(interface, self.connection)
        verifyObject(IHalfCloseableProtocol, self.connection)

    def test_write(self) -> None:
        """
        What is written follows the nonce; the bytes are those of the vector.
        """
        self.patch(os, "urandom", lambda size: NONCE[:size])
        self.connect()
        self.assertEqual(self.transport.value(), NONCE)
        self.connection.write(b"")
        self.assertEqual(self.transport.value(), NONCE)
        self.connection.write(PLAINTEXT[:5])
        self.connection.writeSequence([PLAINTEXT[5:9], PLAINTEXT[9:]])
        self.assertEqual(self.transport.value(), WIRE)

    def test_writeAtOnce(self) -> None:
        """
        What the application says at once leaves together with the nonce.
        """

        class Eager(Recorder):
            """
            Says something at once.
            """

            def connectionMade(self) -> None:
                """
                Say it.
                """
                self.transport.write(PLAINTEXT)

        writes: list[bytes] = []
        self.patch(os, "urandom", lambda size: NONCE[:size])
        self.patch(Told, "write", lambda told, data: writes.append(data))
        self.application = Eager()
        self.connect()
        self.assertEqual(writes, [WIRE])

    def test_nonces(self) -> None:
        """
        No two connections begin in the same way.
        """
        seen = set()
        for _ in range(5):
            self.setUp()
            self.connection.write(PLAINTEXT)
            seen.add(self.transport.value())
        self.assertEqual(len({each[:24] for each in seen}), 5)
        self.assertEqual(len({each[24:] for each in seen}), 5)

    @drawn(50, lists(integers(0, len(WIRE)), max_size=5))
    def test_received(self, cuts: list[int]) -> None:
        """
        Wherever reads end, the application receives what was written, as soon
        as the bytes are there.
        """
        self.setUp()
        places = [0, *sorted(cuts), len(WIRE)]
        for start, end in pairwise(places):
            self.connection.dataReceived(WIRE[start:end])
            expected = PLAINTEXT[: max(0, end - 24)]
            self.assertEqual(self.application.received, expected)
        self.assertNotIn(b"", self.application.reads)

    def test_pair(self) -> None:
        """
        Two ends understand each other, byte by byte; who listens in does not.
        """
        applications = Recorder(), Recorder()
        ends: list[Any] = [
            PrivateFactory(self.network, Prepared(each)).buildProtocol(ADDRESS)
            for each in applications
        ]
        pump = Pump(*ends, split=byteByByte)
        pump.connect()
        for application in applications:
            for _ in range(2):
                application.transport.write(PLAINTEXT * 10)
        pump.flush()
        for application, transport in zip(
            applications, (pump.client, pump.server), strict=True
        ):
            self.assertEqual(application.received, PLAINTEXT * 20)
            self.assertNotIn(b"multistream", transport.sent)
        applications[0].transport.loseConnection()
        pump.flush()
        for application in applications:
            (reason,) = application.reasons
            self.assertTrue(reason.check(ConnectionDone))

    def test_passedOn(self) -> None:
        """
        What is no data is the transport's affair.
        """
        connection, transport = self.connection, self.transport
        self.assertEqual(connection.getPeer(), transport.getPeer())
        self.assertEqual(connection.getHost(), transport.getHost())
        connection.pauseProducing()
        self.assertEqual(transport.producerState, "paused")
        connection.resumeProducing()
        self.assertEqual(transport.producerState, "producing")
        producer = Producer()
        connection.registerProducer(producer, True)
        self.assertIs(transport.producer, producer)
        self.assertTrue(transport.streaming)
        connection.unregisterProducer()
        self.assertIsNone(transport.producer)
        connection.loseWriteConnection()
        connection.abortConnection()
        self.assertEqual(transport.calls, ["loseWriteConnection", "abortConnection"])
        self.assertFalse(connection.disconnecting)
        connection.loseConnection()
        self.assertTrue(transport.disconnecting)
        self.assertTrue(connection.disconnecting)

    def test_stopped(self) -> None:
        """
        To stop the connection as a consumer, or as a producer, is to close it.
        """
        self.connection.registerProducer(Producer(), True)
        self.connection.stopConsuming()
        self.assertIsNone(self.transport.producer)
        self.assertTrue(self.transport.disconnecting)
        self.setUp()
        self.connection.stopProducing()
        self.assertEqual(self.transport.producerState, "stopped")

    def test_noWayAround(self) -> None:
        """
        What else the transport can do cannot be reached.
        """
        for name in ("startTLS", "sendFileDescriptor", "io", "getHandle"):
            setattr(self.transport, name, None)
            self.assertFalse(hasattr(self.connection, name))

    def test_connectionLost(self) -> None:
        """
        The application is told once, and hears nothing afterwards.
        """
        reason = Failure(ConnectionLost())
        self.connection.connectionLost(reason)
        self.connection.connectionLost(reason)
        self.connection.dataReceived(WIRE)
        self.assertEqual(self.application.reasons, [reason])
        self.assertEqual(self.application.received, b"")

    def test_halfClose(self) -> None:
        """
        A half-close is the application's affair, if it knows of such; if not,
        the connection closes.
        """
        self.connection.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.connection.writeConnectionLost()
        self.application = application = HalfCloseable()
        self.connect()
        self.connection.writeConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        self.connection.readConnectionLost()
        self.assertEqual(application.halves, ["write", "read"])

    def test_refused(self) -> None:
        """
        Where the application's factory refuses, so does this one.
        """
        factory = PrivateFactory(
            self.network,
            Prepared(),
        )
        self.assertIsNone(factory.buildProtocol(ADDRESS))

    def test_negotiator(self) -> None:
        """
        A negotiator on top steps out of the way when it is done.
        """
        inner = Recorder()
        negotiation = Willing(Prepared(inner))
        connection = PrivateFactory(self.network, negotiation).buildProtocol(ADDRESS)
        assert connection is not None
        connection.makeConnection(Told())
        self.assertIsInstance(connection.wrappedProtocol, Negotiator)
        keystream = self.network.keystream(NONCE)
        proposal = PLAINTEXT + b"\x06/echo\n"
        connection.dataReceived(NONCE + keystream(proposal + b"hello"))
        self.assertIs(connection.wrappedProtocol, inner)
        connection.dataReceived(keystream(b" again"))
        self.assertEqual(inner.received, b"hello again")


class Willing(Negotiation):
    """
    The negotiation of a side that agrees to anything.
    """

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self.clock = Clock()

    def machine(self) -> multistream.Responder:
        """
        Make the machine of the side that answers.
        """
        return multistream.Responder(lambda each: True, lambda: ())

    def choose(self, agreed: str, transport: object) -> Factory:
        """
        Return the one factory.
        """
        return self._factory


class Packets(MemoryTransport):
    """
    A transport whose connections are secured already.
    """

    name = "packets"
    byteStream = False


class PrivateTransportTests(SynchronousTestCase):
    """
    Tests for L{PrivateTransport} and L{protect}, in memory.
    """

    def setUp(self) -> None:
        """
        Have a clock and what connects nodes.
        """
        self.clock = Clock()
        self.memory = MemoryNetwork(self.clock)
        self.network = PrivateNetwork(KEY)
        self.events: list[type] = []

    def node(self, network: PrivateNetwork | None, *listen: str) -> Node:
        """
        Start a node of a network, or of none.
        """
        node = Node(
            self.clock,
            listen=listen,
            transports=protect([MemoryTransport(self.memory)], network, {}),
        )
        for event in (OpenedConn, ClosedConn):
            node.events.subscribe(event, lambda told: self.events.append(type(told)))
        node.startService()
        self.clock.advance(0)
        return node

    def stop(self, *nodes: Node) -> None:
        """
        Stop nodes, and check that they have left nothing.
        """
        for node in nodes:
            stopped = node.stopService()
            self.clock.advance(3)
            self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_interface(self) -> None:
        """
        It is a transport, of the same name and with the same addresses.
        """
        inner = MemoryTransport(self.memory)
        transport = PrivateTransport(inner, self.network)
        verifyObject(ITransport, transport)
        self.assertEqual(transport.name, "memory")
        for text, can in (("/memory/1", True), ("/ip4/127.0.0.1/tcp/1", False)):
            self.assertEqual(transport.canDial(Multiaddr(text)), can)
            self.assertEqual(transport.canListen(Multiaddr(text)), can)
        address = Multiaddr("/memory/7")
        listening = transport.serverEndpoint(address).listen(Prepared(Recorder()))
        port = self.successResultOf(listening)
        self.assertEqual(transport.listeningOn(address, port), [address])
        self.assertEqual(transport.toMultiaddr(port.getHost()), address)

    def test_endpoints(self) -> None:
        """
        What the endpoints connect are the protocols of the given factories,
        inside the network.
        """
        transport = PrivateTransport(MemoryTransport(self.memory), self.network)
        address = Multiaddr("/memory/7")
        near, far = Recorder(), Recorder()
        self.successResultOf(transport.serverEndpoint(address).listen(Prepared(far)))
        connecting = transport.clientEndpoint(address).connect(Prepared(near))
        self.assertIs(self.successResultOf(connecting), near)
        for sender, receiver in ((near, far), (far, near)):
            self.assertIsInstance(sender.transport, PrivateConnection)
            sender.transport.write(PLAINTEXT)
            self.clock.advance(0)
            self.assertEqual(receiver.received, PLAINTEXT)

    def test_notAStream(self) -> None:
        """
        A transport that does not say that it is a plain stream is refused by
        its name.
        """

        for wrap in (
            lambda: PrivateTransport(Packets(self.memory), self.network),
            lambda: protect([Packets(self.memory)], self.network, {}),
        ):
            error = self.assertRaises(ConfigurationError, wrap)
            self.assertIn("packets", str(error))
            self.assertNotIn("\n", str(error))

    def test_leftOut(self) -> None:
        """
        If nobody has asked for it, it is left out, with one line in the log.
        """
        given = [Packets(self.memory), MemoryTransport(self.memory)]
        with capturedLogs() as logged:
            (private,) = protect(given, self.network, {}, chosen=False)
        self.assertEqual(private.name, "memory")
        (event, _) = logged
        self.assertIn("packets is left out", formatEvent(event))

    def test_protect(self) -> None:
        """
        Without a network the transports are left as they are, unless the
        environment forbids it.
        """
        transports = [MemoryTransport(self.memory)]
        for environment in ({}, {"LIBP2P_FORCE_PNET": "0"}):
            self.assertEqual(protect(transports, None, environment), transports)
        forced = {"LIBP2P_FORCE_PNET": "1"}
        error = self.assertRaises(ConfigurationError, protect, transports, None, forced)
        self.assertIn("LIBP2P_FORCE_PNET", str(error))
        (private,) = protect(transports, self.network, forced)
        self.assertIsInstance(private, PrivateTransport)

    def test_fingerprintLogged(self) -> None:
        """
        The log tells which network it is.
        """
        with capturedLogs() as logged:
            protect([], self.network, {})
        (event,) = logged
        self.assertEqual(event["fingerprint"], self.network.fingerprint)
        self.assertEqual(event["log_level"], LogLevel.info)

    def test_members(self) -> None:
        """
        Nodes of one network connect, and know each other.
        """
        server = self.node(self.network, "/memory/1")
        client = self.node(self.network)
        connecting = client.connect(server.addresses[0])
        self.clock.advance(0)
        connection = self.successResultOf(connecting)
        self.assertEqual(connection.remotePeer, server.peerID)
        self.assertEqual(self.events.count(OpenedConn), 2)
        self.stop(client, server)
        self.assertEqual(self.events.count(ClosedConn), 2)

    def strangers(
        self,
    ) -> Iterator[tuple[PrivateNetwork | None, PrivateNetwork | None]]:
        """
        Give pairs of networks that are not the same.
        """
        yield self.network, None
        yield None, self.network
        # Among so many, some garbage begins as a negotiation does.
        for number in range(600):
            yield self.network, PrivateNetwork(number.to_bytes(32, "little"))

    def test_strangers(self) -> None:
        """
        A node of another network, or of none, learns nobody's id, and neither
        does the member; no connection is left when the deadline of the upgrade
        has passed.
        """
        # The nonces decide what the garbage is.
        nonces = iter(range(1 << 32))
        self.patch(os, "urandom", lambda size: next(nonces).to_bytes(size, "big"))
        for listens, dials in self.strangers():
            server = self.node(listens, "/memory/1")
            client = self.node(dials)
            connecting = client.connect(server.addresses[0])
            self.clock.advance(0)
            self.clock.advance(10)
            self.failureResultOf(connecting, DialFailed)
            self.assertEqual(self.events, [])
            for node, other in ((server, client), (client, server)):
                self.assertEqual(node.connections.to(other.peerID), [])
            self.stop(client, server)

    def test_closedAtOnce(self) -> None:
        """
        Who speaks with another key is not waited for: garbage closes.
        """
        server = self.node(self.network, "/memory/1")
        other = PrivateTransport(
            MemoryTransport(self.memory), PrivateNetwork(bytes(32))
        )
        self.patch(os, "urandom", lambda size: NONCE[:size])
        stranger = Recorder()
        other.clientEndpoint(Multiaddr("/memory/1")).connect(Prepared(stranger))
        stranger.transport.write(PLAINTEXT)
        self.clock.advance(0)
        self.assertEqual(stranger.received, b"")
        (reason,) = stranger.reasons
        self.assertTrue(reason.check(ConnectionLost))
        self.stop(server)


class SocketTests(TestCase):
    """
    The same with real sockets on loopback.
    """

    async def test_nodes(self) -> None:
        """
        Two nodes of a network connect over TCP and echo.
        """

        class Talker(Recorder):
            """
            Says much, and waits until it has come back.
            """

            def __init__(self) -> None:
                super().__init__()
                self.done: Deferred[None] = Deferred()

            def connectionMade(self) -> None:
                """
                Say it.
                """
                self.transport.write(said)

            def dataReceived(self, data: bytes) -> None:
                """
                Wait for all.
                """
                super().dataReceived(data)
                if len(self.received) == len(said):
                    self.done.callback(None)

        said = bytes(range(256)) * 1000
        network = PrivateNetwork(KEY)
        nodes = server, client = [
            Node(
                reactor,
                listen=listen,
                transports=protect([TCPTransport(reactor)], network, {}),
            )
            for listen in (["/ip4/127.0.0.1/tcp/0"], [])
        ]
        server.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
        for node in nodes:
            node.startService()
        try:
            (address,) = await server.whenListening()
            talker = Talker()
            await client.connector(address, echo.PROTOCOL_ID).connect(Prepared(talker))
            await talker.done
            self.assertEqual(talker.received, said)
        finally:
            for node in nodes:
                await node.stopService()

    async def test_halfClose(self) -> None:
        """
        A side that has said all it has to say still hears the other, whichever
        side that is.
        """
        transport = PrivateTransport(TCPTransport(reactor), PrivateNetwork(KEY))
        for first in (0, 1):
            asking = Asking()
            ends: list[Protocol] = [asking, HalfCloseable()]
            address = Multiaddr("/ip4/127.0.0.1/tcp/0")
            port = await transport.serverEndpoint(address).listen(
                Prepared(ends[1 - first])
            )
            try:
                (listening,) = transport.listeningOn(address, port)
                await transport.clientEndpoint(listening).connect(Prepared(ends[first]))
                await asking.over
                self.assertEqual(asking.received, b"heard this")
            finally:
                await maybeDeferred(port.stopListening)
