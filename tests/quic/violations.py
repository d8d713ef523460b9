# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers that break the rules of QUIC or TLS, for the tests of both backends: each ends its
own connection, with the same event over either backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attacks.raw import packets
from tests.attacks.raw.certificates import WRONG, shown
from tests.attacks.raw.packets import crypto, frame, ids, stream
from tests.attacks.raw.quic import answering, forgedTicket, hello
from tests.attacks.raw.violations import VIOLATIONS
from tests.examples import explained
from tests.quic.hostile import HostileDialer, HostileListener
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IQuicBackend, LossCause, QuicEvent
from twisted_libp2p.quic.aioquic.parts import MAX_PARTS
from twisted_libp2p.testing.quic.pair import MOMENT

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as TestCase
else:
    TestCase = object

__all__ = ["Handshakes", "Listeners", "Onlookers", "Violations"]

#: Frames that do no harm.
HARMLESS = {
    "challenges": [frame(0x1A, each.to_bytes(8, "big")) for each in range(2000)],
    "an answer to no challenge": [frame(0x1B, bytes(8))],
    "pings": [b"\x01" * 1000],
    "padding": [bytes(1000)],
    "a smaller window": [frame(0x10, 1), frame(0x11, 0, 1)],
    "a wish for more": [frame(0x14, 5), frame(0x15, 0, 5), frame(0x16, 5)],
    "bytes that come twice": [stream(0, 0, b"ab"), stream(0, 1, b"bc")],
}

#: The codes of refused certificates: bad_certificate, access_denied,
#: certificate_required, decrypt_error, and unexpected_message.
_REFUSALS = (0x12A, 0x131, 0x174, 0x133, 0x10A)


class _Suite(TestCase):
    """
    The tools.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend under test.
        """
        raise NotImplementedError

    def connected(self) -> HostileDialer:
        """
        Connect a hostile dialer.
        """
        hostile = HostileDialer(self.makeBackend())
        hostile.connect()
        return hostile

    def assertLost(self, hostile: HostileDialer, *codes: int) -> None:
        """
        Check that the listener has ended the connection for one of some reasons.
        """
        assert hostile.lost is not None, hostile.listener.events
        cause, code = hostile.lost
        self.assertEqual(cause, LossCause.TRANSPORT)
        self.assertIn(code, codes)


class Violations(_Suite):
    """
    A peer that breaks a rule.
    """

    def test_frames(self) -> None:
        """
        Forbidden frames end the connection, with the code of RFC 9000.
        """
        for name, (frames, codes) in VIOLATIONS.items():
            with explained(name.format):
                hostile = self.connected()
                hostile.frames(*frames)
                hostile.run()
                self.assertLost(hostile, *codes)

    def test_harmless(self) -> None:
        """
        Unusual frames do not end the connection, and a stream is served after them.
        """
        for name, frames in HARMLESS.items():
            with explained(name.format):
                hostile = self.connected()
                hostile.frames(*frames)
                hostile.run()
                self.assertIsNone(hostile.lost)
                hostile.frames(stream(4, 0, b"hello", True))
                hostile.run()
                self.assertEqual(hostile.listener.readAll(4), (b"hello", -1))

    def test_retiredIDs(self) -> None:
        """
        A peer that issues connection ids, and retires each with the next one, has us
        keep a bounded number of answers.
        """
        hostile = self.connected()
        hostile.frames(
            *(
                frame(0x18, each, each, b"\x08", each.to_bytes(24, "big"))
                for each in range(20, 2020)
            )
        )
        hostile.run()
        self.assertLost(hostile, 9)

    def test_gaps(self) -> None:
        """
        Streams and handshake messages may have gaps, as many as lost datagrams leave,
        and no more.
        """
        for make in (lambda at: stream(0, at, b"x"), lambda at: crypto(at, b"x")):
            for count in (MAX_PARTS // 2, 4 * MAX_PARTS):
                hostile = self.connected()
                for first in range(0, count, 100):
                    places = range(first, min(first + 100, count))
                    hostile.frames(b"".join(make(1 + 2 * each) for each in places))
                hostile.run()
                if count > MAX_PARTS:
                    self.assertLost(hostile, 1)
                else:
                    self.assertIsNone(hostile.lost)

    def test_filled(self) -> None:
        """
        Bytes that come in any order are read in theirs.
        """
        hostile = self.connected()
        data = bytes(range(256)) * 3
        for step in (2, 3, 1):
            for first in range(0, len(data), 60 * step):
                places = range(first, min(first + 60 * step, len(data)), step)
                hostile.frames(
                    b"".join(
                        stream(0, at, data[at : at + 1], at + 1 == len(data))
                        for at in places
                    )
                )
        hostile.run()
        self.assertEqual(hostile.listener.readAll(0), (data, -1))


class Handshakes(_Suite):
    """
    A peer whose handshake is wrong.
    """

    def refused(self, hostile: HostileDialer, *codes: int) -> None:
        """
        Check that a peer is refused, and that none of its streams was seen.
        """
        hostile.quic.send_stream_data(0, b"hello")
        hostile.run(1)
        closed = hostile.quic._close_event
        assert closed is not None
        self.assertIn(closed.error_code, codes)
        self.assertEqual(hostile.listener.named(QuicEvent.CONNECTED), [])
        self.assertEqual(hostile.listener.named(QuicEvent.OPENED), [])

    def test_certificates(self) -> None:
        """
        Wrong certificates are refused, and so are peers without one.
        """
        dialers = {kind: hello(shown(kind, moment=MOMENT)) for kind in WRONG}
        dialers["an empty list"] = hello()
        dialers["no list"] = hello(shown(moment=MOMENT), silent=True)
        for name, quic in dialers.items():
            with explained(name.format):
                self.refused(HostileDialer(self.makeBackend(), quic), *_REFUSALS)

    def test_applicationProtocols(self) -> None:
        """
        A dialer has to offer C{libp2p}, alone or among others.
        """
        for offered in ((), ("h3",), ("http/1.1", "h3")):
            quic = hello(shown(moment=MOMENT), offered)
            self.refused(HostileDialer(self.makeBackend(), quic), 0x178, 0x16D)
        quic = hello(shown(moment=MOMENT), ("h3", "libp2p"))
        hostile = HostileDialer(self.makeBackend(), quic)
        hostile.connect()
        endpoint = hostile.listener.endpoint
        self.assertEqual(endpoint.alpn(hostile.listener.connection), b"libp2p")

    def test_forgedTicket(self) -> None:
        """
        A ticket that nobody has issued is ignored, with the data sent on it: a full
        handshake follows.
        """
        quic = hello(shown(moment=MOMENT), ticket=forgedTicket())
        hostile = HostileDialer(self.makeBackend(), quic)
        quic.send_stream_data(0, b"early")
        first = [data for data, _ in quic.datagrams_to_send(0.0)]
        sent = [each for data in first for each in hostile.put(data)]
        sent += hostile.listener.poll()
        self.assertEqual(hostile.listener.named(QuicEvent.OPENED), [])
        hostile.answered(sent)
        hostile.connect()
        self.assertFalse(quic.tls.session_resumed)
        listener = hostile.listener
        self.assertIsNotNone(listener.endpoint.certificate(listener.connection))

    def test_slowHello(self) -> None:
        """
        A ClientHello in pieces of a byte, out of order, is complete in the end.
        """
        hostile = HostileDialer(self.makeBackend())
        message = packets.helloOf(hostile.quic)
        target = hostile.quic._peer_cid.cid
        places = [*range(1, len(message), 2), *range(0, len(message), 2)]
        for number, first in enumerate(range(0, len(places), 100)):
            frames = b"".join(
                crypto(at, message[at : at + 1]) for at in places[first : first + 100]
            )
            hostile.answered(
                hostile.put(
                    packets.onlooker(
                        target, target, hostile.quic.host_cid, frames, number=number
                    )
                )
            )
        hostile.answered(hostile.listener.poll())
        hostile.quic._packet_number = len(places)
        hostile.connect()


class Listeners(_Suite):
    """
    A peer that is dialed, and answers wrongly.
    """

    def test_good(self) -> None:
        """
        A listener that does nothing wrong is accepted.
        """
        identity = Identity.generate()
        hostile = HostileListener(self.makeBackend(), identity.peerID)
        given = shown("good", identity, MOMENT)
        hostile.answer(answering(hostile.first, given))
        self.assertEqual(hostile.dialer.named(QuicEvent.CONFIRMED), [()])

    def test_listeners(self) -> None:
        """
        Wrong certificates, another peer and other protocols are refused before the
        dialer is connected.
        """
        identity = Identity.generate()
        for kind in (*WRONG, "another peer", "another protocol"):
            shows = Identity.generate() if kind == "another peer" else identity
            given = shown(kind if kind in WRONG else "good", shows, MOMENT)
            alpn = ("h3",) if kind == "another protocol" else ("libp2p",)
            with explained(kind.format):
                hostile = HostileListener(self.makeBackend(), identity.peerID)
                hostile.answer(answering(hostile.first, given, alpn))
                self.assertEqual(hostile.dialer.named(QuicEvent.CONNECTED), [])
                self.assertEqual(len(hostile.dialer.named(QuicEvent.LOST)), 1)

    def test_retries(self) -> None:
        """
        A dialer follows one Retry, and no other; one with a wrong checksum is dropped.
        """
        hostile = HostileListener(self.makeBackend())
        target, source = ids(hostile.first)
        wrong = packets.retry(b"another!", source, b"12345678", b"token")
        self.assertEqual(hostile.put(wrong), [])
        # quinn-proto takes no Retry after a wrong one.
        hostile = HostileListener(self.makeBackend())
        target, source = ids(hostile.first)
        answers = hostile.put(packets.retry(target, source, b"12345678", b"token"))
        self.assertIn(b"token", answers[0])
        target, source = ids(answers[0])
        again = packets.retry(target, source, b"abcdefgh", b"other")
        self.assertFalse(any(b"other" in each for each in hostile.put(again)))
        self.assertEqual(hostile.dialer.named(QuicEvent.LOST), [])

    def test_versions(self) -> None:
        """
        A listener without a version of ours ends the dial; one that offers ours is not
        believed, since it would not have had to.
        """
        for offered, count in ((b"\x1a\x2a\x3a\x4a", 1), (b"\0\0\0\1", 0)):
            hostile = HostileListener(self.makeBackend())
            target, source = ids(hostile.first)
            hostile.put(packets.versions(source, target, offered))
            lost = hostile.dialer.named(QuicEvent.LOST)
            self.assertEqual(len(lost), count)
            for cause, _, _ in lost:
                self.assertEqual(cause, LossCause.VERSION)


class Onlookers(_Suite):
    """
    Somebody who sees all datagrams, and sends others.
    """

    def test_established(self) -> None:
        """
        Nothing that can be made without the keys ends an established connection.
        """
        hostile = self.connected()
        quic, listener = hostile.quic, hostile.listener
        original, ours = quic.original_destination_connection_id, quic.host_cid
        theirs = quic._peer_cid.cid
        forged = [
            packets.onlooker(original, target, ours, packets.close(0), number=number)
            for number, target in enumerate((original, theirs))
        ]
        forged += [
            packets.versions(theirs, ours),
            packets.retry(original, theirs, ours, b"token"),
            b"\x40" + theirs + bytes(40),
        ]
        for each in forged:
            hostile.put(each)
            listener.poll()
        hostile.frames(stream(0, 0, b"hello"))
        hostile.run()
        self.assertIsNone(hostile.lost)
        self.assertEqual(listener.readAll(0), (b"hello", None))
