# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the questions to servers of AutoNAT.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.reachability import prober
from twisted_libp2p.reachability.asking import MAX_DATA
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
from twisted_libp2p.reachability.prober import Outcome, Prober
from twisted_libp2p.reachability.servers import PAY_INTERVAL, Server
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import StreamDouble
from twisted_libp2p.wire.frames import FrameBuffer, delimit

SERVER = Identity.generate()
PLACE = "/ip4/9.9.9.9/tcp/4001"
OWN = Multiaddr("/ip4/8.8.8.8/tcp/4001")


def messages(stream: StreamDouble) -> list[bytes]:
    """
    Cut what was written to a stream into messages.
    """
    frames = FrameBuffer(10_000)
    frames.feed(stream.value())
    return list(frames)


class ProberTestCase(SynchronousTestCase):
    """
    A node without a network, and a server.
    """

    def setUp(self) -> None:
        """
        Meet the server.
        """
        self.clock = Clock()
        self.host = HostDouble(self.clock)
        self.prober = Prober(self.host)
        self.prober.start()
        self.addCleanup(self.prober.stop)
        self.connection = self.host.meet(SERVER, PLACE, [DIAL_REQUEST, AUTONAT])
        self.server = Server(self.connection, "network", 2)

    def ask(self) -> tuple[Deferred[Outcome], StreamDouble]:
        """
        Ask the server.
        """
        asking = Deferred.fromCoroutine(self.prober.ask(self.server, OWN))
        return asking, self.connection.opened[-1]

    def nonce(self, stream: StreamDouble) -> int:
        """
        Return the number in the request.
        """
        request = readAny(messages(stream)[0])
        assert isinstance(request, DialRequest)
        self.assertEqual(request.addresses, (OWN,))
        return request.nonce

    def arrive(self, nonce: int, local: str | None = "/ip4/10.0.0.2/tcp/4001") -> bool:
        """
        Let a number arrive on a new connection.

        @return: whether it was confirmed.
        """
        connection = self.host.meet(None, PLACE)
        connection.localAddress = None if local is None else Multiaddr(local)
        stream = self.host.serve(connection, DIAL_BACK)
        stream.protocol.dataReceived(delimit(dialBack(nonce)))
        return messages(stream) == [dialBackAnswer()]

    def answer(self, stream: StreamDouble, message: Any) -> None:
        """
        Let the server send a message.
        """
        stream.protocol.dataReceived(delimit(message.toBytes()))

    def reached(self, asking: Deferred[Outcome]) -> bool | None:
        """
        Return the outcome.
        """
        return self.successResultOf(asking).reached


class Version2Tests(ProberTestCase):
    """
    Version 2.
    """

    def test_reached(self) -> None:
        """
        The number arrives, and the answer says so.
        """
        asking, stream = self.ask()
        self.assertTrue(self.arrive(self.nonce(stream)))
        self.answer(stream, DialResponse(Status.OK, 0, DialStatus.OK))
        self.assertIs(self.reached(asking), True)
        self.assertEqual(self.server.notBefore, prober.PAUSE)

    def test_lateNumber(self) -> None:
        """
        The number may arrive up to five seconds after the answer.
        """
        asking, stream = self.ask()
        self.answer(stream, DialResponse(Status.OK, 0, DialStatus.OK))
        self.clock.advance(4)
        self.assertNoResult(asking)
        self.arrive(self.nonce(stream))
        self.assertIs(self.reached(asking), True)

    def test_lie(self) -> None:
        """
        A server that says that it has reached us, and has not, is not believed, and
        left alone for a while.
        """
        asking, stream = self.ask()
        self.answer(stream, DialResponse(Status.OK, 0, DialStatus.OK))
        self.clock.pump([prober.NONCE_TIME, 0])
        self.assertIsNone(self.reached(asking))
        self.assertEqual(self.server.notBefore, self.clock.seconds() + prober.BACKOFF)

    def test_outcomes(self) -> None:
        """
        Only an answer that says that we were dialed teaches anything.
        """
        for arrives, status, dial, expected in (
            (False, Status.OK, DialStatus.DIAL_ERROR, False),
            (True, Status.OK, DialStatus.DIAL_ERROR, None),
            (True, Status.OK, DialStatus.DIAL_BACK_ERROR, True),
            (False, Status.OK, DialStatus.DIAL_BACK_ERROR, None),
            (False, Status.OK, 77, None),
            (False, Status.REQUEST_REJECTED, 0, None),
            (False, Status.DIAL_REFUSED, 0, None),
            (False, Status.INTERNAL_ERROR, 0, None),
            (False, 99, 0, None),
        ):
            asking, stream = self.ask()
            if arrives:
                self.arrive(self.nonce(stream))
            self.answer(stream, DialResponse(status, 0, dial))
            self.assertIs(self.reached(asking), expected, (status, dial))

    def test_refused(self) -> None:
        """
        A server that does not dial an address is not asked for it again soon, and may
        be asked for others.
        """
        asking, stream = self.ask()
        self.answer(stream, DialResponse(Status.DIAL_REFUSED))
        self.successResultOf(asking)
        now = self.clock.seconds() + prober.PAUSE
        self.assertFalse(self.server.mayBeAsked(OWN, now))
        self.assertTrue(self.server.mayBeAsked(Multiaddr(PLACE), now))
        self.assertTrue(self.server.mayBeAsked(OWN, now + prober.REFUSED))

    def test_numbers(self) -> None:
        """
        A number counts once, while it is expected, and on a connection over the
        transport of the address.
        """
        asking, stream = self.ask()
        nonce = self.nonce(stream)
        self.assertFalse(self.arrive(nonce ^ 1))
        self.assertFalse(self.arrive(nonce, "/ip4/10.0.0.2/udp/4001/quic-v1"))
        self.assertFalse(self.arrive(nonce, "/ip6/::1/tcp/4001"))
        self.assertFalse(self.arrive(nonce, None))
        self.assertTrue(self.arrive(nonce))
        self.assertFalse(self.arrive(nonce))
        self.answer(stream, DialResponse(Status.OK, 0, DialStatus.OK))
        self.assertIs(self.reached(asking), True)
        self.assertFalse(self.arrive(nonce))

    def test_data(self) -> None:
        """
        The demanded data is sent, once in an hour, and no more than 100 kB.
        """
        for size, paid in ((65_000, True), (30_000, False)):
            asking, stream = self.ask()
            self.answer(stream, DialDataRequest(0, size))
            _, *data = map(readAny, messages(stream))
            sizes = [each.size for each in data if isinstance(each, DialData)]
            self.assertEqual(sum(sizes), size if paid else 0)
            self.assertEqual(stream.resetCode is None, paid)
            if not paid:
                self.assertIsNone(self.reached(asking))
            stream.protocol.connectionLost(Failure(ConnectionLost()))
        self.clock.advance(PAY_INTERVAL)
        for size in (MAX_DATA + 1, 2**63):
            asking, stream = self.ask()
            self.answer(stream, DialDataRequest(0, size))
            self.assertIsNone(self.reached(asking))
            self.assertEqual(len(messages(stream)), 1)

    def test_twice(self) -> None:
        """
        Data is not sent twice for one request.
        """
        asking, stream = self.ask()
        self.answer(stream, DialDataRequest(0, 4096))
        self.answer(stream, DialDataRequest(0, 4096))
        self.assertIsNone(self.reached(asking))
        self.assertEqual(len(messages(stream)), 2)

    def test_violations(self) -> None:
        """
        A wrong index, a message of a client, garbage, no answer, and silence.
        """
        for message in (
            DialResponse(Status.OK, 1, DialStatus.OK),
            DialDataRequest(1, 4096),
            DialData(1),
        ):
            asking, stream = self.ask()
            self.answer(stream, message)
            self.assertIsNone(self.reached(asking))
            self.assertIsNotNone(stream.resetCode)
        asking, stream = self.ask()
        stream.protocol.dataReceived(b"\x01\xff")
        self.assertIsNone(self.reached(asking))
        asking, stream = self.ask()
        stream.protocol.readConnectionLost()
        self.assertIsNone(self.reached(asking))
        asking, stream = self.ask()
        self.clock.pump([prober.ANSWER_TIME, 0])
        self.assertIsNone(self.reached(asking))
        self.connection.serves.clear()
        asking, _ = self.ask()
        self.assertIsNone(self.reached(asking))

    def test_cancelled(self) -> None:
        """
        A question that is given up resets its stream.
        """
        asking, stream = self.ask()
        asking.addErrback(lambda _: None).cancel()
        self.assertIsNotNone(stream.resetCode)
        self.assertFalse(self.server.busy)
        self.assertEqual(self.prober._expected, [])


class Version1Tests(ProberTestCase):
    """
    Version 1.
    """

    def setUp(self) -> None:
        """
        Have a server of version 1.
        """
        super().setUp()
        self.server = Server(self.connection, "network", 1)

    def connected(self, address: str) -> None:
        """
        Let a connection come from a place.
        """
        connection = self.host.meet(None, address)
        self.host.events.publish(
            OpenedConn(
                time=0.0,
                connection=connection,  # type: ignore[arg-type]
                peer=connection.remotePeer,
                localAddress=None,
                remoteAddress=connection.remoteAddress,
                direction=Direction.INBOUND,
                security="/noise",
                muxer="/yamux/1.0.0",
                remoteKey=connection.remoteKey,
                early=True,
                upgradeTime=0.0,
            )
        )

    def test_outcomes(self) -> None:
        """
        A success is believed if a connection has come from the host of the server.
        """
        for arrival, status, expected in (
            ("/ip4/9.9.9.9/tcp/55555", Status1.OK, True),
            ("/ip4/9.9.9.8/tcp/55555", Status1.OK, None),
            (None, Status1.OK, None),
            (None, Status1.DIAL_ERROR, False),
            ("/ip4/9.9.9.9/tcp/55555", Status1.DIAL_ERROR, None),
            (None, Status1.DIAL_REFUSED, None),
            (None, Status1.INTERNAL_ERROR, None),
        ):
            asking, stream = self.ask()
            (request,) = messages(stream)
            self.assertEqual(
                Request1.fromBytes(request), Request1(self.host.peerID, (OWN,))
            )
            if arrival is not None:
                self.connected(arrival)
            self.answer(stream, Answer1(status, OWN))
            self.assertIs(self.reached(asking), expected, (arrival, status))
        self.assertEqual(self.prober._arrivals, [])

    def test_garbage(self) -> None:
        """
        A malformed answer teaches nothing.
        """
        asking, stream = self.ask()
        stream.protocol.dataReceived(b"\x01\xff")
        self.assertIsNone(self.reached(asking))
