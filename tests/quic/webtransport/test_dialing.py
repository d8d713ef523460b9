# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for dialing WebTransport.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.quic.native import requireNative
from tests.quic.webtransport.browser import Served
from tests.quic.webtransport.script import Script, status
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    HandshakeFailed,
    PeerMismatch,
    StreamReset,
    UnsupportedAddress,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    DialOptions,
    Handshake,
    IQuicBackend,
    LossCause,
    QuicEvent,
    ReceivedDatagram,
    Role,
)
from twisted_libp2p.quic import transport
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.quic.selftest import settingsOf
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.quic.webtransport.addresses import certhashes, withWeb
from twisted_libp2p.quic.webtransport.certificate import VALIDITY
from twisted_libp2p.quic.webtransport.dialing import (
    PinnedJudge,
    WebDialing,
    WebTransportDialer,
)
from twisted_libp2p.quic.webtransport.http3 import (
    CONTROL,
    FrameType,
    TypedParts,
    acceptable,
    encode,
    readHead,
)
from twisted_libp2p.testing.muxer.doubles import Collector, MuxedConnectionDouble
from twisted_libp2p.testing.quic.network import UpgradeDouble, Wire
from twisted_libp2p.testing.quic.pair import MOMENT

if TYPE_CHECKING:
    Base = SynchronousTestCase
else:
    Base = object

#: Where the dialer is, and where the node is.
OURS, NODE = ("192.0.2.1", 50001), ("192.0.2.2", 4002)


def multihash(data: bytes) -> bytes:
    """
    Return the multihash of a certificate.
    """
    return b"\x12\x20" + sha256(data).digest()


class Dialing:
    """
    A dialer, and a node that serves WebTransport, in memory.

    @ivar served: the node.
    @ivar upgrade: the upgrade of the connection that was dialed.
    @ivar owner: the owner of its session.
    """

    def __init__(self, clock: Clock, backend: IQuicBackend) -> None:
        self.clock = clock
        self.served = Served(clock, backend)
        identity = self.served.visitor
        settings = settingsOf(
            identity, lambda data, expected: b"", (b"t" * 32, b"r" * 32), MOMENT
        )
        self.dialing = WebDialing(identity, settings, lambda: self.served.now)
        self.hub = QuicHub(
            clock,
            clock.seconds,
            AioquicBackend(lambda: MOMENT),
            self.dialing.settings,
            self.dialing.judge,
            PeerMemory(),
            lambda hub: None,
        )
        self.hub.port = self.wire = Wire(*OURS)
        handshake = Handshake(
            identity,
            Role.CLIENT,
            self.served.identity.peerID,
            ("/yamux/1.0.0",),
            lambda reason: None,
        )
        self.upgrade = UpgradeDouble(handshake)
        self.owner = MuxedConnectionDouble(identity.peerID, self.served.identity.peerID)
        self.upgrade.ready = lambda session: session.start(self.owner)

    def dial(self, hashes: Sequence[bytes] = ()) -> None:
        """
        Dial, and carry datagrams until all is quiet.

        @param hashes: the multihashes of the address; those of the node if empty.
        """
        pins = frozenset(hashes or self.served.serving.window.hashes())
        self.hub.dial(*NODE, self.upgrade, web=self.dialing.dial(pins))
        self.flush()

    def flush(self) -> None:
        """
        Carry datagrams until all is quiet.
        """
        quiet = 0
        while quiet < 4:
            moved = False
            self.clock.advance(0)
            for wire, host, other in (
                (self.wire, OURS, self.served.hub),
                (self.served.wire, NODE, self.hub),
            ):
                while wire.sent:
                    moved = True
                    data, _, _, segment, _ = wire.sent.popleft()
                    other.received([ReceivedDatagram(data, *host, segment)])
            quiet = 0 if moved else quiet + 1
            self.clock.advance(0.01)


class DialingTests(Base):
    """
    Tests with a node over each backend.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend of the node.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(1)
        self.pair = Dialing(clock, self.backend())

    def assertRefused(self, text: str) -> HandshakeFailed:
        """
        Check that the dial has failed, and that nobody has been served.

        @return: the error.
        """
        self.pair.flush()
        (reason,) = self.pair.upgrade.failures
        error = reason.value
        assert isinstance(error, HandshakeFailed), error
        self.assertIn(text, str(error))
        self.assertIsNone(self.pair.upgrade.session)
        return error

    def test_connected(self) -> None:
        """
        Both sides prove who they are.
        """
        self.pair.dial()
        self.assertEqual(self.pair.upgrade.failures, [])
        secured, seen = self.pair.upgrade.secured, self.pair.served.upgrade.secured
        assert secured is not None
        assert seen is not None
        self.assertEqual(secured.remotePeer, self.pair.served.identity.peerID)
        self.assertEqual(seen.remotePeer, self.pair.served.visitor.peerID)
        self.assertEqual((secured.protocolID, secured.muxer), ("/noise", None))

    def test_streams(self) -> None:
        """
        Streams of both sides carry bytes, ends and codes.
        """
        self.pair.dial()
        for one, other in (
            (self.pair.owner, self.pair.served.owner),
            (self.pair.served.owner, self.pair.owner),
        ):
            ours = Collector()
            one.openStream(ours)
            assert ours.transport is not None
            ours.transport.write(b"x" * 100_000)
            self.pair.flush()
            theirs = other.protocols[-1]
            self.assertEqual(len(theirs.data), 100_000)
            theirs.transport.write(b"answer")
            theirs.transport.loseConnection()
            self.pair.flush()
            self.assertEqual(bytes(ours.data), b"answer")
            ours.transport.loseConnection()
            self.pair.flush()
            self.assertEqual(len(ours.reasons), 1)
            ours = Collector()
            one.openStream(ours)
            assert ours.transport is not None
            ours.transport.write(b"hello")
            self.pair.flush()
            ours.transport.abortConnection()  # type: ignore[attr-defined]
            self.pair.flush()
            (reason,) = other.protocols[-1].reasons
            self.assertIsInstance(reason.value, StreamReset)

    def test_closed(self) -> None:
        """
        The end of the session is seen by the other side.
        """
        self.pair.dial()
        session = self.pair.upgrade.session
        assert session is not None
        maybeDeferred(session.close)
        self.pair.flush()
        self.assertEqual(len(self.pair.served.owner.lost), 1)

    def test_otherCertificate(self) -> None:
        """
        A certificate that the address does not name is refused.
        """
        self.pair.dial([multihash(b"another")])
        self.assertRefused("not one that the address names")

    def test_between(self) -> None:
        """
        If the peer does not have each certificate that the address names, somebody may
        be between.
        """
        present, following = self.pair.served.serving.window.hashes()
        self.pair.dial([present, following, multihash(b"another")])
        self.assertRefused("each certificate of its address")

    def test_earlier(self) -> None:
        """
        An address from before the last change of the certificates still works.
        """
        serving = self.pair.served.serving
        earlier = serving.window.hashes()
        self.renew()
        self.pair.dial(earlier)
        self.assertEqual(self.pair.upgrade.failures, [])
        self.assertIsNotNone(self.pair.upgrade.session)

    def test_withdrawn(self) -> None:
        """
        An address from before the last two changes is refused.
        """
        withdrawn = self.pair.served.serving.window.hashes()
        self.renew()
        self.renew()
        self.pair.dial(withdrawn)
        self.assertRefused("not one that the address names")

    def renew(self) -> None:
        """
        Let the time of the next certificate come.
        """
        left = self.pair.served.serving.window.remaining() + 1
        self.pair.served.now += left
        self.pair.clock.advance(left)

    def test_otherPeer(self) -> None:
        """
        Another peer than the expected one is refused, by the usual error.
        """
        upgrade = self.pair.upgrade
        upgrade.handshake = replace(
            upgrade.handshake, expected=Identity.generate().peerID
        )
        self.pair.dial()
        self.assertIsInstance(self.assertRefused("peer"), PeerMismatch)

    def test_plainListener(self) -> None:
        """
        A node that serves no WebTransport refuses the application protocol.
        """
        hub = self.pair.served.hub
        hub.accept = lambda address: self.pair.served.upgrade
        self.pair.served.listener.stopListening()
        self.pair.dial()
        self.assertRefused("")


class AioquicTests(DialingTests, SynchronousTestCase):
    """
    The tests with a node over aioquic.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend.
        """
        return AioquicBackend(lambda: MOMENT)


class NativeTests(DialingTests, SynchronousTestCase):
    """
    The tests with a node over the native backend.
    """

    def backend(self) -> IQuicBackend:
        """
        Return the backend.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend


class ScriptTests(SynchronousTestCase):
    """
    Tests with answers that no listener of ours gives.
    """

    def setUp(self) -> None:
        self.below = Script()
        identity = Identity.generate()
        handshake = Handshake(identity, Role.CLIENT, None, (), lambda reason: None)
        dialing = WebDialing(
            identity,
            settingsOf(
                identity, lambda data, expected: b"", (b"t" * 32, b"r" * 32), MOMENT
            ),
            lambda: MOMENT,
        )
        begin = dialing.dial(frozenset((multihash(b""),))).begin
        dialer = begin(self.below, 1, handshake, [(QuicEvent.CONNECTED,)])  # type: ignore[arg-type]
        assert isinstance(dialer, WebTransportDialer)
        self.dialer = dialer

    def poll(self) -> list[tuple[object, ...]]:
        """
        Advance the connection.

        @return: the events.
        """
        return self.dialer.poll(1, 0.0)[1]

    def settled(self) -> None:
        """
        Have the settings come, byte by byte.
        """
        self.assertEqual(self.poll(), [])
        for index, each in enumerate(CONTROL):
            self.assertNotIn(0, self.below.sent)
            self.below.says(3, bytes((each,)), index == 0)
            self.assertEqual(self.poll(), [])

    def assertFailed(self, text: str) -> None:
        """
        Check that the connection has failed.
        """
        ((kind, cause, _, said),) = self.poll()
        self.assertEqual((kind, cause), (QuicEvent.LOST, LossCause.TRANSPORT))
        self.assertIn(text, str(said))
        self.poll()
        self.assertIsNotNone(self.below.closed)

    def test_session(self) -> None:
        """
        The request follows the settings, and the handshake of Noise the answer.
        """
        self.settled()
        frames = TypedParts({FrameType.HEADERS: 1000})
        ((_, head),) = frames.split(bytes(self.below.sent[0]))
        self.assertEqual(readHead(head)[b":authority"], b"[2001:db8::1]:4001")
        self.assertTrue(acceptable(readHead(head)))
        self.below.says(0, status(b"103"), False)
        self.assertEqual(self.poll(), [])
        self.assertNotIn(4, self.below.sent)
        for each in status(b"200"):
            self.assertNotIn(4, self.below.sent)
            self.below.says(0, bytes((each,)), False)
            self.assertEqual(self.poll(), [])
        first = bytes(self.below.sent[4])
        self.assertEqual(first[:5], encode(0x41) + b"\0" + b"\0\x20")
        self.assertEqual(len(first), 5 + 32)
        self.below.says(0, status(b"200"), False)
        self.assertEqual(self.poll(), [])

    def test_confirmed(self) -> None:
        """
        What QUIC confirms is not reported: nobody has proven who they are.
        """
        self.below.events.append((QuicEvent.CONFIRMED,))
        self.assertEqual(self.poll(), [])

    def test_refused(self) -> None:
        """
        Any other answer than 200 is an error, with its status.
        """
        self.settled()
        self.below.says(0, status(b"404"), False)
        self.assertFailed("status '404' of HTTP")

    def test_noStatus(self) -> None:
        """
        An answer without a status is an error.
        """
        self.settled()
        self.below.says(0, status(b"\xff\n"), False)
        self.assertFailed("status '\\\\xff\\n' of HTTP")

    def test_noWebTransport(self) -> None:
        """
        Settings without WebTransport are an error.
        """
        self.below.says(3, b"\0\x04\x02\x08\x01")
        self.assertFailed("serves no WebTransport")

    def test_cutSettings(self) -> None:
        """
        Settings that are not complete are an error.
        """
        self.below.says(3, b"\0\x04\x01\x08")
        self.assertFailed("not complete")

    def test_settingsTwice(self) -> None:
        """
        Settings come once.
        """
        self.settled()
        self.below.says(3, CONTROL[1:], False)
        self.assertFailed("twice")

    def test_noRoom(self) -> None:
        """
        A peer that takes no bytes is given up.
        """
        self.poll()
        self.below.room = 10
        self.below.says(3, CONTROL)
        self.assertFailed("takes no bytes")

    def test_noStream(self) -> None:
        """
        A peer that allows no stream is given up, as soon as one is needed.
        """
        for streams in ([2], [2, 0]):
            self.setUp()
            self.below.streams = list(streams)
            self.poll()
            self.below.says(3, CONTROL)
            if len(streams) == 2:
                self.poll()
                self.below.says(0, status(b"200"), False)
            self.assertFailed("allows no stream")

    def test_request(self) -> None:
        """
        A listener asks for nothing: its request is reset, however many heads it has.
        """
        self.settled()
        for number, heads in ((1, 1), (5, 3)):
            self.below.says(number, heads * status(b"200"))
            self.assertEqual(self.poll(), [])
            self.assertEqual(self.below.resets.pop(number), 0x103)

    def test_zone(self) -> None:
        """
        The listener does not learn the name of our network interface.
        """
        self.below.host = "fe80::1%eth0"
        self.settled()
        frames = TypedParts({FrameType.HEADERS: 1000})
        ((_, head),) = frames.split(bytes(self.below.sent[0]))
        self.assertEqual(readHead(head)[b":authority"], b"[fe80::1]:4001")


class JudgeTests(SynchronousTestCase):
    """
    Tests for the judge of certificates.
    """

    def certificate(self, begin: float, end: float, key: Any = None) -> bytes:
        """
        Make a certificate that is valid from and to some seconds from now.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.fromtimestamp(MOMENT, UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now + timedelta(seconds=begin))
            .not_valid_after(now + timedelta(seconds=end))
            .sign(key, SHA256())
            .public_bytes(Encoding.DER)
        )

    def judge(self, data: bytes) -> bytes:
        """
        Judge a certificate by its own digest.
        """
        judge = PinnedJudge(lambda: MOMENT)
        return judge(data, sha256(b"other").digest() + sha256(data).digest())

    def test_good(self) -> None:
        """
        A certificate of 14 days is good, and its key is returned.
        """
        data = self.certificate(-VALIDITY / 2, VALIDITY / 2)
        self.assertIn(self.judge(data), data)

    def test_bad(self) -> None:
        """
        What browsers refuse is refused.
        """
        for data, text in (
            (self.certificate(-100, -1), "not valid now"),
            (self.certificate(1, 100), "not valid now"),
            (self.certificate(-1, VALIDITY + 1), "over 14 days"),
            (
                self.certificate(-1, 1, rsa.generate_private_key(65537, 2048)),
                "key of RSA",
            ),
            (b"garbage", "the certificate: "),
        ):
            with self.assertRaisesRegex(HandshakeFailed, text):
                self.judge(data)

    def test_none(self) -> None:
        """
        Without a digest nothing is good.
        """
        for expected in (None, b"", b"x"):
            with self.assertRaisesRegex(HandshakeFailed, "not one"):
                PinnedJudge(lambda: MOMENT)(b"data", expected)


class AddressTests(SynchronousTestCase):
    """
    Tests for addresses that can be dialed.
    """

    def setUp(self) -> None:
        self.transport = QuicTransport(None, Identity.generate(), backend="aioquic")

    def test_canDial(self) -> None:
        """
        An address names a certificate, and nothing after it.
        """
        quic = Multiaddr("/ip4/192.0.2.1/udp/4001/quic-v1")
        address = withWeb(quic, [multihash(b"a"), multihash(b"b")])
        self.assertTrue(self.transport.canDial(address))
        self.assertEqual(certhashes(address), {multihash(b"a"), multihash(b"b")})
        for text in (withWeb(quic), f"{address}/http", f"/tcp/1{address}"):
            self.assertFalse(self.transport.canDial(Multiaddr(str(text))), text)

    def test_missing(self) -> None:
        """
        Without aioquic such an address cannot be dialed, and QUIC by another backend
        can.
        """
        self.patch(transport, "installed", lambda name="auto": name == "auto")
        quic = Multiaddr("/ip4/192.0.2.1/udp/4001/quic-v1")
        self.assertTrue(self.transport.canDial(quic))
        self.assertFalse(self.transport.canDial(withWeb(quic, [multihash(b"a")])))

    def test_otherHash(self) -> None:
        """
        A hash that is not of SHA-256 names nothing.
        """
        address = withWeb(Multiaddr("/ip4/192.0.2.1/udp/4001/quic-v1"), [b"\x13\x01a"])
        with self.assertRaisesRegex(UnsupportedAddress, "by SHA-256"):
            self.transport.dial(address, UpgradeDouble(None), DialOptions())  # type: ignore[arg-type]
