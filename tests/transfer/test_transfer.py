# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transfer}: a sender and a receiver.
"""

from __future__ import annotations

import os
from errno import ENOSPC
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.errors import (
    ConfigurationError,
    ProtocolViolation,
    StreamAborted,
    StreamReset,
    TransferFailed,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transfer import part, receiving
from twisted_libp2p.transfer.messages import (
    MAX_MESSAGE,
    PROTOCOL_ID,
    STALL_TIME,
    Offer,
    parseMessage,
    writeMessage,
)
from twisted_libp2p.transfer.part import Part
from twisted_libp2p.transfer.receiving import MAX_TRANSFERS, OFFER_TIME, Receiver
from twisted_libp2p.transfer.sending import Sender
from twisted_libp2p.wire.frames import FrameBuffer

DATA = bytes(range(256)) * 4096


def offerOf(data: bytes, name: str = "data", **changes: Any) -> Offer:
    """
    Return the offer of some bytes.
    """
    facts = {"size": len(data), "digest": sha256(data).hexdigest(), **changes}
    return Offer(name, facts["size"], facts["digest"])


@implementer(IHalfCloseableProtocol)
class Hand(Protocol):
    """
    The end of a stream, by hand.

    @ivar answers: the received messages.
    """

    transport: Any

    def __init__(self) -> None:
        self.frames = FrameBuffer(MAX_MESSAGE)
        self.answers: list[dict[str, Any]] = []
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        """
        Collect the messages.
        """
        self.frames.feed(data)
        self.answers += map(parseMessage, self.frames)

    def readConnectionLost(self) -> None:
        """
        Go on: there is an answer to come.
        """

    def writeConnectionLost(self) -> None:
        """
        Do nothing.
        """

    def connectionLost(self, reason: Any = None) -> None:
        """
        Note the end.
        """
        self.ended = True


class TransferTestCase(SynchronousTestCase):
    """
    Two nodes.
    """

    def setUp(self) -> None:
        """
        Start the receiver.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.refusal: str | None = None
        self.received: list[tuple[PeerID, Offer]] = []
        self.names: list[str] = []
        self.receiver = Receiver(
            str(self.folder),
            lambda peer, offer: self.refusal,
            self.finished,
        )
        home = self.nodes.start(services=[self.receiver])
        self.node = self.nodes.start()
        self.connection, _ = self.nodes.connect(self.node, home)

    def finished(self, peer: PeerID, offer: Offer, name: str) -> None:
        """
        Note a file.
        """
        self.received.append((peer, offer))
        self.names.append(name)

    def hand(self, *written: bytes) -> Hand:
        """
        Open a stream by hand, and write to it.
        """
        hand = self.nodes.result(self.connection.openStream(PROTOCOL_ID, Hand))
        for each in written:
            hand.transport.write(each)
        self.nodes.settle()
        self.nodes.advance(0.1)
        assert isinstance(hand, Hand)
        return hand

    def files(self) -> list[str]:
        """
        Return the names of the files in the folder.
        """
        return sorted(os.listdir(self.folder))


class ReceiverTests(TransferTestCase):
    """
    The receiver, whose sender is played by hand.
    """

    def test_resumed(self) -> None:
        """
        The receiver asks for the bytes that are missing, also after the stream was
        lost, and gives a complete file its name.
        """
        offer = offerOf(DATA)
        hand = self.hand(offer.toBytes())
        self.assertEqual(hand.answers, [{"offset": 0}])
        hand.transport.write(DATA[:1000])
        self.nodes.advance(0.1)
        hand.transport.abortConnection()
        self.nodes.advance(0.1)
        self.assertEqual(self.files(), [f".data.{offer.digest[:16]}.part"])
        hand = self.hand(offer.toBytes())
        self.assertEqual(hand.answers, [{"offset": 1000}])
        hand.transport.write(DATA[1000:])
        hand.transport.loseWriteConnection()
        self.nodes.advance(0.1)
        self.assertEqual(hand.answers, [{"offset": 1000}, {"done": True}])
        self.assertEqual(self.files(), ["data"])
        self.assertEqual((self.folder / "data").read_bytes(), DATA)
        self.assertEqual(self.received, [(self.node.peerID, offer)])

    def test_again(self) -> None:
        """
        The same offer on another stream takes the place of the first one, whose
        connection may be lost without a notice.
        """
        offer = offerOf(DATA)
        first = self.hand(offer.toBytes())
        first.transport.write(DATA[:1000])
        self.nodes.advance(0.1)
        second = self.hand(offer.toBytes())
        self.assertEqual(second.answers, [{"offset": 1000}])
        self.assertTrue(first.ended)

    def test_refused(self) -> None:
        """
        A peer that is not permitted learns why, and leaves nothing.
        """
        self.refusal = "not you"
        hand = self.hand(offerOf(DATA).toBytes())
        self.assertEqual(hand.answers, [{"error": "not you"}])
        self.assertEqual((self.files(), self.received), ([], []))

    def send(self, data: bytes, name: str) -> list[dict[str, Any]]:
        """
        Send a file by hand, from the offset that is asked for.

        @return: the answers.
        """
        hand = self.hand(offerOf(data, name).toBytes())
        hand.transport.write(data[hand.answers[0]["offset"] :])
        hand.transport.loseWriteConnection()
        self.nodes.advance(0.1)
        return hand.answers

    def test_sameName(self) -> None:
        """
        A file whose name is in use gets a number, before the ending.
        """
        for name, names in (
            ("image.jpg", ["image.jpg", "image (2).jpg", "image (3).jpg"]),
            ("notes", ["notes", "notes (2)", "notes (3)"]),
        ):
            self.names = []
            for data in (b"first", b"second", b"third"):
                self.assertEqual(self.send(data, name), [{"offset": 0}, {"done": True}])
            self.assertEqual(self.names, names)
            contents = [(self.folder / each).read_bytes() for each in names]
            self.assertEqual(contents, [b"first", b"second", b"third"])

    def test_sameContent(self) -> None:
        """
        A file whose sender has not got the answer is not sent again, also if it has got
        a number.
        """
        for data in (b"first", b"other"):
            self.send(data, "image.jpg")
            again = self.send(data, "image.jpg")
            self.assertEqual(again, [{"offset": len(data)}, {"done": True}])
        self.assertEqual(self.files(), ["image (2).jpg", "image.jpg"])
        self.assertEqual(self.names[2:], ["image (2).jpg", "image (2).jpg"])
        self.send(b"first", "image.jpg")
        self.assertEqual((self.folder / "image (3).jpg").read_bytes(), b"first")

    def test_link(self) -> None:
        """
        No link is followed.
        """
        offer = offerOf(DATA)
        outside = Path(self.mktemp())
        outside.write_text("mine")
        (self.folder / "image").symlink_to(outside.absolute())
        self.send(b"mine", "image")
        self.assertEqual((self.folder / "image (2)").read_bytes(), b"mine")
        self.assertTrue((self.folder / "image").is_symlink())
        part = self.folder / f".data.{offer.digest[:16]}.part"
        part.symlink_to(outside.absolute())
        (answer,) = self.hand(offer.toBytes()).answers
        self.assertIn("error", answer)
        self.assertEqual(outside.read_text(), "mine")

    def test_wrongBytes(self) -> None:
        """
        A file with too many bytes, too few, or others than offered is refused.
        """
        offer = offerOf(DATA)
        for written, error, files in (
            (DATA + b"x", f"over {len(DATA)} bytes, which were offered", 1),
            (b"", f"{len(DATA)} bytes are missing", 1),
            (DATA[:-1] + b"x", "the SHA-256 is another one", 0),
        ):
            hand = self.hand(offer.toBytes())
            for start in range(0, len(written), 1 << 16):
                hand.transport.write(written[start : start + (1 << 16)])
            hand.transport.loseWriteConnection()
            self.nodes.advance(0.1)
            self.assertEqual(hand.answers[1:], [{"error": error}])
            self.assertEqual(len(self.files()), files)
            for name in self.files():
                (self.folder / name).unlink()
        self.assertEqual(self.received, [])

    def test_longerPart(self) -> None:
        """
        A file that is longer than the offered one begins again.
        """
        offer = offerOf(b"abc")
        (self.folder / f".data.{offer.digest[:16]}.part").write_bytes(b"abcd")
        hand = self.hand(offer.toBytes())
        self.assertEqual(hand.answers, [{"offset": 0}])

    def test_malformed(self) -> None:
        """
        Anything but an offer is answered with an error.
        """
        for data, words in (
            (writeMessage({"name": "../a"}), "an offer without a size"),
            (offerOf(b"", "../a").toBytes(), "'../a' is not a name for a file here"),
            (offerOf(b"a").toBytes() + b"a", "bytes before the answer"),
            (b"\xff\xff\x7f", "a message of 2097151 bytes is over the limit"),
        ):
            (answer,) = self.hand(data).answers
            self.assertIn(words, answer["error"])
        self.assertEqual(self.files(), [])

    def test_silent(self) -> None:
        """
        A stream without an offer is reset in time.
        """
        hand = self.hand(b"\x7f")
        self.nodes.advance(OFFER_TIME - 1)
        self.assertFalse(hand.ended)
        self.nodes.advance(2)
        self.assertTrue(hand.ended)

    def test_stalled(self) -> None:
        """
        A sender that sends nothing loses its place, and can go on later.
        """
        hand = self.hand(offerOf(DATA).toBytes())
        self.nodes.advance(STALL_TIME - 1)
        hand.transport.write(DATA[:5])
        self.nodes.settle()
        self.nodes.advance(STALL_TIME - 1)
        self.assertFalse(hand.ended)
        self.nodes.advance(2)
        self.assertTrue(hand.ended)
        self.assertEqual(self.hand(offerOf(DATA).toBytes()).answers, [{"offset": 5}])

    def test_log(self) -> None:
        """
        Not each refusal is logged; strangers do not hide the others.
        """
        logged = EventLoggingObserver()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)
        self.refusal = "not you"
        for _ in range(5):
            self.hand(offerOf(b"a").toBytes())
        self.refusal = None
        self.hand(offerOf(b"a").toBytes(), b"").transport.write(b"ab")
        self.nodes.settle()
        lines = [each["reason"] for each in logged if "count" in each]
        self.assertEqual(
            lines,
            [
                "a file was not received: not you",
                "a file was not received: over 1 bytes, which were offered",
            ],
        )

    def test_many(self) -> None:
        """
        Only some files are received at once.
        """
        hands = [
            self.hand(offerOf(b"a", f"data{number}").toBytes())
            for number in range(MAX_TRANSFERS + 1)
        ]
        self.assertEqual(
            [[*each.answers[0]] for each in hands],
            [["offset"]] * MAX_TRANSFERS + [["error"]],
        )

    def test_full(self) -> None:
        """
        Files for which a full disk has no room give their places back.
        """

        class FullPart(Part):
            def write(self, data: bytes) -> None:
                raise OSError(ENOSPC, "No space left on device")

            def close(self) -> None:
                self._file.close()
                self._file = FullFile()  # type: ignore[assignment]
                super().close()

        class FullFile(BytesIO):
            def close(self) -> None:
                raise OSError(ENOSPC, "No space left on device")

        self.patch(receiving, "Part", FullPart)
        for number in range(MAX_TRANSFERS + 1):
            hand = self.hand(offerOf(DATA, f"data{number}").toBytes())
            hand.transport.write(b"a")
            self.nodes.advance(0.1)
            self.assertEqual(
                hand.answers, [{"offset": 0}, {"error": "No space left on device"}]
            )
            hand.transport.loseConnection()
            self.nodes.advance(0.1)

    def test_lostEarly(self) -> None:
        """
        The hash of a file is not taken any further after its stream was lost.
        """
        hashing: Deferred[Any] = Deferred()
        self.patch(part, "hashFile", lambda clock, file: hashing)
        hand = self.hand(offerOf(DATA).toBytes())
        self.assertEqual(hand.answers, [])
        hand.transport.abortConnection()
        self.nodes.advance(0.1)
        self.assertTrue(hashing.called)

    def test_mode(self) -> None:
        """
        A received file cannot be executed.
        """
        hand = self.hand(offerOf(b"a").toBytes(), b"")
        hand.transport.write(b"a")
        hand.transport.loseWriteConnection()
        self.nodes.advance(0.1)
        self.assertEqual((self.folder / "data").stat().st_mode & 0o111, 0)

    def test_room(self) -> None:
        """
        A file for which the disk has no room is refused at once.
        """
        hand = self.hand(offerOf(b"", size=1 << 50).toBytes())
        self.assertIn("the disk has no room", hand.answers[0]["error"])


class SenderTests(TransferTestCase):
    """
    The sender.
    """

    def setUp(self) -> None:
        """
        Make a file.
        """
        super().setUp()
        outbox = Path(self.mktemp())
        outbox.mkdir()
        self.path = outbox / "data"
        self.path.write_bytes(DATA)
        self.progress: list[int] = []
        self.sender = Sender(str(self.path), self.progress.append)
        self.wait(Deferred.fromCoroutine(self.sender.prepare(self.nodes.clock)))

    def wait(self, working: Deferred[None]) -> None:
        """
        Let the time pass that hashing takes, and return the result.
        """
        self.nodes.advance(0.1)
        self.nodes.result(working)

    def send(self) -> None:
        """
        Send the file.
        """
        self.wait(Deferred.fromCoroutine(self.sender.send(self.connection)))

    def test_sent(self) -> None:
        """
        The file arrives under its name, and the progress is reported.
        """
        self.send()
        self.assertEqual((self.folder / "data").read_bytes(), DATA)
        self.assertEqual(self.progress[0], 0)
        self.assertEqual(self.progress[-1], len(DATA))
        self.assertEqual(self.progress, sorted(self.progress))
        self.assertEqual(self.sender.done, len(DATA))

    def test_empty(self) -> None:
        """
        An empty file is a file.
        """
        self.path.write_bytes(b"")
        self.wait(Deferred.fromCoroutine(self.sender.prepare(self.nodes.clock)))
        self.send()
        self.assertEqual((self.folder / "data").read_bytes(), b"")

    def test_resumed(self) -> None:
        """
        Only the missing bytes are sent.
        """
        part = self.folder / f".data.{self.sender.offer.digest[:16]}.part"
        part.write_bytes(DATA[: 1 << 19])
        self.send()
        self.assertEqual(self.progress[0], 1 << 19)
        self.assertEqual((self.folder / "data").read_bytes(), DATA)

    def test_refused(self) -> None:
        """
        The reason of the receiver is raised.
        """
        self.refusal = "not you"
        error = self.assertRaises(TransferFailed, self.send)
        self.assertEqual(str(error), "not you")

    def test_names(self) -> None:
        """
        A file that cannot be received under its name, or does not exist, is an error at
        once.
        """
        for path, words in (
            ("x/.bashrc", "no file can be received under this name"),
            ("x", "there is no file x"),
            (".", "no file can be received under this name"),
        ):
            error = self.assertRaises(ConfigurationError, Sender, path, None)
            self.assertIn(words, str(error))


class HashTests(SynchronousTestCase):
    """
    The hash of a file.
    """

    def test_cancelled(self) -> None:
        """
        After a cancellation the file is not read any further.
        """
        clock, file = Clock(), BytesIO(DATA)
        hashing = Deferred.fromCoroutine(part.hashFile(clock, file))
        hashing.cancel()
        self.failureResultOf(hashing, CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])


class AnswerTests(TransferTestCase):
    """
    The sender, whose receiver is played by hand.
    """

    def begin(self) -> tuple[Hand, Deferred[Any]]:
        """
        Begin to send a file to another node.

        @return: the receiver, and the result of the sender.
        """
        hands: list[Hand] = []

        def build() -> Hand:
            hands.append(Hand())
            return hands[-1]

        path = Path(self.mktemp())
        path.write_bytes(b"abc")
        other = self.nodes.start()
        other.serve(PROTOCOL_ID, build)
        connection, _ = self.nodes.connect(self.node, other)
        sender = Sender(str(path), lambda done: None)
        preparing = Deferred.fromCoroutine(sender.prepare(self.nodes.clock))
        self.nodes.advance(0.1)
        self.nodes.result(preparing)
        sending: Deferred[Any] = Deferred.fromCoroutine(sender.send(connection))
        self.nodes.advance(0.1)
        return hands[-1], sending

    def test_wrong(self) -> None:
        """
        A receiver that answers otherwise ends the stream with an error, however
        its bytes are cut.
        """
        for answer, error in (
            (writeMessage({"offset": 4}), ProtocolViolation),
            (writeMessage({"offset": True}), ProtocolViolation),
            (writeMessage({"done": True}), ProtocolViolation),
            (writeMessage({"offset": 0}) * 2, ProtocolViolation),
            (b"\x02[]", ProtocolViolation),
            (writeMessage({"error": "no"}), TransferFailed),
            (None, StreamReset),
            (b"", TransferFailed),
        ):
            hand, sending = self.begin()
            if answer is None:
                hand.transport.abortConnection()
            else:
                for byte in answer:
                    hand.transport.write(bytes([byte]))
                    self.nodes.settle()
                hand.transport.loseConnection()
            self.nodes.advance(0.1)
            self.assertRaises(error, self.nodes.result, sending)

    def test_stalled(self) -> None:
        """
        A receiver that takes no byte, or gives no result, interrupts the transfer; it
        may read an incomplete file for as long as that takes.
        """
        hand, sending = self.begin()
        self.nodes.advance(STALL_TIME * 2)
        hand.transport.write(writeMessage({"offset": 0}))
        self.nodes.settle()
        self.nodes.advance(STALL_TIME - 1)
        self.assertNoResult(sending)
        self.nodes.advance(2)
        self.assertRaises(StreamAborted, self.nodes.result, sending)
        self.assertTrue(hand.ended)

    def test_atOnce(self) -> None:
        """
        Nothing counts after an error, not even in the same bytes.
        """
        hand, sending = self.begin()
        answers = writeMessage({"error": "no"}) + writeMessage({"offset": 0})
        hand.transport.write(answers)
        self.nodes.advance(0.1)
        self.assertRaises(TransferFailed, self.nodes.result, sending)
