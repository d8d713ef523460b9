# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the answers to peers that ask whether they are reachable.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AddressSource
from twisted_libp2p.reachability import server
from twisted_libp2p.reachability.messages import (
    AUTONAT,
    DIAL_BACK,
    DIAL_REQUEST,
    Answer1,
    DialData,
    DialDataRequest,
    DialRequest,
    DialResponse,
    DialStatus,
    Request1,
    Status,
    Status1,
    dialBack,
    dialBackAnswer,
    readAny,
)
from twisted_libp2p.reachability.server import AutoNATServer
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import ConnectionDouble, StreamDouble
from twisted_libp2p.wire.frames import FrameBuffer, delimit

CLIENT = Identity.generate()
REMOTE = "/ip4/8.8.8.8/tcp/50000"
OWN = Multiaddr("/ip4/8.8.8.8/tcp/4001")
ELSEWHERE = Multiaddr("/ip4/9.9.9.9/tcp/4001")
NONCE = 2**63 + 1


def messages(stream: StreamDouble) -> list[bytes]:
    """
    Cut what was written to a stream into messages.
    """
    frames = FrameBuffer(10_000)
    frames.feed(stream.value())
    return list(frames)


class ServerTestCase(SynchronousTestCase):
    """
    A server in a node without a network.
    """

    def setUp(self) -> None:
        """
        Serve.
        """
        self.clock = Clock()
        self.host = HostDouble(self.clock)
        self.host.ownAddresses.replace(
            AddressSource.BOUND, [Multiaddr("/ip4/7.7.7.7/tcp/4001")]
        )
        self.server = AutoNATServer(self.host, lambda: 0.5)
        self.server.open()
        self.addCleanup(self.server.stop)
        self.connection = self.host.meet(CLIENT, REMOTE)

    def ask(
        self, *addresses: Multiaddr, connection: ConnectionDouble | None = None
    ) -> StreamDouble:
        """
        Let the client ask.
        """
        stream = self.host.serve(connection or self.connection, DIAL_REQUEST)
        request = DialRequest(addresses, NONCE).toBytes()
        if not stream.disconnecting:
            stream.protocol.dataReceived(delimit(request))
        return stream

    def answerOf(self, stream: StreamDouble) -> Any:
        """
        Return the last message to the client.
        """
        return readAny(messages(stream)[-1])

    def reach(self, answer: bytes | None) -> ConnectionDouble:
        """
        Let the dial succeed, and the client answer.
        """
        found = self.host.meet(CLIENT, str(OWN), [DIAL_BACK])
        self.host.dialedBack.pop()[2].callback(found)
        (stream,) = found.opened
        self.assertEqual(messages(stream), [dialBack(NONCE)])
        if answer is not None:
            stream.protocol.dataReceived(delimit(answer))
        return found


class Version2Tests(ServerTestCase):
    """
    Version 2.
    """

    def test_reached(self) -> None:
        """
        The client is dialed, gets its number, and the answer.
        """
        stream = self.ask(OWN)
        ((peer, address, _),) = self.host.dialedBack
        self.assertEqual((peer, address), (CLIENT.peerID, OWN))
        found = self.reach(dialBackAnswer())
        self.assertFalse(found.connected)
        self.assertEqual(
            self.answerOf(stream), DialResponse(Status.OK, 0, DialStatus.OK)
        )
        self.assertTrue(stream.disconnecting)
        self.assertEqual(
            self.server.answers, {("2", "ok", "ok", ("ip4", "tcp"), False): 1}
        )

    def test_notReached(self) -> None:
        """
        A dial that was tried and has failed is an answer, and no refusal.
        """
        stream = self.ask(OWN)
        self.host.dialedBack.pop()[2].errback(Failure(ConnectionRefusedError()))
        self.assertEqual(
            self.answerOf(stream), DialResponse(Status.OK, 0, DialStatus.DIAL_ERROR)
        )

    def test_silent(self) -> None:
        """
        So is one that takes too long.
        """
        stream = self.ask(OWN)
        self.clock.pump([server.DIAL_TIME, 0])
        self.assertEqual(
            self.answerOf(stream), DialResponse(Status.OK, 0, DialStatus.DIAL_ERROR)
        )

    def test_notConfirmed(self) -> None:
        """
        A client that does not confirm its number was reached, and is at fault.
        """
        stream = self.ask(OWN)
        found = self.reach(b"\x08\x01")
        self.assertEqual(
            self.answerOf(stream),
            DialResponse(Status.OK, 0, DialStatus.DIAL_BACK_ERROR),
        )
        self.assertFalse(found.connected)
        self.clock.advance(60)
        stream = self.ask(OWN)
        found = self.reach(None)
        self.clock.pump([server.NONCE_TIME, 0])
        self.assertEqual(
            self.answerOf(stream),
            DialResponse(Status.OK, 0, DialStatus.DIAL_BACK_ERROR),
        )
        self.assertFalse(found.connected)

    def test_choice(self) -> None:
        """
        The first address that may be dialed is: none inside, none of a name, a relay,
        port 0, this node, or another peer.
        """
        other = Identity.generate().peerID
        refused = [
            Multiaddr(each)
            for each in (
                "/ip4/127.0.0.1/tcp/4001",
                "/ip4/10.0.0.1/tcp/4001",
                "/ip4/169.254.169.254/tcp/80",
                "/ip4/224.0.0.1/tcp/4001",
                "/ip6/::ffff:10.0.0.1/tcp/4001",
                "/ip6/64:ff9b::a00:1/tcp/4001",
                "/ip6/2002:a00:1::/tcp/4001",
                "/dns4/example.org/tcp/4001",
                "/dns4/localhost/tcp/4001",
                "/ip4/8.8.8.8/tcp/0",
                "/ip4/7.7.7.7/tcp/22",
                f"/ip4/8.8.8.8/tcp/1/p2p/{other}/p2p-circuit",
                f"/ip4/8.8.8.8/tcp/4001/p2p/{other}",
                "/memory/1",
            )
        ]
        stream = self.ask(*refused)
        self.assertEqual(self.answerOf(stream), DialResponse(Status.DIAL_REFUSED))
        self.assertEqual(self.host.dialedBack, [])
        stream = self.ask(*refused, OWN)
        self.assertEqual(self.host.dialedBack[0][1], OWN)
        self.reach(dialBackAnswer())
        self.assertEqual(self.answerOf(stream).index, len(refused))

    def test_data(self) -> None:
        """
        Before an address on another host is dialed, the client has to send more than
        the dial costs; and it does not choose the moment.
        """
        stream = self.ask(ELSEWHERE)
        self.assertEqual(self.answerOf(stream), DialDataRequest(0, 65_000))
        for _ in range(15):
            stream.protocol.dataReceived(delimit(DialData(4096).toBytes()))
        self.clock.advance(10)
        self.assertEqual(self.host.dialedBack, [])
        stream.protocol.dataReceived(delimit(DialData(65_000 - 15 * 4096).toBytes()))
        self.clock.advance(1)
        self.assertEqual(self.host.dialedBack, [])
        self.clock.advance(0.5)
        self.assertEqual(self.host.dialedBack[0][1], ELSEWHERE)
        self.reach(dialBackAnswer())
        self.assertEqual(self.answerOf(stream).dialStatus, DialStatus.OK)

    def test_smallPieces(self) -> None:
        """
        Data in tiny pieces costs us more than the client: it is reset, as are those who
        send it unasked or too late.
        """
        for address, data in (
            (ELSEWHERE, DialData(99)),
            (OWN, DialData(4096)),
            (ELSEWHERE, None),
        ):
            stream = self.ask(address)
            if data is None:
                self.clock.pump([server.REQUEST_TIME, 0])
            else:
                stream.protocol.dataReceived(delimit(data.toBytes()))
            self.assertIsNotNone(stream.resetCode)
            stream.protocol.connectionLost(Failure(ConnectionRefusedError()))
        self.assertEqual(self.server._book.running, 0)

    def test_gone(self) -> None:
        """
        If the client is gone, the dial is given up.
        """
        stream = self.ask(OWN)
        ((_, _, dialing),) = self.host.dialedBack
        stream.protocol.connectionLost(Failure(ConnectionRefusedError()))
        self.assertTrue(dialing.called)
        self.assertEqual(self.server._book.running, 0)

    def test_atOnce(self) -> None:
        """
        Of one peer two requests are answered at once.
        """
        for _ in range(2):
            self.assertEqual(messages(self.ask(OWN)), [])
        stream = self.ask(OWN)
        self.assertEqual(self.answerOf(stream), DialResponse(Status.REQUEST_REJECTED))

    def test_rate(self) -> None:
        """
        Of one network twelve requests are answered in a minute, whatever the peer.
        """
        for each in range(13):
            connection = self.host.meet(None, f"/ip4/8.8.8.{each}/tcp/1")
            stream = self.ask(connection=connection)
            expected = Status.DIAL_REFUSED if each < 12 else Status.REQUEST_REJECTED
            self.assertEqual(self.answerOf(stream), DialResponse(expected), each)
            stream.protocol.connectionLost(Failure(ConnectionRefusedError()))

    def test_relayed(self) -> None:
        """
        A client behind a relay is at no place that could be dialed.
        """
        relay = Identity.generate().peerID
        for address in (f"{REMOTE}/p2p/{relay}/p2p-circuit", None):
            connection = self.host.meet(CLIENT, address)
            stream = self.ask(OWN, connection=connection)
            self.assertEqual(
                self.answerOf(stream), DialResponse(Status.REQUEST_REJECTED)
            )

    def test_malformed(self) -> None:
        """
        A request that is malformed, too long, or never complete is reset.
        """
        for data in (delimit(b"\xff"), b"\xff\xff\x7f", delimit(DialData(1).toBytes())):
            stream = self.host.serve(self.connection, DIAL_REQUEST)
            stream.protocol.dataReceived(data)
            self.assertIsNotNone(stream.resetCode)
            stream.protocol.connectionLost(Failure(ConnectionRefusedError()))
        stream = self.host.serve(self.connection, DIAL_REQUEST)
        stream.protocol.dataReceived(b"\x10")
        stream.protocol.readConnectionLost()
        self.assertIsNotNone(stream.resetCode)

    def test_bytes(self) -> None:
        """
        Bytes may come one by one, and the client may end its half after the request.
        """
        stream = self.host.serve(self.connection, DIAL_REQUEST)
        for each in delimit(DialRequest((OWN,), NONCE).toBytes()):
            stream.protocol.dataReceived(bytes([each]))
        stream.protocol.readConnectionLost()
        self.reach(dialBackAnswer())
        self.assertEqual(self.answerOf(stream).dialStatus, DialStatus.OK)

    def test_closed(self) -> None:
        """
        A server that is closed serves nothing.
        """
        self.assertTrue(self.server.serving)
        self.server.close()
        self.assertFalse(self.server.serving)
        self.assertEqual(self.host.registry.protocols(), ())


class Version1Tests(ServerTestCase):
    """
    Version 1.
    """

    def ask1(
        self, request: bytes, connection: ConnectionDouble | None = None
    ) -> StreamDouble:
        """
        Let a client ask.
        """
        stream = self.host.serve(connection or self.connection, AUTONAT)
        stream.protocol.dataReceived(delimit(request))
        return stream

    def answer1(self, stream: StreamDouble) -> Answer1:
        """
        Return the answer.
        """
        (message,) = messages(stream)
        return Answer1.fromBytes(message)

    def test_reached(self) -> None:
        """
        The address is dialed at the host from which the client has come.
        """
        inside = Multiaddr("/ip4/10.0.0.1/tcp/4001")
        stream = self.ask1(Request1(CLIENT.peerID, (inside,)).toBytes())
        ((peer, address, dialing),) = self.host.dialedBack
        self.assertEqual((peer, address), (CLIENT.peerID, OWN))
        found = self.host.meet(CLIENT, str(OWN))
        dialing.callback(found)
        self.assertEqual(self.answer1(stream), Answer1(Status1.OK, OWN))
        self.assertFalse(found.connected)

    def test_notReached(self) -> None:
        """
        A failure is told after a fixed time, so that nobody scans ports with our help.
        """
        stream = self.ask1(Request1(CLIENT.peerID, (OWN,)).toBytes())
        self.host.dialedBack.pop()[2].errback(Failure(ConnectionRefusedError()))
        self.clock.advance(server.REQUEST_TIME - 0.1)
        self.assertEqual(stream.value(), b"")
        self.clock.advance(0.1)
        self.assertEqual(self.answer1(stream), Answer1(Status1.DIAL_ERROR))

    def test_refused(self) -> None:
        """
        The id of another peer, no address, and a private place are refused; so are
        those who ask too often.
        """
        for request, status in (
            (Request1(None, (OWN,)).toBytes(), Status1.BAD_REQUEST),
            (b"\xff", Status1.BAD_REQUEST),
            (Request1(CLIENT.peerID, ()).toBytes(), Status1.DIAL_REFUSED),
            (Request1(CLIENT.peerID, (OWN,)).toBytes(), Status1.DIAL_REFUSED),
        ):
            self.assertEqual(self.answer1(self.ask1(request)).status, status)
        near = self.host.meet(CLIENT, "/ip4/10.0.0.1/tcp/50000")
        stream = self.ask1(Request1(CLIENT.peerID, (OWN,)).toBytes(), near)
        self.assertEqual(self.answer1(stream).status, Status1.DIAL_REFUSED)
        self.assertEqual(self.host.dialedBack, [])
