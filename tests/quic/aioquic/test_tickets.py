# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resumed sessions of TLS over the backend over aioquic.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aioquic.tls import CipherSuite, SessionTicket
from twisted.trial.unittest import SynchronousTestCase

from tests.quic.tickets import Tickets
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent
from twisted_libp2p.quic.aioquic import tickets as store
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.aioquic.endpoint import AioquicEndpoint
from twisted_libp2p.testing.quic.pair import MOMENT, QuicPair


class AioquicTests(Tickets, SynchronousTestCase):
    """
    aioquic, and our judge.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make a backend.
        """
        return AioquicBackend(lambda: MOMENT)

    def resumed(self, pair: QuicPair) -> bool:
        """
        Check what aioquic says, and that both ends have judged all the same.
        """
        self.assertEqual(self.judged, 2)
        endpoint = pair.dialer.endpoint
        assert isinstance(endpoint, AioquicEndpoint)
        return endpoint._connections[pair.dialer.connection].quic.tls.session_resumed

    def test_early(self) -> None:
        """
        A dialer that sends data before the end of a resumed handshake is refused.
        """
        settings = {"tickets": 1, "judge": self.count}
        pair = QuicPair(self.backend, None, settings, settings)
        peer = pair.listener.identity.peerID.toBytes()
        self.dialed(pair, peer)
        endpoint = pair.dialer.endpoint
        assert isinstance(endpoint, AioquicEndpoint)
        assert endpoint._tickets is not None
        known = endpoint._tickets.recall(peer)
        assert known is not None
        ticket = replace(known.ticket, max_early_data_size=0xFFFFFFFF)
        endpoint._tickets.keep(peer, known._replace(ticket=ticket))
        pair.listener.events.clear()
        pair.dial(peer)
        pair.advance(1)
        self.assertEqual(pair.listener.named(QuicEvent.CONNECTED), [])
        self.assertEqual(len(pair.listener.named(QuicEvent.LOST)), 1)


class StoreTests(SynchronousTestCase):
    """
    The sessions that may be resumed.
    """

    def setUp(self) -> None:
        """
        Make one without anything.
        """
        self.tickets = store.Tickets()

    def known(self, number: int, minutes: int = 1) -> store.Known:
        """
        Make a session.

        @param minutes: how long its ticket is valid.
        """
        now = datetime.now(UTC)
        made = SessionTicket(
            age_add=0,
            cipher_suite=CipherSuite.AES_128_GCM_SHA256,
            not_valid_after=now + timedelta(minutes=minutes),
            not_valid_before=now - timedelta(minutes=60),
            resumption_secret=b"",
            server_name="",
            ticket=b"%d" % number,
        )
        return store.Known(made, b"leaf")

    def test_once(self) -> None:
        """
        Each is used once.
        """
        known = self.known(1)
        self.tickets.keep(b"peer", known)
        self.assertIs(self.tickets.recall(b"peer"), known)
        self.assertIsNone(self.tickets.recall(b"peer"))
        self.tickets.issue(known)
        self.assertIs(self.tickets.redeem(b"1"), known)
        self.assertIsNone(self.tickets.redeem(b"1"))
        self.assertIsNone(self.tickets.recall(None))

    def test_old(self) -> None:
        """
        A ticket is not used after its time.
        """
        self.tickets.keep(b"peer", self.known(1, minutes=-1))
        self.assertIsNone(self.tickets.recall(b"peer"))

    def test_bounded(self) -> None:
        """
        The oldest ones are forgotten.
        """
        for number in range(store.MAX_KEPT + 1):
            self.tickets.keep(b"%d" % number, self.known(number))
        for number in range(store.MAX_ISSUED + 1):
            self.tickets.issue(self.known(number))
        self.assertIsNone(self.tickets.recall(b"0"))
        self.assertIsNotNone(self.tickets.recall(b"1"))
        self.assertIsNone(self.tickets.redeem(b"0"))
        self.assertIsNotNone(self.tickets.redeem(b"1"))
