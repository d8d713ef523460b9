# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of multistream-select as a machine.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import (
    Libp2pError,
    NegotiationFailed,
    ProtocolViolation,
    UnsupportedProtocol,
)
from twisted_libp2p.negotiation import multistream
from twisted_libp2p.negotiation.multistream import Initiator, Responder, encode

HEADER = hexBytes(vector("multistream.header"), "wire")
NA = hexBytes(vector("multistream.na"), "wire")
LS = hexBytes(vector("multistream.ls"), "wire")
NOISE = hexBytes(vector("multistream.noise"), "wire")
TLS = hexBytes(vector("multistream.tls"), "wire")


def responder(*protocols: str, header: bool = True) -> Responder:
    """
    Make a responder that speaks some protocols.
    """
    return Responder(protocols.__contains__, lambda: protocols, header)


def feed(machine: Initiator | Responder, pieces: Iterable[bytes]) -> bytes:
    """
    Feed a machine piece by piece until it is done; the rest is trailing.
    """
    out = b""
    rest = iter(pieces)
    for piece in rest:
        out += machine.receive(piece)
        if machine.agreed is not None:
            machine.trailing += b"".join(rest)
    return out


def bytewise(data: bytes) -> list[bytes]:
    """
    Cut data into single bytes.
    """
    return [data[i : i + 1] for i in range(len(data))]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """
    Cut data at some places.
    """
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


class VectorTests(SynchronousTestCase):
    """
    The bytes of messages.
    """

    def test_messages(self) -> None:
        """
        Every text has the bytes of its vector.
        """
        for name in [
            "header",
            "na",
            "ls",
            "noise",
            "tls",
            "secio",
            "plaintext",
            "yamux",
            "mplex",
            "identify",
            "identify_push",
            "ping",
            "perf",
        ]:
            entry = vector(f"multistream.{name}")
            self.assertEqual(encode(entry["text"]), hexBytes(entry, "wire"))

    def test_listing(self) -> None:
        """
        The answer to C{ls} has the bytes of its vector.
        """
        entry = vector("multistream.ls_reply")
        machine = responder(*entry["protocols"])
        self.assertEqual(machine.receive(HEADER + LS), HEADER + hexBytes(entry, "wire"))
        self.assertIsNone(machine.agreed)

    def test_unsendable(self) -> None:
        """
        What does not fit a message is refused before it is sent.
        """
        self.assertRaises(ValueError, encode, "/" + "x" * 1023)
        self.assertRaises(ValueError, encode, "/a\n/b")
        self.assertEqual(len(encode("/" + "x" * 1022)), 1026)
        self.assertRaises(ValueError, Initiator, [])


class InitiatorTests(SynchronousTestCase):
    """
    The side that proposes.
    """

    def test_firstFlight(self) -> None:
        """
        Header and first proposal leave together.
        """
        self.assertEqual(Initiator(["/noise"]).start(), HEADER + NOISE)
        self.assertEqual(Initiator(["/noise"], header=False).start(), NOISE)

    def test_agreement(self) -> None:
        """
        The repeated id is agreed; what follows belongs to the protocol.
        """
        machine = Initiator(["/noise"])
        self.assertEqual(machine.receive(HEADER + NOISE + b"more"), b"")
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"more"))

    def test_nextProposal(self) -> None:
        """
        After C{na} the next id is proposed, without a second header.
        """
        machine = Initiator(["/tls/1.0.0", "/noise"])
        self.assertEqual(machine.receive(HEADER + NA), NOISE)
        self.assertEqual(machine.receive(NOISE), b"")
        self.assertEqual(machine.agreed, "/noise")

    def test_exhausted(self) -> None:
        """
        When all ids are refused the error names them.
        """
        machine = Initiator(["/tls/1.0.0", "/noise"])
        machine.receive(HEADER + NA)
        error = self.assertRaises(UnsupportedProtocol, machine.receive, NA)
        self.assertEqual(error.proposed, ("/tls/1.0.0", "/noise"))
        self.assertEqual(error.spoken, ())
        self.assertIn("/tls/1.0.0, /noise", str(error))

    def test_ask(self) -> None:
        """
        An initiator that was refused everything may ask what is spoken; the
        error then names both lists.
        """
        machine = Initiator(["/tls/1.0.0"], ask=True)
        self.assertEqual(machine.receive(HEADER + NA), LS)
        self.assertIsNotNone(machine.refusal)
        answer = responder("/noise", "/secio/1.0.0").receive(HEADER + LS)[len(HEADER) :]
        error = self.assertRaises(UnsupportedProtocol, machine.receive, answer)
        self.assertEqual(error.spoken, ("/noise", "/secio/1.0.0"))
        self.assertIn("/noise, /secio/1.0.0", str(error))

    def test_askInVain(self) -> None:
        """
        A peer that does not tell, as go-libp2p, or that tells too much, leaves
        the error as it was.
        """
        for answer in (NA, b"\xff\xff\xff", b"\x05abcd\n"):
            machine = Initiator(["/tls/1.0.0"], ask=True)
            machine.receive(HEADER + NA)
            error = self.assertRaises(UnsupportedProtocol, machine.receive, answer)
            self.assertEqual(error.spoken, ())

    def test_otherAnswer(self) -> None:
        """
        Another id than the proposed one is no agreement.
        """
        machine = Initiator(["/noise"])
        error = self.assertRaises(NegotiationFailed, machine.receive, HEADER + TLS)
        self.assertIn("/tls/1.0.0", str(error))

    def test_noHeader(self) -> None:
        """
        A peer that does not begin with the header does not speak it.
        """
        self.assertRaises(ProtocolViolation, Initiator(["/noise"]).receive, NOISE)

    def test_simultaneous(self) -> None:
        """
        Two initiators on one transport do not agree by accident.
        """
        one, other = Initiator(["/noise"]), Initiator(["/tls/1.0.0"])
        self.assertRaises(NegotiationFailed, one.receive, other.start())


class ResponderTests(SynchronousTestCase):
    """
    The side that answers.
    """

    def test_silentFirst(self) -> None:
        """
        A responder says nothing before it has heard something.
        """
        self.assertEqual(responder("/noise").start(), b"")

    def test_agreement(self) -> None:
        """
        Header and echo leave together; what follows is handed on.
        """
        machine = responder("/noise")
        self.assertEqual(machine.receive(HEADER + NOISE + b"\x00\x20"), HEADER + NOISE)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"\x00\x20"))

    def test_headerAlone(self) -> None:
        """
        A header is answered at once: some initiators wait for that.
        """
        machine = responder("/noise")
        self.assertEqual(machine.receive(HEADER), HEADER)
        self.assertEqual(machine.receive(NOISE), NOISE)

    def test_severalInOneFlight(self) -> None:
        """
        Proposals that come together are answered one by one, up to the first
        that is spoken.
        """
        machine = responder("/noise")
        flight = HEADER + TLS + NOISE + TLS
        self.assertEqual(machine.receive(flight), HEADER + NA + NOISE)
        self.assertEqual(machine.trailing, TLS)

    def test_headerAfterBootstrap(self) -> None:
        """
        After a bootstrap no header is needed, and one does not hurt.
        """
        machine = responder("/noise", header=False)
        self.assertEqual(machine.receive(HEADER + NOISE), HEADER + NOISE)
        self.assertEqual(responder("/noise", header=False).receive(NOISE), NOISE)

    def test_headersForEver(self) -> None:
        """
        What a header is answered with does not grow with the number of headers.
        """
        for header in (True, False):
            machine = responder("/noise", header=header)
            self.assertRaises(NegotiationFailed, machine.receive, HEADER * 200)

    def test_tooManyProposals(self) -> None:
        """
        The hundredth refusal is the last.
        """
        machine = responder("/noise")
        machine.receive(HEADER + TLS * 100)
        self.assertRaises(NegotiationFailed, machine.receive, TLS)

    def test_lsIsAProposal(self) -> None:
        """
        Asking for the list for ever is bounded like proposing for ever.
        """
        machine = responder("/noise")
        self.assertRaises(NegotiationFailed, machine.receive, HEADER + LS * 101)

    def test_dataBehindRefusal(self) -> None:
        """
        The data of a lazy initiator whose only proposal was refused are no
        violation, only the end.
        """
        machine = responder("/noise")
        machine.receive(HEADER + TLS)
        error = self.assertRaises(UnsupportedProtocol, machine.receive, b"\xff\xff\xff")
        self.assertEqual((error.proposed, error.spoken), (("/tls/1.0.0",), ("/noise",)))

    def test_matchedName(self) -> None:
        """
        The echo repeats the proposed id, whatever accepted it.
        """
        machine = Responder(lambda name: name.startswith("/chat/"), tuple)
        self.assertEqual(
            machine.receive(HEADER + encode("/chat/7.1")), HEADER + encode("/chat/7.1")
        )
        self.assertEqual(machine.agreed, "/chat/7.1")


class AbuseTests(SynchronousTestCase):
    """
    What no peer should send.
    """

    def test_longMessage(self) -> None:
        """
        Too long a message is refused by its length alone, before any byte of
        it has come.
        """
        for prefix in ("8108", "ffff03", "80808001", "8080808080808080808001"):
            for machine in (responder("/noise"), Initiator(["/noise"])):
                self.assertRaises(
                    ProtocolViolation, machine.receive, bytes.fromhex(prefix)
                )

    def test_largestMessage(self) -> None:
        """
        A message of 1024 bytes is the largest that is taken.
        """
        name = "/" + "x" * 1022
        machine = responder(name)
        self.assertEqual(machine.receive(HEADER + encode(name))[-1:], b"\n")
        self.assertEqual(machine.agreed, name)

    def test_malformed(self) -> None:
        """
        Empty messages, missing newlines, lengths that are not minimal, and
        what is not text are refused.
        """
        for bad in (b"\x00", b"\x03abc", b"\x83\x00ab\n", b"\x03\xff\xfe\n"):
            for machine in (responder("/noise"), Initiator(["/noise"])):
                self.assertRaises(ProtocolViolation, machine.receive, bad)

    @drawn(200, st.binary(max_size=80), st.booleans())
    def test_garbage(self, data: bytes, behindHeader: bool) -> None:
        """
        Whatever comes, nothing but a documented error is raised.
        """
        for machine in (responder("/noise"), Initiator(["/noise", "/tls/1.0.0"])):
            with contextlib.suppress(Libp2pError):
                machine.receive(HEADER + data if behindHeader else data)

    def test_wordsAreNoProtocols(self) -> None:
        """
        C{ls} is never agreed, even by a responder that accepts everything.
        """
        machine = Responder(lambda name: True, lambda: ["/a"])
        machine.receive(HEADER + LS)
        self.assertIsNone(machine.agreed)


class SplitTests(SynchronousTestCase):
    """
    However the bytes are cut, the result is the same.
    """

    @drawn(60, st.lists(st.integers(0, 200), max_size=12))
    def test_responder(self, places: list[int]) -> None:
        """
        A responder that refuses twice and then agrees, with data behind.
        """
        data = HEADER + TLS + LS + NOISE + b"payload"
        whole, pieces = responder("/noise"), responder("/noise")
        expected = feed(whole, [data])
        self.assertEqual(feed(pieces, cut(data, places)), expected)
        self.assertEqual(pieces.agreed, "/noise")
        self.assertEqual(pieces.trailing, b"payload")

    @drawn(60, st.lists(st.integers(0, 200), max_size=12))
    def test_initiator(self, places: list[int]) -> None:
        """
        An initiator that is refused once and then agrees, with data behind.
        """
        data = HEADER + NA + NOISE + b"payload"
        machine = Initiator(["/tls/1.0.0", "/noise"])
        self.assertEqual(feed(machine, cut(data, places)), NOISE)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"payload"))

    @drawn(
        300,
        st.lists(
            st.sampled_from(
                [
                    HEADER,
                    NOISE,
                    TLS,
                    NA,
                    LS,
                    HEADER[:7],
                    b"\x03\xff\xfe\n",
                    b"\x00",
                    b"\x03abc",
                    b"\x01\n",
                    b"\x8a\x00/a\n",
                    encode("/" + "x" * 200),
                ]
            )
            | st.binary(max_size=9),
            max_size=3,
        ),
        st.booleans(),
    )
    def test_atOnce(self, parts: list[bytes], header: bool) -> None:
        """
        What comes in one piece is read as what comes byte by byte.
        """

        def told(machine: Initiator | Responder, pieces: list[bytes]) -> object:
            machine.start()
            try:
                answer = feed(machine, pieces)
            except Libp2pError as error:
                return type(error), str(error)
            return answer, machine.agreed, machine.trailing

        data = b"".join(parts)
        for make in (
            lambda: responder("/noise", "/" + "x" * 200, header=header),
            lambda: Initiator(["/noise"], header),
            lambda: Initiator(["/tls/1.0.0", "/noise"], header),
        ):
            self.assertEqual(told(make(), [data]), told(make(), bytewise(data)))

    def test_bytewise(self) -> None:
        """
        One byte at a time works, and nothing is answered too early.
        """
        machine = responder("/noise")
        answers = [machine.receive(byte) for byte in bytewise(HEADER + NOISE)]
        self.assertEqual(b"".join(answers), HEADER + NOISE)
        self.assertEqual(answers[len(HEADER) - 1], HEADER)
        self.assertEqual(answers[-1], NOISE)

    def test_pairs(self) -> None:
        """
        Any two sides agree on the initiator's first choice that the responder
        has, or on nothing.
        """
        names = ["/a", "/b", "/c"]
        for wanted in (["/a"], ["/a", "/b"], ["/c", "/b", "/a"], names):
            for spoken in ([], ["/b"], ["/a", "/c"], names):
                initiator, answering = Initiator(wanted), responder(*spoken)
                flight = initiator.start()
                try:
                    while initiator.agreed is None:
                        flight = initiator.receive(answering.receive(flight))
                except UnsupportedProtocol:
                    self.assertFalse(set(wanted) & set(spoken))
                else:
                    best = next(name for name in wanted if name in spoken)
                    self.assertEqual(initiator.agreed, best)
                    self.assertEqual(answering.agreed, best)

    def test_publicName(self) -> None:
        """
        The protocol's own id is what the header says.
        """
        self.assertEqual(encode(multistream.PROTOCOL_ID), HEADER)
