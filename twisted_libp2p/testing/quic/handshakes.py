# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the beginning and the end of connections.
"""

from __future__ import annotations

from twisted_libp2p.errors import InvalidInput, PeerMismatch
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import LossCause, QuicEvent, SentDatagram
from twisted_libp2p.security.tls.certificate import authenticate
from twisted_libp2p.testing.quic.base import QuicBase
from twisted_libp2p.testing.quic.pair import MOMENT, End

__all__ = ["HandshakeTests"]


class HandshakeTests(QuicBase):
    """
    Connections begin and end as the contract says.
    """

    def test_connected(self) -> None:
        """
        Both ends learn the certificate of the other, and the dialer learns that its
        own is accepted.
        """
        pair = self.connected()
        for end, other in ((pair.dialer, pair.listener), (pair.listener, pair.dialer)):
            certificate = end.endpoint.certificate(end.connection)
            assert certificate is not None
            peer = PeerID.fromKey(authenticate(certificate, MOMENT))
            self.assertEqual(peer, other.identity.peerID)
            self.assertEqual(end.endpoint.alpn(end.connection), b"libp2p")
            self.assertEqual(
                end.endpoint.address(end.connection), (other.host, other.port)
            )
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [()])
        self.assertEqual(pair.listener.named(QuicEvent.CONFIRMED), [])

    def test_stats(self) -> None:
        """
        A connection knows its round trip, and counts its datagrams.
        """
        pair = self.connected()
        stats = pair.dialer.endpoint.stats(pair.dialer.connection)
        self.assertGreaterEqual(stats.mtu, 1200)
        self.assertGreater(stats.sent, 0)
        self.assertGreater(stats.received, 0)
        self.assertGreaterEqual(stats.roundTrip, 0)

    def test_anyPeer(self) -> None:
        """
        A dialer that expects nobody in particular accepts any peer.
        """
        pair = self.pair()
        pair.dial()
        pair.run()
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [()])

    def test_otherPeer(self) -> None:
        """
        A dialer refuses another peer than the expected one.
        """
        pair = self.pair()
        pair.dial(Identity.generate().peerID.toBytes())
        pair.run()
        self.assertEqual(pair.dialer.named(QuicEvent.CONNECTED), [])
        ((cause, code, _),) = pair.dialer.named(QuicEvent.LOST)
        self.assertEqual(cause, LossCause.TRANSPORT)
        self.assertEqual(code & ~0xFF, 0x100)

    def test_discreet(self) -> None:
        """
        A peer that is refused because of its id does not learn which one was expected.
        """

        def judge(data: bytes, expected: bytes | None) -> bytes:
            raise PeerMismatch("/tls/1.0.0", "the wanted peer", "you")

        pair = self.pair(dialer={"judge": judge})
        pair.connect()
        ((_, _, text),) = pair.listener.named(QuicEvent.LOST)
        self.assertNotIn("wanted", str(text))

    def test_listenerRefuses(self) -> None:
        """
        A listener whose judge raises never connects, and the dialer is never
        confirmed.
        """

        def judge(data: bytes, expected: bytes | None) -> bytes:
            raise InvalidInput("not this one")

        pair = self.pair(listener={"judge": judge})
        pair.connect()
        self.assertEqual(pair.listener.named(QuicEvent.CONNECTED), [])
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [])
        for end in (pair.listener, pair.dialer):
            ((cause, code, _),) = end.named(QuicEvent.LOST)
            self.assertIs(cause, LossCause.TRANSPORT)
            self.assertEqual(code & ~0xFF, 0x100)

    def test_slowJudge(self) -> None:
        """
        A peer is told that it was refused, also if the judge was slow.
        """

        def judge(data: bytes, expected: bytes | None) -> bytes:
            pair.now += 1
            raise InvalidInput("not this one")

        pair = self.pair(dialer={"judge": judge})
        pair.connect()
        ((cause, code, _),) = pair.listener.named(QuicEvent.LOST)
        self.assertIs(cause, LossCause.TRANSPORT)
        self.assertEqual(code & ~0xFF, 0x100)

    def test_otherKey(self) -> None:
        """
        A certificate whose key the judge does not return is refused.
        """
        settings = End(self.makeBackend(), "192.0.2.9", 1).settings

        def judge(data: bytes, expected: bytes | None) -> bytes:
            return settings.judge(settings.certificate, None)

        pair = self.pair(listener={"judge": judge})
        pair.connect()
        self.assertEqual(pair.listener.named(QuicEvent.CONNECTED), [])
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [])

    def test_applicationProtocol(self) -> None:
        """
        Ends without a common application protocol do not connect.
        """
        pair = self.pair(dialer={"alpn": (b"h3",)})
        pair.connect()
        self.assertEqual(pair.listener.named(QuicEvent.CONNECTED), [])
        self.assertEqual(pair.dialer.named(QuicEvent.CONNECTED), [])
        self.assertEqual(len(pair.dialer.named(QuicEvent.LOST)), 1)

    def test_close(self) -> None:
        """
        The code of an application reaches the peer; both connections are over after
        they have drained, and are forgotten then.
        """
        pair = self.connected()
        end, other = pair.dialer, pair.listener
        end.endpoint.close(end.connection, pair.now, 0x1001, b"enough")
        pair.run()
        ((cause, code, _),) = end.named(QuicEvent.LOST)
        self.assertEqual((cause, code), (LossCause.LOCAL, 0x1001))
        ((cause, code, text),) = other.named(QuicEvent.LOST)
        self.assertEqual((cause, code), (LossCause.APPLICATION, 0x1001))
        self.assertEqual(text, "enough")
        pair.advance(30)
        for each in (end, other):
            self.assertTrue(each.over)
            each.endpoint.forget(each.connection)
            self.assertRaises(KeyError, each.endpoint.poll, each.connection, pair.now)

    def test_idle(self) -> None:
        """
        A connection ends after the idle time, if the peer is silent.
        """
        pair = self.connected(idleTimeout=5.0, keepAlive=2.0)
        pair.carry = lambda datagram, end: []
        pair.advance(20)
        for end in (pair.dialer, pair.listener):
            ((cause, _, _),) = end.named(QuicEvent.LOST)
            self.assertIs(cause, LossCause.TIMEOUT)
            self.assertTrue(end.over)

    def test_keptAlive(self) -> None:
        """
        Connections without streams are kept alive.
        """
        pair = self.connected(idleTimeout=6.0, keepAlive=2.0)
        pair.advance(60)
        self.assertEqual(pair.dialer.named(QuicEvent.LOST), [])
        self.assertEqual(pair.listener.named(QuicEvent.LOST), [])

    def test_nobody(self) -> None:
        """
        A dial that nobody answers ends after the idle time.
        """
        pair = self.pair(dialer={"idleTimeout": 5.0})
        pair.carry = lambda datagram, end: []
        pair.dial()
        pair.advance(60)
        ((cause, _, _),) = pair.dialer.named(QuicEvent.LOST)
        self.assertEqual(cause, LossCause.TIMEOUT)

    def test_roundTrip(self) -> None:
        """
        A dialer that knows the round trip sends its first packets again after a few of
        them, and measures it again.
        """
        pair = self.pair()
        lost: list[SentDatagram] = []

        def carry(datagram: SentDatagram, end: End) -> list[SentDatagram]:
            if pair.now < 0.05:
                lost.append(datagram)
                return []
            return [datagram]

        pair.carry = carry
        pair.dial(roundTrip=0.03)
        pair.advance(0.15)
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [()])
        self.assertTrue(lost)
        stats = pair.dialer.endpoint.stats(pair.dialer.connection)
        self.assertLess(stats.roundTrip, 0.03)

    def test_loss(self) -> None:
        """
        Lost, repeated and reordered datagrams do no harm.
        """
        pair = self.pair()
        count = 0
        kept: list[SentDatagram] = []

        def carry(datagram: SentDatagram, end: End) -> list[SentDatagram]:
            nonlocal count
            count += 1
            if not count % 5:
                return []
            if not count % 7:
                kept.append(datagram)
                return []
            late, kept[:] = list(kept), []
            return [datagram, datagram, *late] if not count % 3 else [datagram, *late]

        pair.carry = carry
        pair.dial()
        pair.advance(20)
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [()])
        data = bytes(range(256)) * 400
        end, other = pair.dialer, pair.listener
        stream = end.endpoint.open(end.connection)
        assert stream is not None
        self.assertEqual(end.endpoint.write(end.connection, stream, [data]), len(data))
        end.endpoint.finish(end.connection, stream)
        pair.advance(25)
        self.assertEqual(other.readAll(stream), (data, -1))

    def test_rebinding(self) -> None:
        """
        A connection goes on when the address of the dialer changes, and the listener
        reports this once the address is proven.
        """
        pair = self.connected()
        pair.dialer.host, pair.dialer.port = "192.0.2.77", 999
        stream = self.opened(pair)
        pair.advance(2)
        self.assertEqual(pair.listener.readAll(stream), (b"hello", None))
        self.assertEqual(pair.listener.named(QuicEvent.MOVED), [("192.0.2.77", 999)])
        self.assertEqual(
            pair.listener.endpoint.address(pair.listener.connection),
            ("192.0.2.77", 999),
        )

    def test_moved(self) -> None:
        """
        A dialer that knows of its new address goes on too.
        """
        pair = self.connected()
        pair.dialer.host = "192.0.2.78"
        pair.dialer.endpoint.moved(pair.dialer.connection, pair.now)
        pair.advance(2)
        stream = self.opened(pair)
        self.assertEqual(pair.listener.readAll(stream), (b"hello", None))
        self.assertEqual(pair.dialer.named(QuicEvent.LOST), [])

    def test_badAddress(self) -> None:
        """
        Names, and ports that are none, cannot be dialed.
        """
        endpoint = self.pair().dialer.endpoint
        for host, port in (("localhost", 1), ("192.0.2.1", 0), ("192.0.2.1", 65536)):
            self.assertRaises(
                ValueError, endpoint.connect, 0.0, host, port, None, "libp2p"
            )
