# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.steps}, and of the tables that use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.plaintext import PlaintextHandshake
from twisted_libp2p.security.secio.handshake import SecioHandshake
from twisted_libp2p.security.steps import Effects, SteppedHandshake
from twisted_libp2p.security.tls.handshake import TLSHandshake


class Knock(Enum):
    """
    The states of a handshake for tests.
    """

    NEW = "new"
    AWAITS_KNOCK = "knock"
    OPEN = "open"
    FAILED = "failed"


class Door(SteppedHandshake):
    """
    A handshake of one byte, which has to be C{k}.
    """

    protocolID = "/door"
    state = Knock.NEW
    table: ClassVar[Mapping[tuple[Any, str], tuple[Any, str | None]]] = {
        (Knock.NEW, "start"): (Knock.AWAITS_KNOCK, None),
        (Knock.AWAITS_KNOCK, "knock"): (Knock.OPEN, "answer"),
        (Knock.AWAITS_KNOCK, "failure"): (Knock.FAILED, None),
    }

    def start(self) -> bytes:
        """
        Wait for the byte.
        """
        return self.happened("start")

    def _receive(self, data: bytes) -> bytes:
        return self.happened("knock", data[:1])

    def _answer(self, message: bytes) -> bytes:
        if message == b"h":
            raise HandshakeFailed("/door", "hit")
        if message != b"k":
            raise InvalidInput("it is no k")
        return b"come in"

    effects: ClassVar[Effects] = {"answer": _answer}


class SteppedHandshakeTests(SynchronousTestCase):
    """
    Tests for L{SteppedHandshake}.
    """

    def setUp(self) -> None:
        """
        Make a handshake.
        """
        self.door = Door()

    def test_order(self) -> None:
        """
        An event leads to the next state, and its effect returns the answer.
        """
        self.assertEqual(self.door.start(), b"")
        self.assertEqual(self.door.receive(b"k"), b"come in")
        self.assertIs(self.door.state, Knock.OPEN)

    def test_early(self) -> None:
        """
        A machine that has not started takes no bytes.
        """
        self.assertEqual(self.door.receive(b"k"), b"")
        self.assertIs(self.door.state, Knock.NEW)

    def test_failure(self) -> None:
        """
        The error names the message that was wrong; the machine takes no bytes
        afterwards.
        """
        for wrong, text in ((b"x", "the peer's knock: it is no k"), (b"h", "hit")):
            door = Door()
            door.start()
            error = self.assertRaises(HandshakeFailed, door.receive, wrong)
            self.assertEqual(str(error), f"/door: {text}")
            self.assertIs(door.state, Knock.FAILED)
            self.assertEqual(door.receive(b"k"), b"")


class TableTests(SynchronousTestCase):
    """
    The tables of all handshakes.
    """

    def test_tables(self) -> None:
        """
        Each effect has a method; each state that awaits something has the event of its
        name, and may fail; from each state one gets to the end.
        """
        for handshake in (
            NoiseHandshake,
            PlaintextHandshake,
            SecioHandshake,
            TLSHandshake,
        ):
            table: dict[tuple[Any, str], Any] = dict(handshake.table)
            effects = {effect for _, effect in table.values()} - {None}
            self.assertEqual(effects, set(handshake.effects))
            kind = type(handshake.state)
            for state in set(kind) - {kind.NEW, kind.SECURED, kind.FAILED}:
                self.assertIn((state, state.value), table)
                self.assertEqual(table[state, "failure"], (kind.FAILED, None))
            reached = {after for after, _ in table.values()}
            self.assertEqual(reached, set(kind) - {kind.NEW})
