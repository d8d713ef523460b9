# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.access.pairing}.
"""

from __future__ import annotations

import os
from errno import ENOSPC
from pathlib import Path

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.access.admission import LOG_INTERVAL, LOGGED
from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.pairing import PROTOCOL_ID, PairingService
from twisted_libp2p.access.ticket import Ticket
from twisted_libp2p.errors import (
    ConfigurationError,
    PairingRefused,
    UnsupportedProtocol,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes


def _raise(error: Exception) -> None:
    raise error


class PairingTests(SynchronousTestCase):
    """
    A node at home, a laptop, and a thief.
    """

    def setUp(self) -> None:
        """
        Start them.
        """
        self.nodes = MemoryNodes()
        self.paths: dict[str, str] = {}
        self.addCleanup(self.nodes.stop)
        self.home, self.homeNode = self.start("home")
        self.laptop, self.laptopNode = self.start("Laptop")
        self.thief, self.thiefNode = self.start("thief")

    def start(self, title: str) -> tuple[PairingService, Node]:
        """
        Start a node.
        """
        self.paths[title] = os.path.join(self.mktemp(), "peers")
        service = PairingService(PeerBook(self.paths[title]), title)
        return service, self.nodes.start(services=[service])

    def test_paired(self) -> None:
        """
        Both are on each other's lists, with the names that they have suggested.
        """
        ticket = Ticket.parse(self.home.invite().toText())
        entry = self.nodes.result(self.laptop.accept(ticket, "Laptop"))
        self.assertEqual((entry.peer, entry.name), (self.homeNode.peerID, "home"))
        self.assertEqual(entry.addresses, ticket.addresses)
        self.assertIn(self.laptopNode.peerID, self.home.book)
        (known,) = self.home.book
        self.assertEqual(known.name, "laptop")

    def test_stolen(self) -> None:
        """
        A stolen ticket works once; the second peer learns who was first.
        """
        ticket = self.home.invite()
        self.nodes.result(self.thief.accept(ticket, "x"))
        error = self.assertRaises(
            PairingRefused, self.nodes.result, self.laptop.accept(ticket, "y")
        )
        self.assertIn(str(self.thiefNode.peerID), str(error))
        self.assertNotIn(self.laptopNode.peerID, self.home.book)
        self.assertNotIn(self.homeNode.peerID, self.laptop.book)

    def test_elsewhere(self) -> None:
        """
        If another process makes the tickets, that decides, from the beginning on.
        """
        asked: list[object] = []

        async def admit(peer: PeerID, secret: bytes, name: str) -> str | None:
            asked.append((peer, secret, name))
            return None if name == "Laptop" else "no"

        path = os.path.join(self.mktemp(), "peers")
        service = PairingService(PeerBook(path), "office", admit=admit)
        office = self.nodes.start(services=[service])
        secret = bytes(range(16))
        ticket = Ticket(
            office.peerID,
            secret,
            tuple(each.withoutPeer() for each in office.addresses),
        )
        entry = self.nodes.result(self.laptop.accept(ticket, "Laptop"))
        self.assertEqual((entry.peer, entry.name), (office.peerID, "office"))
        self.assertEqual(asked, [(self.laptopNode.peerID, secret, "Laptop")])
        with self.assertRaises(PairingRefused):
            self.nodes.result(self.thief.accept(ticket, "x"))

    def test_guesses(self) -> None:
        """
        Of many wrong tickets a few are logged, and the number of the others.
        """
        addresses = self.home.invite().addresses
        wrong = Ticket(self.homeNode.peerID, bytes(16), addresses)

        def guess() -> list[str]:
            with capturedLogs() as events:
                self.assertRaises(
                    PairingRefused, self.nodes.result, self.thief.accept(wrong, "x")
                )
            return [
                event["others"] for event in events if event.get("refusal") is not None
            ]

        logged = [each for _ in range(LOGGED + 7) for each in guess()]
        self.assertEqual(logged, [""] * LOGGED)
        self.nodes.advance(LOG_INTERVAL)
        self.assertEqual(guess(), ["; 7 others were not either"])

    def test_removed(self) -> None:
        """
        A paired peer may repeat its request; a peer that the user has removed may not,
        and so does not come back on the list.
        """
        ticket = self.home.invite()
        for _ in range(2):
            self.nodes.result(self.laptop.accept(ticket, "laptop"))
        Path(self.paths["home"]).write_text("")
        self.home.book.reload()
        self.assertRaises(
            PairingRefused, self.nodes.result, self.laptop.accept(ticket, "laptop")
        )
        self.assertEqual(list(self.home.book), [])

    def test_diskFull(self) -> None:
        """
        A node that cannot write its list refuses, with one line in its log, and works
        again with the next ticket.
        """
        error = OSError(ENOSPC, os.strerror(ENOSPC))
        patched = self.patch(self.home.book, "_write", lambda lines: _raise(error))
        refused = self.laptop.accept(self.home.invite(), "laptop")
        with capturedLogs() as logs:
            self.assertRaises(PairingRefused, self.nodes.result, refused)
        (event,) = (each for each in logs if each["log_level"] is LogLevel.error)
        self.assertIn("No space left", formatEvent(event))
        self.assertNotIn(self.laptopNode.peerID, self.home.book)
        patched.restore()
        self.nodes.result(self.laptop.accept(self.home.invite(), "laptop"))
        self.assertIn(self.laptopNode.peerID, self.home.book)

    def test_closed(self) -> None:
        """
        Nobody can pair with a node that has made no ticket.
        """
        self.assertNotIn(PROTOCOL_ID, self.homeNode.registry.protocols())
        ticket = Ticket(
            self.homeNode.peerID,
            bytes(16),
            tuple(each.withoutPeer() for each in self.homeNode.addresses),
        )
        self.assertRaises(
            UnsupportedProtocol, self.nodes.result, self.thief.accept(ticket, "x")
        )
        self.home.invite()
        self.assertRaises(
            PairingRefused, self.nodes.result, self.thief.accept(ticket, "x")
        )
        self.assertEqual(list(self.home.book), [])

    def test_nowhere(self) -> None:
        """
        A node that listens nowhere makes no ticket.
        """
        service = PairingService(PeerBook(os.path.join(self.mktemp(), "peers")))
        self.nodes.start(listen=[], services=[service])
        self.assertRaises(ConfigurationError, service.invite)
