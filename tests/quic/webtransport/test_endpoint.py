# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for connections of browsers, over both backends.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding
from pylsqpack import Encoder
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.quic.native import requireNative
from tests.quic.webtransport.browser import Browser, Served
from twisted_libp2p.errors import HandshakeFailed, SessionEnded, StreamReset
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.certified import INTERVAL
from twisted_libp2p.quic.webtransport.codes import toHttp
from twisted_libp2p.quic.webtransport.endpoint import MAX_HELD, MAX_HELD_SIZE
from twisted_libp2p.quic.webtransport.http3 import FrameType, encode
from twisted_libp2p.quic.webtransport.streams import MAX_REQUESTS
from twisted_libp2p.testing.muxer.doubles import Collector
from twisted_libp2p.testing.quic.pair import MOMENT

if TYPE_CHECKING:
    Base = SynchronousTestCase
else:
    Base = object


class BrowserTests(Base):
    """
    Tests for one node and one browser.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend of the node.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1)
        self.served = Served(self.clock, self.backend())

    def browser(self) -> Browser:
        """
        Connect a browser.
        """
        browser = Browser(self.served)
        self.assertIsNotNone(browser.http, browser.closed)
        return browser

    def connected(self) -> tuple[Browser, int]:
        """
        Connect a browser, with a session.
        """
        browser = self.browser()
        session = browser.connect()
        self.assertEqual(self.served.upgrade.failures, [])
        self.assertIsNotNone(self.served.upgrade.session)
        return browser, session

    def assertEnded(self, browser: Browser) -> None:
        """
        Check that the connection has failed before anything was served.
        """
        self.assertIsNotNone(browser.closed)
        self.assertIsNone(self.served.upgrade.secured)
        (reason,) = self.served.upgrade.failures
        self.assertIsNotNone(reason.check(HandshakeFailed))

    def test_certificate(self) -> None:
        """
        A browser gets the certificate whose hash our addresses name.
        """
        certificate = self.browser().certificate().public_bytes(Encoding.DER)
        present, _ = self.served.serving.window.hashes()
        self.assertEqual(b"\x12\x20" + sha256(certificate).digest(), present)

    def test_proof(self) -> None:
        """
        Both sides prove who they are by Noise.
        """
        browser = self.browser()
        session = browser.request()
        self.assertEqual(browser.answers[session][b":status"], b"200")
        stream, noise = browser.prove(session)
        self.assertEqual(noise.secured.remotePeer, self.served.identity.peerID)  # type: ignore[union-attr]
        secured = self.served.upgrade.secured
        assert secured is not None
        self.assertEqual(secured.remotePeer, self.served.visitor.peerID)
        self.assertEqual((secured.protocolID, secured.muxer), ("/noise", None))
        self.assertIn(stream, browser.ended)

    def test_streams(self) -> None:
        """
        Streams of both sides carry bytes and ends, both ways.
        """
        browser, session = self.connected()
        stream = browser.open(session, b"hello")
        (served,) = self.served.owner.protocols
        self.assertEqual(bytes(served.data), b"hello")
        served.transport.write(b"x" * 100_000)
        served.transport.loseWriteConnection()
        browser.flush()
        self.assertEqual(len(browser.received[stream]), 100_000)
        self.assertIn(stream, browser.ended)
        browser.write(stream, b" and bye", True)
        self.assertEqual(bytes(served.data), b"hello and bye")
        ours = Collector()
        self.served.owner.openStream(ours)
        ours.transport.write(b"from the node")  # type: ignore[union-attr]
        browser.flush()
        head = encode(0x41) + encode(session)
        ((number, data),) = [
            each for each in browser.received.items() if each[0] % 4 == 1
        ]
        self.assertEqual(bytes(data), head + b"from the node")
        browser.write(number, b"answer", True)
        self.assertEqual(bytes(ours.data), b"answer")

    def test_many(self) -> None:
        """
        Many streams at once, whose first bytes come one by one.
        """
        browser, session = self.connected()
        for _ in range(60):
            browser.open(session, b"ab", flush=False)
        browser.flush()
        self.assertEqual(
            [bytes(each.data) for each in self.served.owner.protocols], [b"ab"] * 60
        )
        stream = browser.quic.get_next_available_stream_id()
        for each in encode(0x41) + encode(session) + b"yz":
            browser.write(stream, bytes((each,)))
        self.assertEqual(bytes(self.served.owner.protocols[-1].data), b"yz")

    def test_resets(self) -> None:
        """
        The codes of resets are translated in both directions.
        """
        browser, session = self.connected()
        stream = browser.open(session, b"hello")
        (served,) = self.served.owner.protocols
        browser.quic.reset_stream(stream, toHttp(77))
        browser.flush()
        (reason,) = served.reasons
        self.assertIsInstance(reason.value, StreamReset)
        self.assertEqual(reason.value.code, 77)
        other = browser.open(session, b"hello")
        self.served.owner.protocols[-1].transport.abortConnection()
        browser.flush()
        self.assertEqual(browser.resets[other], toHttp(0))

    def test_others(self) -> None:
        """
        Requests for anything else get a 404, and nobody proves anything there.
        """
        browser = self.browser()
        for name, value in (
            ("path", b"/"),
            ("path", b"/.well-known/libp2p-webtransport?type=tls"),
            ("protocol", b"websocket"),
            ("method", b"GET"),
        ):
            stream = browser.request(None, **{name: value})
            self.assertEqual(browser.answers[stream][b":status"], b"404")
        self.assertIsNone(browser.closed)
        browser.connect()
        self.assertIsNotNone(self.served.upgrade.session)

    def test_whole(self) -> None:
        """
        So do those whose end comes with them, as any browser's request does.
        """
        browser = self.browser()
        assert browser.http is not None
        stream = browser.quic.get_next_available_stream_id()
        browser._requests.add(stream)
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a")]
        browser.http.send_headers(stream, [*head, (b":path", b"/")], True)
        browser.flush()
        self.assertEqual(browser.answers[stream][b":status"], b"404")
        self.assertIsNone(browser.closed)
        browser.connect()
        self.assertIsNotNone(self.served.upgrade.session)

    def test_manyHeads(self) -> None:
        """
        Of a request with several heads, only the first one is answered.
        """
        browser = self.browser()
        assert browser.http is not None
        stream = browser.quic.get_next_available_stream_id()
        browser._requests.add(stream)
        head = Encoder().encode(0, [(b":method", b"GET")])[1]
        frame = encode(FrameType.HEADERS) + encode(len(head)) + head
        browser.quic.send_stream_data(stream, 3 * frame)
        browser.flush()
        self.assertEqual(browser.answers[stream][b":status"], b"404")
        self.assertIsNone(browser.closed)
        browser.connect()
        self.assertIsNotNone(self.served.upgrade.session)

    def test_second(self) -> None:
        """
        A second session on a connection is refused, and the first goes on.
        """
        browser, session = self.connected()
        second = browser.request()
        self.assertEqual(browser.answers[second][b":status"], b"404")
        stray = browser.open(second, b"stray")
        self.assertIn(stray, browser.resets)
        browser.open(session, b"hello")
        self.assertEqual(len(self.served.owner.protocols), 1)

    def test_held(self) -> None:
        """
        Streams that come before the proof wait for it; too many are reset.
        """
        browser = self.browser()
        session = browser.request()
        first = browser.open(session)
        early = [browser.open(session, b"early") for _ in range(MAX_HELD + 3)]
        self.assertEqual(len(browser.resets), 3)
        noise = browser.noise()
        browser.write(first, noise.start())
        self.assertEqual(self.served.owner.protocols, [])
        answer = noise.receive(bytes(browser.received.pop(first)))
        browser.write(first, answer, True)
        self.assertEqual(
            [bytes(each.data) for each in self.served.owner.protocols],
            [b"early"] * MAX_HELD,
        )
        self.assertEqual(set(browser.resets), set(early[MAX_HELD:]))

    def test_heldBytes(self) -> None:
        """
        What the streams that wait have sent is kept, up to a bound for all of them: the
        peer is nobody so far.
        """
        browser = self.browser()
        session = browser.request()
        first = browser.open(session)
        kept = [b"x" * (MAX_HELD_SIZE // 4)] * 2
        early = [browser.open(session, each) for each in kept]
        self.assertEqual(browser.resets, {})
        large = browser.open(session, b"y" * MAX_HELD_SIZE)
        self.assertEqual(set(browser.resets), {large})
        browser.write(early[1], b"z", True)
        noise = browser.noise()
        browser.write(first, noise.start())
        answer = noise.receive(bytes(browser.received.pop(first)))
        browser.write(first, answer, True)
        one, other = self.served.owner.protocols
        self.assertEqual(bytes(one.data), kept[0])
        self.assertEqual(bytes(other.data), kept[1] + b"z")
        browser.write(early[0], b"and more")
        self.assertEqual(bytes(one.data), kept[0] + b"and more")

    def test_heldPaused(self) -> None:
        """
        If the application does not read at first, it misses nothing of what has come
        before the proof and after it.
        """
        browser = self.browser()
        session = browser.request()
        first = browser.open(session)
        early = browser.open(session, b"before, ")

        def paused() -> Collector:
            found = Collector()
            connect = found.makeConnection

            def connected(transport: Any) -> None:
                connect(transport)
                transport.pauseProducing()

            found.makeConnection = connected  # type: ignore[method-assign]
            return found

        self.served.owner.build = paused
        noise = browser.noise()
        browser.write(first, noise.start())
        answer = noise.receive(bytes(browser.received.pop(first)))
        browser.write(first, answer, True)
        browser.write(early, b"after", True)
        (held,) = self.served.owner.protocols
        self.assertEqual(bytes(held.data), b"")
        held.transport.resumeProducing()
        browser.flush()
        self.assertEqual(bytes(held.data), b"before, after")

    def test_heldLeft(self) -> None:
        """
        A stream that its opener leaves before the proof is forgotten.
        """
        browser = self.browser()
        session = browser.request()
        browser.open(session)
        for left in ("reset_stream", "stop_stream"):
            stream = browser.open(session, b"early")
            getattr(browser.quic, left)(stream, toHttp(1))
            browser.flush()
            self.assertIn(stream, browser.resets)

    def test_openRequests(self) -> None:
        """
        A peer has few requests under way at once; one that ends without a head is
        reset, and makes room.
        """
        browser = self.browser()
        streams = []
        for _ in range(MAX_REQUESTS + 3):
            stream = browser.quic.get_next_available_stream_id()
            browser.write(stream, b"\x01" + encode(1000) + bytes(500))
            streams.append(stream)
        self.assertEqual(set(browser.resets), set(streams[MAX_REQUESTS:]))
        browser.write(streams[0], b"", True)
        self.assertIn(streams[0], browser.resets)
        browser.connect()
        self.assertIsNotNone(self.served.upgrade.session)

    def test_beforeRequest(self) -> None:
        """
        Streams may arrive before the request that they belong to.
        """
        browser = self.browser()
        noise = browser.noise()
        session = browser.quic.get_next_available_stream_id()
        browser.quic.send_stream_data(session, b"")
        stream = browser.quic.get_next_available_stream_id()
        browser.write(stream, encode(0x41) + encode(session) + noise.start())
        browser.request(session)
        answer = noise.receive(bytes(browser.received.pop(stream)))
        browser.write(stream, answer, True)
        self.assertIsNotNone(self.served.upgrade.session)

    def test_oneDirection(self) -> None:
        """
        Streams of one direction that HTTP/3 does not need are refused.
        """
        browser, session = self.connected()
        assert browser.http is not None
        stream = browser.http.create_webtransport_stream(session, True)
        browser.write(stream, b"hello")
        self.assertIn(stream, browser.resets)
        self.assertEqual(self.served.owner.protocols, [])

    def test_datagrams(self) -> None:
        """
        Datagrams are dropped.
        """
        browser, session = self.connected()
        for _ in range(50):
            browser.quic.send_datagram_frame(encode(session // 4) + b"x" * 500)
        browser.flush()
        browser.open(session, b"hello")
        self.assertEqual(bytes(self.served.owner.protocols[0].data), b"hello")

    def test_closed(self) -> None:
        """
        The page closes its session, with a code.
        """
        browser, session = self.connected()
        body = encode(0x2843) + encode(8) + (7).to_bytes(4, "big") + b"done"
        browser.write(session, b"\x00" + encode(len(body)) + body, True)
        (reason,) = self.served.owner.lost
        error = reason.value
        assert isinstance(error, SessionEnded)
        self.assertEqual(error.code, 7)
        assert browser.closed is not None
        self.assertEqual(browser.closed.error_code, 0x100)

    def test_capsules(self) -> None:
        """
        Unknown capsules are skipped.
        """
        browser, session = self.connected()
        body = encode(0x1F * 7 + 0x17) + encode(1000) + bytes(1000)
        for _ in range(50):
            browser.write(session, b"\x00" + encode(len(body)) + body)
        browser.open(session, b"hello")
        self.assertEqual(bytes(self.served.owner.protocols[0].data), b"hello")

    def test_requestEnds(self) -> None:
        """
        A session ends with its request.
        """
        browser, session = self.connected()
        browser.quic.reset_stream(session, 0x10C)
        browser.flush()
        self.assertEqual(len(self.served.owner.lost), 1)

    def test_nodeCloses(self) -> None:
        """
        The node closes.
        """
        browser, _ = self.connected()
        self.served.upgrade.session.close()
        browser.flush()
        assert browser.closed is not None
        self.assertEqual(browser.closed.error_code, 0x100)
        self.assertEqual(len(self.served.owner.lost), 1)

    def test_badNoise(self) -> None:
        """
        A handshake of Noise that breaks a rule ends the connection.
        """
        browser = self.browser()
        browser.open(browser.request(), b"\xff\xff" + bytes(100))
        self.assertEnded(browser)

    def test_cutNoise(self) -> None:
        """
        So does one that is cut off, by an end or by a reset.
        """
        for ended in (True, False):
            self.setUp()
            browser = self.browser()
            stream = browser.open(browser.request(), browser.noise().start())
            if ended:
                browser.write(stream, b"", True)
            else:
                browser.quic.reset_stream(stream, 0)
                browser.flush()
            self.assertEnded(browser)

    def test_longHead(self) -> None:
        """
        So does a head of a request with too many bytes.
        """
        browser = self.browser()
        stream = browser.quic.get_next_available_stream_id()
        browser.write(stream, b"\x01" + encode(1 << 20))
        self.assertEnded(browser)

    def test_silent(self) -> None:
        """
        The deadline of the handshake covers all of this.
        """
        browser = self.browser()
        assert self.served.upgrade.drop is not None
        self.served.upgrade.drop()
        browser.flush()
        self.assertIsNotNone(browser.closed)

    def test_stopped(self) -> None:
        """
        After the listener has stopped, nobody is let in; the others go on.
        """
        browser, session = self.connected()
        self.served.listener.stopListening()
        other = Browser(self.served)
        self.assertIsNone(other.http)
        browser.open(session, b"hello")
        self.assertEqual(bytes(self.served.owner.protocols[0].data), b"hello")

    def test_stoppedBesideQuic(self) -> None:
        """
        If QUIC is still listened on at the same port, browsers are refused.
        """
        self.served.hub.accept = lambda address: self.served.upgrade
        self.served.listener.stopListening()
        browser = Browser(self.served)
        browser.request()
        self.assertEqual(browser.answers, {})
        self.assertEnded(browser)

    def test_renewed(self) -> None:
        """
        When its time has come, the next certificate is used, and the addresses change.
        """
        changes: list[None] = []
        self.served.listener.watch(lambda: changes.append(None))
        window = self.served.serving.window
        following, left = window.hashes()[1], window.remaining()
        self.served.now += left + 1
        self.clock.advance(left + 1)
        self.assertEqual(len(changes), 1)
        certificate = self.browser().certificate().public_bytes(Encoding.DER)
        self.assertEqual(b"\x12\x20" + sha256(certificate).digest(), following)

    def test_renewedAfterSleep(self) -> None:
        """
        After a host was suspended, in which time timers stand still, the certificate of
        the present date is used within a minute.
        """
        changes: list[None] = []
        self.served.listener.watch(lambda: changes.append(None))
        self.clock.advance(INTERVAL)
        self.assertEqual(changes, [])
        window = self.served.serving.window
        following = window.hashes()[1]
        self.served.now += window.remaining() + 1
        self.clock.advance(INTERVAL)
        self.assertEqual(len(changes), 1)
        certificate = self.browser().certificate().public_bytes(Encoding.DER)
        self.assertEqual(b"\x12\x20" + sha256(certificate).digest(), following)


class AioquicTests(BrowserTests, SynchronousTestCase):
    """
    The tests over aioquic.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend.
        """
        return AioquicBackend(lambda: MOMENT)


class NativeTests(BrowserTests, SynchronousTestCase):
    """
    The tests over the native backend.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend
