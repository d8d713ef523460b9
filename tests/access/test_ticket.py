# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.access.ticket} and L{twisted_libp2p.access.invites}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.access.invites import LIFETIME, MAX_INVITES, Invites
from twisted_libp2p.access.ticket import MAX_TICKET, SECRET_SIZE, Ticket
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import Identity

ONE, TWO = (Identity.generate().peerID for _ in range(2))
SECRET = bytes(range(SECRET_SIZE))
TICKET = Ticket(ONE, SECRET, (Multiaddr("/ip4/192.0.2.1/tcp/4001"),))


class TicketTests(SynchronousTestCase):
    """
    The text of a ticket.
    """

    def test_text(self) -> None:
        """
        It is read back, with the white space of a mail around it.
        """
        self.assertEqual(Ticket.parse(f" {TICKET.toText()}\n"), TICKET)
        self.assertEqual(Ticket.parse(Ticket(ONE, SECRET).toText()).addresses, ())

    def test_secret(self) -> None:
        """
        A log does not show its secret.
        """
        self.assertEqual(repr(TICKET), f"<Ticket of {ONE}>")

    def test_damaged(self) -> None:
        """
        Each character counts.
        """
        text = TICKET.toText()
        for position in range(len(text)):
            other = "A" if text[position] != "A" else "B"
            changed = text[:position] + other + text[position + 1 :]
            self.assertRaises(InvalidInput, Ticket.parse, text[:position])
            try:
                self.assertEqual(Ticket.parse(changed), TICKET)
            except InvalidInput:
                continue
            # The last character has bits that do not count.
            self.assertEqual(position, len(text) - 1)

    @drawn(100, st.text(max_size=200))
    def test_garbage(self, text: str) -> None:
        """
        Any other text is refused.
        """
        for each in (text, "libp2p1-" + text):
            self.assertRaises(InvalidInput, Ticket.parse, each)

    def test_bounded(self) -> None:
        """
        A long text is refused, and many addresses are cut off.
        """
        self.assertRaises(InvalidInput, Ticket.parse, "libp2p1-" + "A" * MAX_TICKET)
        many = Ticket(ONE, SECRET, TICKET.addresses * 99)
        self.assertEqual(len(Ticket.parse(many.toText()).addresses), 16)

    def test_room(self) -> None:
        """
        Addresses for which there is no room are left out; the others are kept.
        """
        (short,) = TICKET.addresses
        name = ".".join(["a" * 60] * 4)
        long = [Multiaddr(f"/dns4/{name}/tcp/{port}") for port in range(1, 15)]
        longest = Multiaddr(3 * f"/dns4/{name}")
        ticket = Ticket(ONE, SECRET, (longest, *long, short))
        kept = Ticket.parse(ticket.toText()).addresses
        self.assertEqual(kept, (*long[: len(kept) - 1], short))
        self.assertGreater(len(kept), 10)


class InviteTests(SynchronousTestCase):
    """
    The invitations of a node.
    """

    def test_once(self) -> None:
        """
        An invitation works for one peer, which may repeat a lost request.
        """
        invites = Invites()
        invites.make(SECRET, 0.0)
        self.assertEqual(len(invites), 1)
        self.assertIsNone(invites.use(SECRET, ONE, 1.0))
        self.assertEqual(len(invites), 0)
        self.assertIsNone(invites.use(SECRET, ONE, 2.0))
        self.assertIn(f"used already, by {ONE}", str(invites.use(SECRET, TWO, 3.0)))

    def test_unknown(self) -> None:
        """
        A wrong secret, and one that is too old, are refused.
        """
        invites = Invites()
        invites.make(SECRET, 0.0)
        for secret, now in ((SECRET[::-1], 0.0), (b"", 0.0), (SECRET, LIFETIME)):
            self.assertIn("unknown", str(invites.use(secret, ONE, now)))

    def test_bounded(self) -> None:
        """
        There are few at once.
        """
        invites = Invites()
        for number in range(MAX_INVITES):
            invites.make(bytes([number]) * SECRET_SIZE, 0.0)
        self.assertRaises(ConfigurationError, invites.make, SECRET, 1.0)
        invites.make(SECRET, LIFETIME)
