# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.ports}, L{twisted_libp2p.connection.arrival} and
L{twisted_libp2p.connection.locating}: in memory, byte by byte.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.websocket.frames import BINARY, MASK, REQUEST, frame
from twisted_libp2p.connection.upgrader import Punch
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Role
from twisted_libp2p.limits import Limits, SubnetLimit
from twisted_libp2p.limits.refusallog import INTERVAL
from twisted_libp2p.node import Node
from twisted_libp2p.testing.memorymuxed import (
    MemoryMuxedNetwork,
    MemoryMuxedTransport,
)
from twisted_libp2p.transport import TCPTransport
from twisted_libp2p.transport.private import PrivateNetwork

TCP = "/ip4/127.0.0.1/tcp/4001"
MULTISTREAM = b"\x13/multistream/1.0.0\n"
PROPOSAL = MULTISTREAM + b"\x07/noise\n"
STRANGER = IPv4Address("TCP", "192.0.2.1", 4711)
PROXY = IPv4Address("TCP", "10.0.0.1", 4711)
HEADER = b"PROXY TCP4 203.0.113.9 10.0.0.2 4711 4001\r\n"


class Transport(StringTransport):
    """
    The node's end of a connection.
    """

    protocol: Any
    aborted = False

    def abortConnection(self) -> None:
        """
        Record the end, and report it as a socket does.
        """
        if not self.aborted:
            self.aborted = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


class _Case(SynchronousTestCase):
    """
    A node whose connections are played by the test.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()

    def start(self, *listen: str, **options: Any) -> Node:
        """
        Start a node.
        """
        options.setdefault("transports", ["tcp", "ws"])
        node = Node(self.reactor, listen=listen, **options)
        node.startService()
        self.successResultOf(node.whenListening())
        return node

    def come(self, data: bytes = b"", peer: Any = STRANGER, port: int = 0) -> Transport:
        """
        Connect, and send bytes one by one.
        """
        factory = self.reactor.tcpServers[port][1]
        transport = Transport(peerAddress=peer)
        transport.protocol = factory.buildProtocol(peer)
        if transport.protocol is None:
            transport.aborted = True
            return transport
        transport.protocol.makeConnection(transport)
        self.send(transport, data)
        return transport

    def send(self, transport: Transport, data: bytes) -> None:
        """
        Send bytes one by one.
        """
        for byte in data:
            if transport.aborted:
                return
            transport.protocol.dataReceived(bytes((byte,)))

    def refusal(self, data: bytes, peer: Any = STRANGER) -> str:
        """
        Connect, send bytes, and return the reason in the log with which the connection
        was refused.
        """
        with capturedLogs() as logs:
            transport = self.come(data, peer)
            self.assertTrue(transport.aborted)
        return "\n".join(
            f"{each['address']}: {each['reason']}" for each in logs if "reason" in each
        )


class SharedTests(_Case):
    """
    TCP and WebSockets on one port.
    """

    def test_kinds(self) -> None:
        """
        The first bytes decide, in either order of the listeners, and none is lost.
        """
        for listen in ((TCP, f"{TCP}/ws"), (f"{TCP}/ws", TCP)):
            self.setUp()
            self.start(*listen)
            self.assertEqual(len(self.reactor.tcpServers), 1)
            self.assertEqual(self.come(PROPOSAL).value(), PROPOSAL)
            self.assertIn(b" 101 ", self.come(REQUEST).value())
            health = self.come(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b" 426 ", health.value())

    def test_oneRead(self) -> None:
        """
        Many bytes may come with the first one.
        """
        self.start(TCP, f"{TCP}/ws")
        transport = self.come()
        transport.protocol.dataReceived(PROPOSAL)
        self.assertEqual(transport.value(), PROPOSAL)

    def test_unwanted(self) -> None:
        """
        Bytes for which nobody listens, and bytes of no kind, end the connection with
        one line.
        """
        self.start(TCP, f"{TCP}/ws")
        self.assertIn(
            "begins with TLS, for which nobody listens here", self.refusal(b"\x16\x03")
        )
        self.assertIn("192.0.2.1", self.refusal(b"\0\0"))

    def test_silence(self) -> None:
        """
        A peer has five seconds for its first bytes.
        """
        node = self.start(TCP, f"{TCP}/ws")
        silent, timely = self.come(), self.come()
        self.reactor.advance(4.9)
        self.send(timely, b"\x13")
        with capturedLogs() as logs:
            self.reactor.advance(0.2)
            self.reactor.advance(0)
        self.assertEqual((silent.aborted, timely.aborted), (True, False))
        self.assertIn("the first bytes", str([each.get("reason") for each in logs]))
        self.assertEqual(node.connections.limiter.transient.connections, 1)
        # The deadline of the whole upgrade has begun with the transport.
        self.reactor.advance(5.0)
        self.reactor.advance(0)
        self.assertTrue(timely.aborted)
        self.assertEqual(node.connections.limiter.transient.connections, 0)

    def test_ends(self) -> None:
        """
        A peer that leaves before its first bytes leaves nothing.
        """
        node = self.start(TCP, f"{TCP}/ws")
        with capturedLogs() as logs:
            one = self.come()
            one.protocol.connectionLost(Failure(ConnectionDone()))
            two = self.come()
            self.assertTrue(IHalfCloseableProtocol.providedBy(two.protocol))
            two.protocol.readConnectionLost()
        self.assertTrue(two.aborted)
        self.assertEqual(str(logs).count("before its first bytes"), 2)
        # A scan of ports, or a check of health, is nothing that has to be read.
        self.assertEqual({each["log_level"].name for each in logs}, {"debug"})
        self.assertEqual(node.connections.limiter.transient.connections, 0)
        node.stopService()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_left(self) -> None:
        """
        A peer that leaves during the handshake of a WebSocket, or the negotiation
        inside it, is no refusal; one that sends no frames is.
        """
        self.start(TCP, f"{TCP}/ws")
        whole = frame(BINARY, MULTISTREAM, mask=MASK)
        for data in (REQUEST[:40], REQUEST, REQUEST + whole[:5], REQUEST + whole):
            with capturedLogs() as logs:
                self.come(data).protocol.connectionLost(Failure(ConnectionDone()))
            self.assertEqual([each["log_level"].name for each in logs], ["debug"])
            self.assertRegex(
                formatEvent(logs[0]), "^inbound connection from .* ended: "
            )
        for data in (b"GET / HTTP/1.1\r\n\r\n", REQUEST + frame(BINARY, b"no mask")):
            with capturedLogs() as logs:
                transport = self.come(data)
                transport.protocol.connectionLost(Failure(ConnectionDone()))
            self.assertEqual([each["log_level"].name for each in logs], ["info"])
            self.reactor.advance(INTERVAL)

    def test_limits(self) -> None:
        """
        Silent connections count from their beginning: for their network, and among
        those under upgrade, of which the oldest gives way.
        """
        limits = replace(Limits.scaled(), subnets=(SubnetLimit(4, 32, 2),))
        node = self.start(TCP, f"{TCP}/ws", limits=limits)
        with capturedLogs():
            self.assertEqual(
                [self.come().aborted for _ in range(3)], [False, False, True]
            )
        self.assertEqual(node.connections.limiter.transient.connections, 2)

    def test_gater(self) -> None:
        """
        The gater is asked before anything is read.
        """
        self.start(TCP, f"{TCP}/ws", gater=ListGater(blocked=["192.0.2.0/24"]))
        with capturedLogs():
            self.assertTrue(self.come().aborted)

    def test_stopOne(self) -> None:
        """
        If one of the two listeners is closed, the other goes on; the port is closed
        with the last one.
        """
        node = self.start(TCP, f"{TCP}/ws")
        waiting = self.come()
        with capturedLogs():
            self.successResultOf(_deferred(node.stopListeningOn(f"{TCP}/ws")))
            self.assertEqual(self.come(PROPOSAL).value(), PROPOSAL)
            self.assertTrue(self.come(REQUEST).aborted)
        self.send(waiting, PROPOSAL)
        self.assertEqual(waiting.value(), PROPOSAL)
        self.successResultOf(node.listenOn(f"{TCP}/ws"))
        self.assertIn(b" 101 ", self.come(REQUEST).value())
        with capturedLogs():
            self.successResultOf(_deferred(node.stopListeningOn(TCP)))
            self.assertEqual(self.come(PROPOSAL).value(), b"")
        self.assertIn(b" 101 ", self.come(REQUEST).value())
        self.successResultOf(node.listenOn(TCP))
        for each in (TCP, f"{TCP}/ws"):
            self.successResultOf(_deferred(node.stopListeningOn(each)))
        self.assertEqual(node.addresses, [])
        self.successResultOf(node.listenOn(TCP))
        self.assertEqual(len(self.reactor.tcpServers), 2)

    def test_noTransportLeft(self) -> None:
        """
        A connection whose port is closed before its first bytes is refused.
        """
        node = self.start(TCP, f"{TCP}/ws")
        waiting = self.come()
        with capturedLogs() as logs:
            for each in (TCP, f"{TCP}/ws"):
                self.successResultOf(_deferred(node.stopListeningOn(each)))
            self.send(waiting, PROPOSAL)
        self.assertTrue(waiting.aborted)
        self.assertIn("for which nobody listens here", str(logs))

    def test_punched(self) -> None:
        """
        A peer that dials while we punch a hole to it may wait for our first bytes.
        """
        node = self.start(TCP, f"{TCP}/ws")
        punch = Punch(Identity.generate().peerID, Role.CLIENT, lambda each: None)
        node._upgrader.expected[bytes((192, 0, 2, 1))] = [punch]
        self.assertTrue(self.come().value().startswith(MULTISTREAM))

    def test_stopNode(self) -> None:
        """
        A node that stops drops the connections that have sent nothing yet.
        """
        node = self.start(TCP, f"{TCP}/ws")
        waiting = self.come()
        stopped = node.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertTrue(waiting.aborted)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class PrivateTests(_Case):
    """
    The same in a private network.
    """

    def setUp(self) -> None:
        super().setUp()
        self.node = self.start(TCP, f"{TCP}/ws", network=PrivateNetwork(bytes(32)))

    def test_kinds(self) -> None:
        """
        Requests are for the WebSocket, all other bytes are the nonce of a peer over
        TCP, which gets ours.
        """
        self.assertIn(b" 101 ", self.come(REQUEST).value())
        for nonce in (b"\x13" * 24, b"GETS" * 6, bytes(24)):
            self.assertEqual(len(self.come(nonce).value()), 24, nonce)

    def test_left(self) -> None:
        """
        A peer that leaves, before its whole nonce or after it, is no refusal; one that
        is in another network is.
        """
        nonce = bytes(range(24))
        for data in (nonce[:7], nonce):
            with capturedLogs() as logs:
                self.come(data).protocol.connectionLost(Failure(ConnectionDone()))
            self.assertEqual([each["log_level"].name for each in logs], ["debug"])
        with capturedLogs() as logs:
            self.assertTrue(self.come(nonce + PROPOSAL).aborted)
        self.assertEqual([each["log_level"].name for each in logs], ["info"])

    def test_silence(self) -> None:
        """
        A silent peer gets our nonce after a second: js-libp2p waits for it.
        """
        transport = self.come()
        partial = self.come(b"GE")
        self.reactor.advance(1.0)
        self.reactor.advance(0)
        self.assertEqual((len(transport.value()), transport.aborted), (24, False))
        self.assertEqual((len(partial.value()), partial.aborted), (24, False))
        self.send(transport, bytes(24))
        self.assertFalse(transport.aborted)


class ProxyTests(_Case):
    """
    Connections through trusted proxies.
    """

    limits = replace(Limits.scaled(), subnets=(SubnetLimit(4, 32, 2),))

    def begin(self, *listen: str, **options: Any) -> Node:
        """
        Start a node that trusts a proxy.
        """
        options.setdefault("limits", self.limits)
        return self.start(*listen, proxies=["10.0.0.0/8"], **options)

    def counted(self, node: Node) -> dict[str, int]:
        """
        Return the number of connections of each network.
        """
        subnets = node.connections.limiter.subnets
        return {str(each): count for each, count in subnets.counts.items()}

    def test_header(self) -> None:
        """
        The client that a header states is counted, not the proxy, and no byte after the
        header is lost: over TCP, over WebSockets, and where both share a port.
        """
        opened = REQUEST.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        for listen in ((TCP,), (f"{TCP}/ws",), (TCP, f"{TCP}/ws")):
            self.setUp()
            node = self.begin(*listen)
            for data, answer in ((PROPOSAL, PROPOSAL), (opened, b" 101 ")):
                if (data is PROPOSAL) != (listen[0] == TCP) and len(listen) == 1:
                    continue
                transport = self.come(HEADER + data, PROXY)
                self.assertIn(answer, transport.value(), listen)
                if data is opened:
                    frame = b"\x82" + bytes((0x80 | len(PROPOSAL),)) + bytes(4)
                    self.send(transport, frame + PROPOSAL)
                self.assertEqual(
                    self.counted(node).pop("203.0.113.9/32"),
                    1 + (data is opened and len(listen) == 2),
                )
            self.assertNotIn("10.0.0.1/32", self.counted(node))
            self.assertNotIn("1.2.3.4/32", self.counted(node))

    def test_stranger(self) -> None:
        """
        Nobody else is believed: a header is refused, and C{X-Forwarded-For} has
        no effect.
        """
        node = self.begin(TCP, f"{TCP}/ws")
        with capturedLogs():
            self.assertNotIn(b"/multistream", self.come(HEADER + PROPOSAL).value())
        forged = REQUEST.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
        self.come(forged)
        self.assertEqual(list(self.counted(node)), ["192.0.2.1/32"])

    def test_forwarded(self) -> None:
        """
        The last address that no proxy has is the client's, although the client has sent
        such a header itself.
        """
        node = self.begin(f"{TCP}/ws")
        for number in range(3):
            forwarded = b"198.51.100.7, 203.0.113.9, 10.0.0.%d" % number
            request = REQUEST.replace(
                b"\r\n\r\n", b"\r\nX-Forwarded-For: " + forwarded + b"\r\n\r\n"
            )
            transport = self.come(request, PROXY)
            frame = b"\x82" + bytes((0x80 | len(PROPOSAL),)) + bytes(4)
            with capturedLogs() as logs:
                self.send(transport, frame + PROPOSAL)
            self.assertEqual(transport.aborted, number == 2)
            self.assertEqual("203.0.113.9/32" in str(logs), number == 2)
        self.assertEqual(self.counted(node), {"203.0.113.9/32": 2})

    def test_gated(self) -> None:
        """
        The gater is asked about the client, when it is known, and not about the proxy.
        """
        gater = ListGater(blocked=["203.0.113.9", "10.0.0.1"])
        node = self.begin(TCP, f"{TCP}/ws", gater=gater)
        with capturedLogs() as logs:
            transport = self.come(HEADER, PROXY)
            self.assertFalse(transport.aborted)
            self.send(transport, PROPOSAL)
        self.assertTrue(transport.aborted)
        self.assertEqual(transport.value(), b"")
        self.assertIn("/ip4/203.0.113.9/tcp/4711", str(logs))
        self.assertEqual(node.connections.limiter.transient.connections, 0)
        other = HEADER.replace(b"203.0.113.9", b"203.0.113.8")
        self.assertEqual(self.come(other + PROPOSAL, PROXY).value(), PROPOSAL)
        # Without a statement the proxy is the peer.
        with capturedLogs():
            self.assertTrue(self.come(PROPOSAL, PROXY).aborted)

    def test_health(self) -> None:
        """
        The health checks of a proxy are answered, and not counted as clients.
        """
        node = self.begin(TCP, f"{TCP}/ws")
        local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
        for check in (b"", local, b"PROXY UNKNOWN\r\n"):
            transport = self.come(check + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", PROXY)
            self.assertIn(b" 426 ", transport.value(), check)
            self.assertEqual(self.come(check + PROPOSAL, PROXY).value(), PROPOSAL)
        self.assertEqual(self.counted(node), {})

    def test_malformed(self) -> None:
        """
        A malformed header ends the connection with one line; so do five seconds without
        a whole one.
        """
        self.begin(TCP)
        self.assertIn("malformed header", self.refusal(b"PROXY TCP9 a b\r\n", PROXY))
        transport = self.come(HEADER[:20], PROXY)
        with capturedLogs() as logs:
            self.reactor.advance(5.0)
            self.reactor.advance(0)
        self.assertTrue(transport.aborted)
        self.assertIn("the first bytes", str(logs))

    def test_muxed(self) -> None:
        """
        No proxy can state the client of a transport that is muxed natively: the peer is
        counted, and the gater is asked, at once.
        """
        muxed = MemoryMuxedTransport(MemoryMuxedNetwork(self.reactor))
        self.patch(muxed, "toMultiaddr", TCPTransport(self.reactor).toMultiaddr)
        node = self.begin(TCP, gater=ListGater(blocked=["10.0.0.2"]))
        upgrade = node._upgrader.accept(muxed, PROXY)
        assert upgrade is not None
        self.assertFalse(upgrade.proxied)
        self.assertEqual(self.counted(node), {"10.0.0.1/32": 1})
        with capturedLogs():
            blocked = IPv4Address("TCP", "10.0.0.2", 1)
            self.assertIsNone(node._upgrader.accept(muxed, blocked))
        upgrade.abandon()

    def test_private(self) -> None:
        """
        A silent member of a private network behind a proxy gets our nonce.
        """
        self.begin(TCP, network=PrivateNetwork(bytes(32)))
        transport = self.come(HEADER + bytes(24), PROXY)
        self.assertEqual(len(transport.value()), 24)


def _deferred(coroutine: Any) -> Any:
    return Deferred.fromCoroutine(coroutine)
