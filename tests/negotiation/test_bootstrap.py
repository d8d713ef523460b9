# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the bootstrap dialect, and of both dialects behind one listener.
"""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.negotiation.test_multistream import HEADER, NA, NOISE, TLS, bytewise, cut
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import (
    LegacyPeer,
    Libp2pError,
    NegotiationFailed,
    ProtocolViolation,
    UnsupportedProtocol,
)
from twisted_libp2p.negotiation.bootstrap import Dialer, Initiator, Listener, Receiver
from twisted_libp2p.negotiation.multistream import encode

BOOTSTRAP = hexBytes(vector("bootstrap.multistream"), "wire")
DIRECT = hexBytes(vector("bootstrap.noise"), "wire")


def listener(*protocols: str) -> Listener:
    """
    Make a listener that speaks some protocols.
    """
    return Listener(protocols.__contains__, lambda: protocols)


class InitiatorTests(SynchronousTestCase):
    """
    SD-10: the initiator sends an id and waits for its echo.
    """

    def test_sends(self) -> None:
        """
        It sends the id and a NUL.
        """
        self.assertEqual(Initiator("/multistream/1.0.0").start(), BOOTSTRAP)
        self.assertEqual(Initiator("/noise").start(), DIRECT)

    def test_echo(self) -> None:
        """
        The echo is the agreement; what follows is the protocol's.
        """
        machine = Initiator("/noise")
        self.assertEqual(machine.receive(DIRECT + b"data"), b"")
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"data"))

    def test_wrongByte(self) -> None:
        """
        Any byte of the echo that differs ends it, as soon as it is there.
        """
        for place in range(len(DIRECT)):
            wrong = bytearray(DIRECT)
            wrong[place] ^= 1
            machine = Initiator("/noise")
            with self.assertRaises(ProtocolViolation):
                for byte in bytewise(bytes(wrong[: place + 1])):
                    machine.receive(byte)

    def test_legacy(self) -> None:
        """
        SD-12: an old receiver says its own header regardless.
        """
        self.assertRaises(LegacyPeer, Initiator("/noise").receive, HEADER)
        self.assertRaises(LegacyPeer, Initiator("/noise").receive, b"\x13")

    def test_bytewise(self) -> None:
        """
        The echo may come in single bytes.
        """
        machine = Initiator("/noise")
        for byte in bytewise(DIRECT):
            self.assertIsNone(machine.agreed)
            machine.receive(byte)
        self.assertEqual(machine.agreed, "/noise")


class ReceiverTests(SynchronousTestCase):
    """
    SD-11: the receiver looks the id up, and echoes it or closes.
    """

    def test_echo(self) -> None:
        """
        A spoken id is echoed; pipelined data is handed on.
        """
        machine = Receiver(["/noise"].__contains__)
        self.assertEqual(machine.start(), b"")
        self.assertEqual(machine.receive(DIRECT + b"data"), DIRECT)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"data"))

    def test_unknown(self) -> None:
        """
        There is no reply to an id that is not spoken.
        """
        machine = Receiver(["/noise"].__contains__)
        error = self.assertRaises(NegotiationFailed, machine.receive, b"/x\0")
        self.assertIn("/x", str(error))

    def test_malformed(self) -> None:
        """
        No id: empty, without a slash, with a newline, not text, or too long,
        with and without its NUL.
        """
        for bad in (b"\0", b"noise\0", b"/a\nb\0", b"/\xff\0", b"/" + b"x" * 1024):
            machine = Receiver(lambda name: True)
            self.assertRaises(ProtocolViolation, machine.receive, bad)

    def test_longest(self) -> None:
        """
        An id of 1024 bytes is the longest that is taken.
        """
        name = b"/" + b"x" * 1023
        machine = Receiver(lambda name: True)
        self.assertEqual(machine.receive(name), b"")
        self.assertEqual(machine.receive(b"\0"), name + b"\0")


class ListenerTests(SynchronousTestCase):
    """
    One listener for both dialects: the first byte tells.
    """

    def test_multistream(self) -> None:
        """
        A standard initiator is served as by multistream-select.
        """
        machine = listener("/noise")
        self.assertEqual(machine.start(), b"")
        self.assertEqual(machine.receive(HEADER + TLS), HEADER + NA)
        self.assertEqual(machine.receive(NOISE + b"x"), NOISE)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"x"))

    def test_bootstrap(self) -> None:
        """
        The whole session of the vector: bootstrap, then proposals without a
        second header.
        """
        machine = listener("/noise")
        answer = b""
        for step in vector("bootstrap.session_noise")["steps"]:
            data = hexBytes(step, "data")
            if step["from"] == "I":
                answer = machine.receive(data)
            else:
                self.assertEqual(answer, data)
        self.assertEqual(machine.agreed, "/noise")

    def test_direct(self) -> None:
        """
        A bootstrap may agree on a security protocol itself.
        """
        machine = listener("/noise")
        self.assertEqual(machine.receive(DIRECT + b"hs"), DIRECT)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"hs"))

    def test_pipelined(self) -> None:
        """
        Bootstrap, proposals and data may come in one piece.
        """
        machine = listener("/noise")
        answer = machine.receive(BOOTSTRAP + TLS + NOISE + b"hs")
        self.assertEqual(answer, BOOTSTRAP + NA + NOISE)
        self.assertEqual((machine.agreed, machine.trailing), ("/noise", b"hs"))

    def test_neither(self) -> None:
        """
        A first byte of neither dialect is enough to refuse.
        """
        for first in set(range(256)) - {0x13, 0x2F}:
            self.assertRaises(
                ProtocolViolation, listener("/noise").receive, bytes([first])
            )

    @drawn(60, st.lists(st.integers(0, 200), max_size=12), st.booleans())
    def test_split(self, places: list[int], draft: bool) -> None:
        """
        However the bytes are cut, both dialects end in the same agreement.
        """
        data = (BOOTSTRAP if draft else HEADER) + TLS + NOISE + b"payload"
        machine = listener("/noise")
        answer, trailing = b"", b""
        for piece in cut(data, places):
            if machine.agreed is None:
                answer += machine.receive(piece)
                trailing = machine.trailing
            else:
                trailing += piece
        self.assertEqual(answer, (BOOTSTRAP if draft else HEADER) + NA + NOISE)
        self.assertEqual((machine.agreed, trailing), ("/noise", b"payload"))

    @drawn(200, st.binary(max_size=60), st.sampled_from([b"", b"/", HEADER, BOOTSTRAP]))
    def test_garbage(self, data: bytes, before: bytes) -> None:
        """
        Whatever comes, nothing but a documented error is raised.
        """
        with contextlib.suppress(Libp2pError):
            listener("/noise").receive(before + data)


class DialerTests(SynchronousTestCase):
    """
    The draft's dialect, as a dialer speaks it.
    """

    def test_severalProposals(self) -> None:
        """
        SD-21: the draft's example flow: bootstrap, one protocol refused, the
        next agreed.
        """
        dialer, answering = (
            Dialer(["/tls/1.0.0", "/secio/1.0.0"]),
            listener("/secio/1.0.0"),
        )
        first = dialer.start()
        self.assertEqual(first, BOOTSTRAP)
        proposal = dialer.receive(answering.receive(first))
        self.assertEqual(proposal, TLS)
        proposal = dialer.receive(answering.receive(proposal))
        self.assertEqual(proposal, encode("/secio/1.0.0"))
        self.assertEqual(dialer.receive(answering.receive(proposal)), b"")
        self.assertEqual(dialer.agreed, "/secio/1.0.0")
        self.assertEqual(answering.agreed, "/secio/1.0.0")

    def test_direct(self) -> None:
        """
        With one protocol to propose, the bootstrap is for that one.
        """
        dialer = Dialer(["/noise"])
        self.assertEqual(dialer.start(), DIRECT)
        dialer.receive(DIRECT + b"x")
        self.assertEqual((dialer.agreed, dialer.trailing), ("/noise", b"x"))

    def test_refused(self) -> None:
        """
        A peer that knows the dialect and none of the protocols is no legacy
        peer.
        """
        dialer, answering = Dialer(["/a", "/b"]), listener("/noise")
        flight = dialer.start()
        for _ in range(3):
            flight = dialer.receive(answering.receive(flight))
        error = self.assertRaises(
            UnsupportedProtocol, dialer.receive, answering.receive(flight)
        )
        self.assertEqual((error.proposed, error.spoken), (("/a", "/b"), ("/noise",)))
        self.assertTrue(dialer.answered)

    def test_legacy(self) -> None:
        """
        SD-12: the header of an old receiver is recognised.
        """
        self.assertRaises(LegacyPeer, Dialer(["/a", "/b"]).receive, HEADER)

    def test_silence(self) -> None:
        """
        As long as nothing came, nobody has answered.
        """
        self.assertFalse(Dialer(["/a"]).answered)
