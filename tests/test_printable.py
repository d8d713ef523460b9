# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of L{twisted_libp2p.printable}, and of all places where the text of a peer is
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from hypothesis import strategies as st
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.examples import drawn
from tests.modules import allModules
from twisted_libp2p import errors
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.errors import (
    DialFailed,
    Gated,
    HandshakeFailed,
    InvalidInput,
    Libp2pError,
    LimitExceeded,
    NegotiationFailed,
    PeerMismatch,
    ProtocolViolation,
    StreamAborted,
    Truncated,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import ProtocolsChanged
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.negotiation import bootstrap, multistream
from twisted_libp2p.printable import MAX_TEXT, printable
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.wire import varint

# What a peer may send in UTF-8: a line end, another one, an escape sequence, a
# sequence of one character, an override of direction, its end, an invisible mark.
SENDABLE = "a\nb\rc\x1b[2Jd\x9b31me\u202ef\u2069g\u200bh\u2028i\x85j\x00k\x7fl"

# And what no UTF-8 gives, but a program may: half a character.
HOSTILE = SENDABLE + "\ud800"

#: For each class of errors, how it is made with the text of a stranger.
MADE: dict[type[Libp2pError], Callable[[str], Libp2pError]] = {
    StreamAborted: StreamAborted,
    Gated: Gated,
    LimitExceeded: lambda text: LimitExceeded(text, 1, 1, "option"),
    ProtocolViolation: lambda text: ProtocolViolation(text, text),
    NegotiationFailed: NegotiationFailed,
    UnsupportedProtocol: lambda text: UnsupportedProtocol([text] * 9, [text] * 9),
    HandshakeFailed: lambda text: HandshakeFailed("/tls", text),
    PeerMismatch: lambda text: PeerMismatch("/tls", text, text),
    UpgradeTimeout: lambda text: UpgradeTimeout(text, 5.0),
    Truncated: Truncated,
    DialFailed: lambda text: DialFailed(text, [(text, InvalidInput(text))] * 50),
}


def classes(root: type[Libp2pError] = Libp2pError) -> Iterator[type[Libp2pError]]:
    """
    Give all classes of errors of the package.
    """
    yield root
    for each in root.__subclasses__():
        if each.__module__.startswith("twisted_libp2p."):
            yield from classes(each)


class PrintableTests(SynchronousTestCase):
    """
    Any text becomes one line that is safe to show.
    """

    def test_kept(self) -> None:
        """
        What can be seen stays as it is, in any script.
        """
        for text in (
            "",
            "/ipfs/id/1.0.0",
            "F\xfc\xdfe \u706f\u7b3c",
            "a\\b",
            "x" * MAX_TEXT,
        ):
            self.assertEqual(printable(text), text)

    def test_escaped(self) -> None:
        """
        What cannot be seen becomes its escape sequence, or what is asked for.
        """
        self.assertEqual(printable("a\nb\x1b\u202e\ud800"), "a\\nb\\x1b\\u202e\\ud800")
        self.assertEqual(printable("a\nb\x1bc", hidden=""), "abc")
        self.assertEqual(printable("a\nb", hidden="?"), "a?b")

    def test_cut(self) -> None:
        """
        A longer text is cut off, and says so.
        """
        self.assertEqual(printable("x" * 11, 10), "x" * 9 + "\u2026")
        self.assertEqual(printable("\n" * 11, 10), "\\n\\n\\n\\n\\\u2026")
        self.assertEqual(printable("\n" * 30 + "x", 10, hidden=""), "x")

    @drawn(
        300, st.text(max_size=60), st.integers(1, 40), st.sampled_from((None, "", "?"))
    )
    def test_anything(self, text: str, most: int, hidden: str | None) -> None:
        """
        Whatever the text is, the result is printable, bounded, and given back
        unchanged.
        """
        shown = printable(text + "\x1b\ud800", most, hidden)
        self.assertTrue(shown.isprintable())
        self.assertLessEqual(len(shown), most)
        self.assertEqual(printable(shown, most, hidden), shown)


class ShownTestCase(SynchronousTestCase):
    """
    Says what is safe to show.
    """

    def assertShown(self, text: str, most: int = errors.MAX_TEXT) -> None:
        """
        Check that a text is one printable line of bounded length.
        """
        self.assertTrue(text.isprintable(), ascii(text))
        self.assertLessEqual(len(text), most)
        self.assertNotEqual(text, "")


class ErrorTests(ShownTestCase):
    """
    An error that quotes a peer is one line.
    """

    def test_oneWay(self) -> None:
        """
        All errors of the package are shown in one place.
        """
        self.assertGreater(len(list(allModules())), 200)
        seen = 0
        for each in classes():
            seen += 1
            if each is not Libp2pError:
                self.assertNotIn("__str__", vars(each), each)
                self.assertNotIn("__repr__", vars(each), each)
            self.assertIs(each.__str__, Libp2pError.__str__)
            self.assertIs(each.__repr__, Libp2pError.__repr__)
        self.assertGreater(seen, 25)

    def test_texts(self) -> None:
        """
        Whatever a peer has said, errors show it in one printable line, which is
        not too long; so does a failure.
        """
        for kind in classes():
            make: Any = MADE.get(kind)
            if make is None:
                if isinstance(kind.__init__, FunctionType):
                    # It has no text of a peer.
                    continue
                make = kind
            for text in (HOSTILE, HOSTILE * 1000):
                error = make(text)
                self.assertShown(str(error))
                self.assertShown(repr(error))
                self.assertShown(Failure(error).getErrorMessage())

    def test_attributes(self) -> None:
        """
        The attributes of an error have what the peer has said, for programs.
        """
        error = UnsupportedProtocol([HOSTILE], [HOSTILE])
        self.assertEqual((error.proposed, error.spoken), ((HOSTILE,), (HOSTILE,)))


def said(text: str) -> bytes:
    """
    Encode a message of multistream-select.
    """
    body = text.encode() + b"\n"
    return varint.encode(len(body)) + body


class NegotiationTests(ShownTestCase):
    """
    Protocol ids that a stranger proposes.
    """

    LINE = SENDABLE.replace("\n", "")

    def test_refused(self) -> None:
        """
        A proposal that is refused is shown safely, in both dialects, and so is
        the answer of a peer to ours.
        """
        responder = multistream.Responder(lambda name: False, lambda: [self.LINE])
        responder.receive(multistream.HEADER + said(self.LINE))
        self.assertShown(str(responder.refusal))
        receiver = bootstrap.Receiver(lambda name: False)
        sent = "/" + self.LINE.replace("\x00", "")
        error = self.assertRaises(
            NegotiationFailed, receiver.receive, sent.encode() + b"\x00"
        )
        self.assertShown(str(error))
        initiator = multistream.Initiator(["/a"])
        initiator.start()
        error = self.assertRaises(
            NegotiationFailed,
            initiator.receive,
            multistream.HEADER + said(self.LINE),
        )
        self.assertShown(str(error))
        initiator = multistream.Initiator(["/a"], ask=True)
        initiator.start()
        initiator.receive(multistream.HEADER + said("na"))
        listing = said(self.LINE) * 3 + b"\n"
        error = self.assertRaises(
            NegotiationFailed, initiator.receive, varint.encode(len(listing)) + listing
        )
        self.assertShown(str(error))

    def test_matched(self) -> None:
        """
        A match function is not asked for an id that cannot be printed: what it
        accepts is in the logs, events and texts of the program.
        """
        registry = Registry()
        asked: list[str] = []

        def match(name: str) -> bool:
            asked.append(name)
            return True

        registry.register(match, Factory())
        for bad in ("/a\nb", "/a\x1b[2J", "/\u202ea", "/\ud800", "/a\x00"):
            self.assertIsNone(registry.lookup(bad))
        self.assertIsNotNone(registry.lookup("/\xe4/\u706f"))
        self.assertEqual(asked, ["/\xe4/\u706f"])


class LogTests(ShownTestCase):
    """
    What a node logs of strangers.
    """

    def setUp(self) -> None:
        """
        Read the log.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.lines: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            """
            Keep a line of the log.
            """
            if "libp2p" in event.get("log_namespace", ""):
                self.lines.append(eventAsText(event, includeTimestamp=False))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)

    def test_beforeTheHandshake(self) -> None:
        """
        A stranger who proposes escape sequences instead of a security protocol,
        in either dialect, has one printable line.
        """
        server = self.nodes.start()
        transport = MemoryTransport(self.nodes.network)
        endpoint = transport.clientEndpoint(server.addresses[0].withoutPeer())
        factory = Factory.forProtocol(Protocol)
        for hello in (
            multistream.HEADER + said(NegotiationTests.LINE) + b"\x03ls\n\xff\xff\xff",
            ("/" + NegotiationTests.LINE).encode(),
            b"\x1b[2J\n",
        ):
            self.lines.clear()
            stranger: Any = self.nodes.result(endpoint.connect(factory))
            stranger.transport.write(hello)
            self.nodes.settle()
            stranger.transport.loseConnection()
            self.nodes.settle()
            self.nodes.advance(20.0)
            self.assertNotEqual(self.lines, [])
            for line in self.lines:
                self.assertShown(line, 3000)


class ReprTests(ShownTestCase):
    """
    What holds texts of peers has a short C{repr}.
    """

    def test_bounded(self) -> None:
        """
        However much a peer has said, and whatever, it is one bounded line.
        """
        names = tuple(f"/{number}{HOSTILE}" for number in range(1000))
        addresses = (Multiaddr("/http-path/" + "%1b" * 1000),) * 500
        for instance in (
            Identification(HOSTILE, HOSTILE, names, addresses, record=bytes(8000)),
            ProtocolsChanged(
                time=0.0, peer=Identity.generate().peerID, added=names, removed=()
            ),
            addresses[0],
        ):
            self.assertShown(repr(instance), MAX_TEXT)
        self.assertEqual(
            repr(Identification(agent="go"))[:28], "Identification(agent='go', p"
        )
