# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the connections of one socket.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.webrtc.fake import COOKIE, FakeMachines
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    IQuicBackend,
    IQuicEndpoint,
    LossCause,
    QuicEvent,
    ReceivedDatagram,
)
from twisted_libp2p.testing.quic.pair import settingsOf
from twisted_libp2p.webrtc.association import CONSENT_TIME, IDLE_TIMEOUT, Ice
from twisted_libp2p.webrtc.endpoint import MAX_SEEN, RtcBackend, RtcEndpoint
from twisted_libp2p.webrtc.native import RtcCause, RtcEvent
from twisted_libp2p.webrtc.stun import makeRequest, readRequest, respond

UFRAG = b"libp2p+webrtc+v1/" + b"a" * 24
REQUEST = makeRequest(UFRAG, bytes(12), bytes(8))
HELLO = b"\x16\xfe\xfd" + bytes(60)
HOST = "192.0.2.7"


class EndpointTests(SynchronousTestCase):
    """
    Datagrams find their connections, or nothing.
    """

    def setUp(self) -> None:
        machines = FakeMachines()
        self.machines = machines.made
        backend = RtcBackend(lambda certificate: machines, lambda size: b"r" * size)
        verifyObject(IQuicBackend, backend)
        self.endpoint = backend.endpoint(settingsOf(Identity.generate()))
        verifyObject(IQuicEndpoint, self.endpoint)

    def receive(self, data: bytes, port: int = 5, **more: Any) -> Any:
        """
        Receive a datagram.
        """
        datagram = ReceivedDatagram(data, HOST, port, **more)
        return self.endpoint.receive(1.0, [datagram])

    def serve(self) -> RtcEndpoint:
        """
        Let peers connect.
        """
        self.endpoint.serveWeb(b"certificate", b"key")
        return self.endpoint

    def test_deaf(self) -> None:
        """
        Without a listener, nothing is answered.
        """
        self.assertEqual(self.receive(REQUEST), ([], [], []))
        self.assertEqual(self.receive(HELLO), ([], [], []))

    def test_knock(self) -> None:
        """
        A peer may begin DTLS after a request, once, and is then asked about.
        """
        endpoint = self.serve()
        self.assertEqual(self.receive(HELLO), ([], [], []))
        _, knocks, (answer,) = self.receive(REQUEST)
        self.assertEqual(knocks, [])
        self.assertLess(len(answer.data), len(REQUEST))
        _, (knock,), _ = self.receive(HELLO)
        self.assertEqual((knock.host, knock.port), (HOST, 5))
        self.assertEqual(self.receive(HELLO)[1], [])
        self.assertEqual(self.machines, [])
        handle, _ = endpoint.accept(1.0, knock.number)
        (machine,) = self.machines
        self.assertEqual(machine.received, [HELLO])
        self.assertFalse(machine.dialed)
        self.assertEqual(self.receive(HELLO), ([handle], [], []))
        self.assertEqual(endpoint.address(handle or 0), (HOST, 5))
        endpoint.forget(handle or 0)
        self.assertEqual(self.receive(HELLO), ([], [], []))

    def test_refused(self) -> None:
        """
        A refused peer gets no answer, and may try again.
        """
        endpoint = self.serve()
        for drop in (endpoint.refuse, endpoint.ignore):
            self.receive(REQUEST)
            _, (knock,), _ = self.receive(HELLO)
            self.assertFalse(drop(knock.number))
        self.assertEqual(self.machines, [])

    def test_cookie(self) -> None:
        """
        A peer is asked for a cookie without a state for it, and is believed with it.
        """
        endpoint = self.serve()
        self.receive(REQUEST)
        _, (knock,), _ = self.receive(HELLO)
        self.assertEqual((knock.validated, knock.retryable), (False, True))
        (asked,) = endpoint.retry(knock.number)
        self.assertEqual(tuple(asked)[:3], (COOKIE, HOST, 5))
        self.assertEqual(self.receive(HELLO + COOKIE + b"!")[1], [])
        _, (knock,), _ = self.receive(HELLO + COOKIE)
        self.assertEqual((knock.validated, knock.retryable), (True, False))
        self.assertEqual(self.machines, [])
        handle, _ = endpoint.accept(1.0, knock.number)
        self.assertIsNotNone(handle)
        self.assertEqual(self.machines[0].received, [HELLO + COOKIE])

    def test_strangers(self) -> None:
        """
        Other datagrams are dropped, as is a record that begins no handshake.
        """
        self.serve()
        self.receive(REQUEST)
        for data in (b"", b"\x40" * 40, b"\x17" * 40, b"\0", REQUEST[:-3]):
            self.assertEqual(self.receive(data), ([], [], []))

    def test_seen(self) -> None:
        """
        The addresses that were answered are bounded.  While there are as many, a peer
        needs no request, which others may have pushed out.
        """
        self.serve()
        for port in range(MAX_SEEN - 1):
            self.receive(REQUEST, port)
        self.assertEqual(self.receive(HELLO, 60000)[1], [])
        for port in range(MAX_SEEN - 1, MAX_SEEN + 9):
            self.receive(REQUEST, port)
        self.assertEqual(len(self.endpoint._seen), MAX_SEEN)
        (knock,) = self.receive(HELLO, 60000)[1]
        self.assertFalse(knock.validated)

    def test_forgotten(self) -> None:
        """
        A peer with a cookie needs no request before it.
        """
        self.serve()
        self.assertEqual(len(self.receive(HELLO + COOKIE)[1]), 1)

    def test_groups(self) -> None:
        """
        Datagrams that have come together are taken apart, and those of one size leave
        together.
        """
        endpoint = self.serve()
        self.receive(REQUEST)
        _, (knock,), _ = self.receive(HELLO)
        handle, _ = endpoint.accept(1.0, knock.number)
        assert handle is not None
        (machine,) = self.machines
        self.receive(HELLO + HELLO + HELLO[:9], segment=len(HELLO))
        self.assertEqual(machine.received[1:], [HELLO, HELLO, HELLO[:9]])
        machine.out = [b"a" * 9, b"b" * 9, b"c" * 4, b"d" * 9, b"e" * 12]
        sent, _, _, _ = endpoint.poll(handle, 1.0)
        self.assertEqual(
            [(each.data, each.segment) for each in sent],
            [
                (b"a" * 9 + b"b" * 9 + b"c" * 4, 9),
                (b"d" * 9, 0),
                (b"e" * 12, 0),
            ],
        )

    def test_dial(self) -> None:
        """
        A dialer sends requests until one is answered, begins DTLS then, and goes on to
        ask for consent.
        """
        endpoint = self.endpoint
        handle = endpoint.connect(1.0, HOST, 5, b"", "")
        self.assertRaises(ValueError, endpoint.connect, 1.0, HOST, 5, b"", "")
        (machine,) = self.machines
        self.assertTrue(machine.dialed)
        machine.out = [HELLO]
        _, _, due, _ = endpoint.poll(handle, 1.0)
        assert due is not None
        self.assertEqual(endpoint.poll(handle, 1.1)[0], [])
        (again,), *_ = endpoint.poll(handle, due)
        read = readRequest(again.data)
        assert read is not None
        self.receive(respond(read, HOST, 5)[:-1])
        self.assertEqual(endpoint.poll(handle, due)[0], [])
        self.receive(respond(read, HOST, 5))
        (hello,), _, later, _ = endpoint.poll(handle, due)
        self.assertEqual(hello.data, HELLO)
        self.assertEqual(later, 1.0 + CONSENT_TIME)
        self.assertEqual(len(endpoint.poll(handle, 7.0)[0]), 1)

    def test_lateAnswer(self) -> None:
        """
        An answer counts although it comes after the next try.
        """
        numbers = count()
        ice = Ice(lambda size: next(numbers).to_bytes(size))
        first = readRequest(ice.request(0.0))
        assert first is not None
        ice.request(ice.due)
        ice.receive(ice.due, respond(first, HOST, 5))
        self.assertTrue(ice.answered)
        again = readRequest(ice.request(ice.due))
        assert again is not None
        self.assertNotEqual(again.transaction, first.transaction)

    def test_otherCertificate(self) -> None:
        """
        A dialer ends at a certificate that the address does not name.
        """
        endpoint = self.endpoint
        handle = endpoint.connect(1.0, HOST, 5, bytes(32), "")
        (request,), *_ = endpoint.poll(handle, 1.0)
        read = readRequest(request.data)
        assert read is not None
        self.receive(respond(read, HOST, 5))
        (machine,) = self.machines
        machine.events = [(RtcEvent.CONNECTED,)]
        _, ((kind, cause, _, text),), _, _ = endpoint.poll(handle, 1.0)
        self.assertEqual((kind, cause), (QuicEvent.LOST, LossCause.TRANSPORT))
        self.assertIn("certificate", str(text))
        self.assertTrue(machine.over)

    def test_silent(self) -> None:
        """
        A peer that is silent for long is lost, once.
        """
        endpoint = self.serve()
        self.receive(REQUEST)
        _, (knock,), _ = self.receive(HELLO)
        handle, _ = endpoint.accept(1.0, knock.number)
        assert handle is not None
        self.assertEqual(endpoint.poll(handle, 2.0)[2], 1.0 + IDLE_TIMEOUT)
        self.machines[0].events = [(RtcEvent.LOST, RtcCause.LOCAL, "")]
        _, events, _, over = endpoint.poll(handle, 1.0 + IDLE_TIMEOUT)
        self.assertEqual(
            [each[:2] for each in events], [(QuicEvent.LOST, LossCause.TIMEOUT)]
        )
        self.assertTrue(over)
