# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What every security protocol has to fulfil, as tests that third parties can run
on theirs::

    class MySecurityTests(SecurityConformance, SynchronousTestCase):
        def security(self) -> ISecurity:
            return MySecurity(self.clock)
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IConsumer, IProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from twisted_libp2p.errors import Libp2pError, PeerMismatch
from twisted_libp2p.identity import Identity, KeyType, PeerID
from twisted_libp2p.interfaces import (
    Handshake,
    ISecureTransport,
    ISecurity,
    Role,
    Secured,
)
from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import Pump, byteByByte, inReads, pieces

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object

__all__ = ["SecurityConformance"]

_MIB = 1024 * 1024
_ADDRESS = IPv4Address("TCP", "192.0.2.1", 4001)

# What others say who come to the wrong door.
_GARBAGE = (
    b"\x00" * 200,
    b"\xff" * 200,
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n" * 5,
    b"\x13/multistream/1.0.0\n" * 10,
    bytes(range(256)),
)

# What becomes of bytes on their way: given how many bytes were sent before
# them, the reads in which they arrive.
_Way = Callable[[int, bytes], Iterable[bytes]]


def _straight(start: int, data: bytes) -> list[bytes]:
    """
    Nothing becomes of them.
    """
    return [data]


def _split(place: int) -> _Way:
    """
    A read ends in front of one byte.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        cut = min(max(0, place - start), len(data))
        return [data[:cut], data[cut:]]

    return way


def _flip(place: int) -> _Way:
    """
    A bit of one byte is changed.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        changed = bytearray(data)
        if start <= place < start + len(data):
            changed[place - start] ^= 1 << place % 8
        return [bytes(changed)]

    return way


def _instead(script: bytes) -> _Way:
    """
    Other bytes arrive, as many of them as there are.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        return [script[start : start + len(data)]]

    return way


def _truncate(place: int) -> _Way:
    """
    Nothing arrives from one byte on.
    """

    def way(start: int, data: bytes) -> list[bytes]:
        return [data[: max(0, place - start)]]

    return way


class _Middle(Protocol):
    """
    Somebody in the middle, right in front of one side.

    @ivar heard: all that the other side has sent.
    @ivar way: what becomes of it.
    """

    def __init__(self, side: IProtocol, way: _Way) -> None:
        self.heard = bytearray()
        self.way = way
        self._side = side

    def makeConnection(self, transport: Any) -> None:
        """
        The side has the transport to itself.
        """
        self._side.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass on what is left of the data.
        """
        start = len(self.heard)
        self.heard += data
        for read in self.way(start, data):
            if read:
                self._side.dataReceived(read)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over for the side as well.
        """
        self._side.connectionLost(reason)


class _Application(Protocol):
    """
    Records what it is told.

    @ivar received: what the peer has said.
    @ivar reads: in how many pieces.
    @ivar reasons: why it was over.
    @ivar answer: called with what is received.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.reads = 0
        self.reasons: list[Failure] = []
        self.answer: Callable[[bytes], object] = lambda data: None

    def dataReceived(self, data: bytes) -> None:
        """
        The peer has said something.
        """
        self.reads += 1
        self.received += data
        self.answer(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.reasons.append(reason)


class _Side(Factory):
    """
    One side of a connection, and the factory that is wrapped for it.

    @ivar failures: what the handshake has told.
    @ivar middle: what stands in front of this side.
    @ivar handshakeSize: how many bytes had arrived when the peer was
        authenticated.
    @ivar greeting: what the application says at once.
    """

    middle: _Middle
    handshakeSize = 0
    greeting = b""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.failures: list[Failure] = []
        self._application: _Application | None = None

    def buildProtocol(self, addr: IAddress | None) -> _Application:
        """
        The peer is authenticated.
        """
        if self._application is not None:
            raise AssertionError("one connection, one application")
        self.handshakeSize = len(self.middle.heard)
        self._application = _Application()
        self._application.connectionMade = self._greet  # type: ignore[method-assign]
        return self._application

    def _greet(self) -> None:
        if self.greeting:
            self.transport.write(self.greeting)

    @property
    def authenticated(self) -> bool:
        """
        Whether the peer is.
        """
        return self._application is not None

    @property
    def application(self) -> _Application:
        """
        What was built.
        """
        assert self._application is not None, self.failures
        return self._application

    @property
    def transport(self) -> Any:
        """
        The secure transport.
        """
        return self.application.transport

    @property
    def secured(self) -> Secured:
        """
        What the handshake has proven.
        """
        secured: Secured = self.transport.secured
        return secured


class SecurityConformance(_TestCase):
    """
    The tests.  To be mixed into a C{SynchronousTestCase}.

    @cvar earlyMuxers: whether the muxer can be agreed inside the handshake.
    @cvar authenticates: whether the handshake holds against somebody in the
        middle; if not, the tests of that are left out.
    @cvar meaningless: the places, in what each side says in the handshake, of
        bytes that are not looked at: nobody is told of a change to these.
    @cvar slack: how many bytes longer one handshake may be than another; so
        many at the end are not tried where something is tried on every byte.
    @cvar stride: to try only one byte in so many, where handshakes are slow.
    @ivar clock: the time, for L{security} to pass on.
    """

    earlyMuxers: bool = False
    authenticates: bool = True
    meaningless: frozenset[int] = frozenset()
    slack: int = 0
    stride: int = 1

    def security(self) -> ISecurity:
        """
        Make the security protocol to be tested; called once for each side.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Make two peers, and the time.
        """
        super().setUp()
        self.clock = Clock()
        self._identities = (Identity.generate(), Identity.generate())

    def tearDown(self) -> None:
        """
        Whatever was done, nothing is left to be done later.
        """
        super().tearDown()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def _connect(
        self,
        *,
        identities: tuple[Identity, Identity] | None = None,
        expected: tuple[PeerID | None, PeerID | None] = (None, None),
        muxers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        ways: tuple[_Way, _Way] = (_straight, _straight),
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        greeting: bytes = b"",
    ) -> tuple[Pump, _Side, _Side]:
        """
        Connect an initiator and a responder, and let them shake hands.  Of each
        pair of options the first is the initiator's.

        @param ways: what becomes of the bytes on their way to each side.
        """
        sides = initiator, responder = [
            _Side(identity) for identity in identities or self._identities
        ]
        for side, expects, offers, way in zip(
            sides, expected, muxers, ways, strict=True
        ):
            side.greeting = greeting
            handshake = Handshake(
                identity=side.identity,
                role=Role.CLIENT if side is initiator else Role.SERVER,
                expected=expects,
                muxers=offers,
                failed=side.failures.append,
            )
            wrapper: Any = self.security().wrap(handshake, side).buildProtocol(_ADDRESS)
            side.middle = _Middle(wrapper, way)
        pump = Pump(initiator.middle, responder.middle, clock=self.clock, split=split)
        pump.connect()
        pump.flush()
        return pump, initiator, responder

    def _cut(self, pump: Pump) -> None:
        """
        End a connection from outside, in an orderly way.
        """
        for transport in (pump.client, pump.server):
            transport.lose(ConnectionDone())
        pump.flush()

    def _assertNobody(self, side: _Side) -> None:
        """
        The handshake has failed, and told so once with a typed error.
        """
        self.assertFalse(side.authenticated)
        (failure,) = side.failures
        self.assertIsInstance(failure.value, Libp2pError)

    def _assertOver(self, side: _Side) -> Failure:
        """
        The connection is over, and who had to know was told once.

        @return: the reason.
        """
        if not side.authenticated:
            self._assertNobody(side)
            return side.failures[0]
        self.assertEqual(side.failures, [])
        (reason,) = side.application.reasons
        return reason

    def _everyPlace(
        self, spoilt: Callable[[int], _Way], without: Container[int] = ()
    ) -> Iterator[tuple[Pump, _Side, _Side]]:
        """
        Shake hands once for each byte of a handshake, with something becoming
        of that byte.

        @param without: the places of bytes to leave alone.
        @return: the connection, who receives the byte, and who has sent it.
        """
        pump, *sides = self._connect(split=byteByByte)
        self._cut(pump)
        for receiver, side in enumerate(sides):
            self.assertGreater(side.handshakeSize, self.slack)
            for place in range(0, side.handshakeSize - self.slack, self.stride):
                if place in without:
                    continue
                way = spoilt(place)
                ways = (_straight, way) if receiver else (way, _straight)
                pump, initiator, responder = self._connect(ways=ways)
                if receiver:
                    yield pump, responder, initiator
                else:
                    yield pump, initiator, responder
                self._cut(pump)

    # The handshake.

    def test_interfaces(self) -> None:
        """
        The protocol and its transports provide what they claim.
        """
        security = self.security()
        verifyObject(ISecurity, security)
        self.assertTrue(security.protocolID.startswith("/"))
        pump, *sides = self._connect()
        for side in sides:
            for interface in (ISecureTransport, IConsumer, IPushProducer):
                verifyObject(interface, side.transport)
        self._cut(pump)

    def test_identities(self) -> None:
        """
        Each side learns the other's peer id and key, whatever their types.
        """
        ours = self._identities[0]
        for type in KeyType:
            other = Identity.generate(type)
            for identities in ((ours, other), (other, ours)):
                pump, initiator, responder = self._connect(
                    identities=identities,
                    expected=(identities[1].peerID, identities[0].peerID),
                )
                for side, peer in ((initiator, responder), (responder, initiator)):
                    secured = side.secured
                    self.assertEqual(secured.protocolID, self.security().protocolID)
                    self.assertEqual(secured.remotePeer, peer.identity.peerID)
                    self.assertEqual(secured.remoteKey, peer.identity.publicKey)
                    self.assertIsNone(secured.muxer)
                self._cut(pump)

    def test_mismatch(self) -> None:
        """
        An initiator that is answered by somebody else than it expects is told
        both ids, before a byte of the application has moved.
        """
        expected = Identity.generate().peerID
        _, initiator, responder = self._connect(
            expected=(expected, None), greeting=b"hello"
        )
        self._assertNobody(initiator)
        error = initiator.failures[0].value
        assert isinstance(error, PeerMismatch)
        self.assertEqual(error.expected, str(expected))
        self.assertEqual(error.obtained, str(responder.identity.peerID))
        self._assertOver(responder)
        if responder.authenticated:
            self.assertEqual(responder.application.received, b"")

    def test_mismatchAtResponder(self) -> None:
        """
        A responder may expect somebody, too.
        """
        expected = Identity.generate().peerID
        _, initiator, responder = self._connect(expected=(None, expected))
        self._assertNobody(responder)
        self.assertTrue(responder.failures[0].check(PeerMismatch))
        self._assertOver(initiator)

    def test_greeting(self) -> None:
        """
        What the applications say at once arrives.
        """
        pump, *sides = self._connect(greeting=b"hello")
        for side in sides:
            self.assertEqual(side.application.received, b"hello")
        self._cut(pump)

    def test_splits(self) -> None:
        """
        Where a read ends makes no difference to a handshake.
        """
        for _, receiver, sender in self._everyPlace(_split):
            for side, peer in ((receiver, sender), (sender, receiver)):
                self.assertEqual(side.secured.remotePeer, peer.identity.peerID)

    def test_byteByByte(self) -> None:
        """
        A handshake, and what is said at once behind it, may arrive in the
        smallest pieces.
        """
        pump, *sides = self._connect(split=byteByByte, greeting=b"hello")
        for side in sides:
            self.assertEqual(side.application.received, b"hello")
        self._cut(pump)

    def test_tampered(self) -> None:
        """
        Whichever byte of a handshake is changed on its way, its receiver
        authenticates nobody.
        """
        if not self.authenticates:
            return
        for pump, receiver, sender in self._everyPlace(_flip, self.meaningless):
            self._cut(pump)
            self._assertNobody(receiver)
            self._assertOver(sender)

    def test_truncated(self) -> None:
        """
        Wherever a handshake is cut off, it is still open, and has failed when
        the connection is gone.
        """
        for pump, receiver, sender in self._everyPlace(_truncate):
            self.assertEqual(receiver.failures, [])
            self._cut(pump)
            self._assertNobody(receiver)
            self._assertOver(sender)

    def test_replayed(self) -> None:
        """
        What was said in one handshake is of no use in another.
        """
        if not self.authenticates:
            return
        recorded, *sides = self._connect(greeting=b"secret")
        self._cut(recorded)
        for receiver, side in enumerate(sides):
            way = _instead(bytes(side.middle.heard))
            ways = (_straight, way) if receiver else (way, _straight)
            pump, *again = self._connect(ways=ways)
            self._cut(pump)
            self._assertNobody(again[receiver])
            self._assertOver(again[1 - receiver])

    def test_garbage(self) -> None:
        """
        Who speaks something else is nobody, and however much of it there is,
        nobody waits for more.
        """
        for receiver in (0, 1):
            for garbage in _GARBAGE:

                def way(
                    start: int, data: bytes, garbage: bytes = garbage
                ) -> list[bytes]:
                    return [garbage]

                ways = (_straight, way) if receiver else (way, _straight)
                pump, *sides = self._connect(ways=ways)
                sides[receiver].middle.dataReceived(b"?")
                pump.flush()
                self._cut(pump)
                self._assertNobody(sides[receiver])
                self._assertOver(sides[1 - receiver])

    def test_silence(self) -> None:
        """
        A peer that hangs up without a word has failed the handshake.
        """
        pump, *sides = self._connect(ways=(_truncate(0), _truncate(0)))
        for side in sides:
            self.assertEqual(side.failures, [])
        self._cut(pump)
        for side in sides:
            self._assertNobody(side)

    def test_earlyMuxers(self) -> None:
        """
        The muxer is the initiator's first that the responder has; where one of
        them has none to offer, it is left open.
        """
        if not self.earlyMuxers:
            return
        for ours, theirs, agreed in (
            (("/a",), ("/a",), "/a"),
            (("/a", "/b"), ("/b", "/a"), "/a"),
            (("/x", "/b"), ("/a", "/b"), "/b"),
            (("/a",), (), None),
            ((), ("/a",), None),
        ):
            pump, *sides = self._connect(muxers=(ours, theirs))
            for side in sides:
                self.assertEqual(side.secured.muxer, agreed)
            self._cut(pump)

    # What comes after it.

    def test_echo(self) -> None:
        """
        Ten thousand pieces of all sizes come back as they were sent.
        """
        pump, initiator, responder = self._connect()
        responder.application.answer = responder.transport.write
        expected = bytearray()
        for number in range(10_000):
            piece = number.to_bytes(4, "big") * (number % 29)
            initiator.transport.write(piece)
            expected += piece
            if number % 1000 == 0:
                pump.flush()
        pump.flush()
        self.assertEqual(responder.application.received, expected)
        self.assertEqual(initiator.application.received, expected)
        self._cut(pump)

    def test_bulk(self) -> None:
        """
        One mebibyte passes each way, at the same time, however it is written
        and read.
        """
        content = bytes(range(256)) * (_MIB // 256)
        for written, read in ((_MIB, 64 * 1024), (60_000, 1460), (1400, 100_000)):
            pump, *sides = self._connect(split=pieces(read))
            for piece in pieces(written)(content):
                for side in sides:
                    side.transport.writeSequence([piece[:12], piece[12:]])
            pump.flush()
            for side in sides:
                self.assertEqual(side.application.received, content)
            self._cut(pump)

    def test_secret(self) -> None:
        """
        What is said cannot be read on its way.
        """
        if not self.authenticates:
            return
        secret = b"a secret that nobody else may read"
        pump, *sides = self._connect(greeting=secret)
        for side in sides:
            self.assertEqual(side.application.received, secret)
            self.assertNotIn(secret, side.middle.heard)
        self._cut(pump)

    def test_violated(self) -> None:
        """
        Whichever byte behind the handshake is changed on its way, its receiver
        does not hear what it belongs to, and is told of one typed reason.
        """
        if not self.authenticates:
            return
        pump, initiator, responder = self._connect()
        start = len(responder.middle.heard)
        initiator.transport.write(b"content")
        pump.flush()
        size = len(responder.middle.heard) - start
        self.assertGreaterEqual(size, len(b"content"))
        self._cut(pump)
        for place in range(size):
            pump, initiator, responder = self._connect()
            responder.middle.way = _flip(len(responder.middle.heard) + place)
            initiator.transport.write(b"content")
            pump.flush()
            self._cut(pump)
            self.assertEqual(responder.application.received, b"")
            reason = self._assertOver(responder)
            self.assertIsInstance(reason.value, Libp2pError)
            self.assertTrue(reason.check(ConnectionLost))

    def test_close(self) -> None:
        """
        Whichever side closes, what it said before arrives, and each side is
        told once of a clean end.
        """
        for closing in (0, 1):
            pump, *sides = self._connect()
            sides[closing].transport.write(b"last words")
            sides[closing].transport.loseConnection()
            pump.flush()
            self.assertEqual(sides[1 - closing].application.received, b"last words")
            for side in sides:
                reason = self._assertOver(side)
                self.assertTrue(reason.check(ConnectionDone), reason)

    def test_closeBoth(self) -> None:
        """
        Both sides may close at the same time.
        """
        pump, *sides = self._connect()
        for side in sides:
            side.transport.loseConnection()
        pump.flush()
        for side in sides:
            reason = self._assertOver(side)
            self.assertTrue(reason.check(ConnectionDone), reason)

    def test_abort(self) -> None:
        """
        Whichever side aborts, nothing that it held back is said, and each side
        is told once of an end that is not clean.
        """
        for aborting in (0, 1):
            pump, *sides = self._connect()
            sides[aborting].transport.write(b"unsaid")
            sides[aborting].transport.abortConnection()
            pump.flush()
            self.assertEqual(sides[1 - aborting].application.received, b"")
            ours = self._assertOver(sides[aborting])
            self.assertTrue(ours.check(ConnectionAborted), ours)
            theirs = self._assertOver(sides[1 - aborting])
            self.assertTrue(theirs.check(ConnectionLost), theirs)

    def test_afterTheEnd(self) -> None:
        """
        A transport that goes on after its end is not heard, and what is said
        then is not kept.
        """
        pump, initiator, responder = self._connect()
        initiator.transport.write(b"early")
        pump.flush()
        late = bytes(responder.middle.heard)
        self._cut(pump)
        responder.middle.dataReceived(late)
        responder.transport.write(b"late")
        responder.transport.loseConnection()
        self.assertEqual(responder.application.received, b"early")
        self._assertOver(responder)

    def test_pause(self) -> None:
        """
        To an application that pauses nothing is given, nor is anything read
        for it; when it resumes it is given everything, in order.
        """
        pump, initiator, responder = self._connect()
        content = bytes(range(256)) * 2000
        responder.transport.pauseProducing()
        before = len(responder.middle.heard)
        for piece in pieces(10_000)(content):
            initiator.transport.write(piece)
        pump.flush()
        self.assertEqual(responder.application.received, b"")
        self.assertEqual(len(responder.middle.heard), before)
        responder.transport.resumeProducing()
        pump.flush()
        self.assertEqual(responder.application.received, content)
        self._cut(pump)

    def test_pauseEachTime(self) -> None:
        """
        An application that pauses at everything it receives is given no more
        than one read of the transport at a time.
        """
        pump, initiator, responder = self._connect(split=pieces(1000))
        application = responder.application
        application.answer = lambda data: responder.transport.pauseProducing()
        content = bytes(range(256)) * 400
        for piece in pieces(100)(content):
            initiator.transport.write(piece)
        pump.flush()
        while len(application.received) < len(content):
            reads, received = application.reads, len(application.received)
            pump.flush()
            self.assertEqual(application.reads, reads)
            responder.transport.resumeProducing()
            pump.flush()
            self.assertEqual(application.reads, reads + 1)
            self.assertGreater(len(application.received), received)
        self.assertEqual(application.received, content)
        self._cut(pump)

    def test_pushProducer(self) -> None:
        """
        A producer is paused when the transport is full, and resumed when it is
        not; one that is registered keeps the transport from closing.
        """
        pump, initiator, responder = self._connect()
        producer = Producer()
        initiator.transport.registerProducer(producer, True)
        initiator.transport.write(bytes(10))
        self.assertEqual(producer.calls, [])
        initiator.transport.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        pump.flush()
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.assertEqual(len(responder.application.received), 100_010)
        initiator.transport.loseConnection()
        pump.flush()
        self.assertEqual(initiator.application.reasons, [])
        initiator.transport.unregisterProducer()
        pump.flush()
        self._assertOver(initiator)
        self._assertOver(responder)

    def test_pullProducer(self) -> None:
        """
        A producer that has to be asked is asked until it has nothing more.
        """
        pump, initiator, responder = self._connect()
        left = [b"one", b"two", b"x" * 100_000, b"three"]
        content = b"".join(left)

        class Pulled(Producer):
            """
            Gives one piece at a time.
            """

            def resumeProducing(self) -> None:
                """
                Give the next piece.
                """
                initiator.transport.write(left.pop(0))
                if not left:
                    initiator.transport.unregisterProducer()

        initiator.transport.registerProducer(Pulled(), False)
        pump.flush()
        self.assertEqual(responder.application.received, content)
        self._cut(pump)
