# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions of TLS that are resumed by a ticket, which is an option of both backends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.testing.quic.network import QuicSessionPair, UpgradeDouble
from twisted_libp2p.testing.quic.pair import MOMENT, QuicPair

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as TestCase
else:
    TestCase = object

__all__ = ["Tickets"]

#: Seconds after which no certificate is valid.
_AGES = 500 * 366 * 86400.0


class Tickets(TestCase):
    """
    Resumed sessions have identities too.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend under test.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Make a backend, and count the judged certificates.
        """
        self.backend = self.makeBackend()
        self.judge = CertificateJudge(lambda: MOMENT)
        self.judged = 0

    def count(self, data: bytes, expected: bytes | None) -> bytes:
        """
        Judge a certificate, and count it.
        """
        self.judged += 1
        return self.judge(data, expected)

    def resumed(self, pair: QuicPair) -> bool:
        """
        Check whether the handshake has resumed a session.
        """
        raise NotImplementedError

    def dialed(self, pair: QuicPair, expected: bytes | None) -> bool:
        """
        Dial, check that both ends know each other, and close.

        @return: whether a session was resumed.
        """
        self.judged = 0
        pair.dialer.events.clear()
        pair.listener.events.clear()
        pair.dial(expected)
        pair.advance(1)
        self.assertEqual(pair.dialer.named(QuicEvent.CONFIRMED), [()])
        for end, other in ((pair.dialer, pair.listener), (pair.listener, pair.dialer)):
            self.assertEqual(
                end.endpoint.certificate(end.connection), other.settings.certificate
            )
        found = self.resumed(pair)
        pair.dialer.endpoint.close(pair.dialer.connection, pair.now, 0, b"")
        pair.advance(10)
        return found

    def test_resumed(self) -> None:
        """
        The second dial of a peer shows no certificates, and each end still has that of
        the other; a dial of nobody in particular is not resumed.
        """
        settings = {"tickets": 2, "judge": self.count}
        pair = QuicPair(self.backend, None, settings, settings)
        peer = pair.listener.identity.peerID.toBytes()
        self.assertFalse(self.dialed(pair, peer))
        self.assertTrue(self.dialed(pair, peer))
        self.assertTrue(self.dialed(pair, peer))
        self.assertFalse(self.dialed(pair, None))

    def test_off(self) -> None:
        """
        By default nothing is resumed.
        """
        settings = {"judge": self.count}
        pair = QuicPair(self.backend, None, settings, settings)
        peer = pair.listener.identity.peerID.toBytes()
        self.assertFalse(self.dialed(pair, peer))
        self.assertFalse(self.dialed(pair, peer))

    def test_judgedAgain(self) -> None:
        """
        A peer whose certificate has expired since is refused by both ends, although no
        certificate is shown in a resumed handshake.
        """
        pair = QuicSessionPair(Clock(), self.backend, start=False, tickets=2)
        # It listens too: a socket that only dials is closed with its last connection.
        pair.near.accept = lambda address: None
        for now, refused in ((MOMENT, False), (MOMENT + _AGES, True)):
            for hub in (pair.near, pair.far):
                self.patch(hub.judge, "_now", lambda now=now: now)
            near, far = pair.upgrades = (
                UpgradeDouble(pair.upgrades[0].handshake),
                UpgradeDouble(pair.upgrades[1].handshake),
            )
            pair.near.dial("192.0.2.2", 4002, near)
            pair.advance(1)
            for upgrade in (near, far):
                self.assertEqual(upgrade.secured is None, refused)
                self.assertEqual(len(upgrade.failures), refused)
                for failure in upgrade.failures:
                    failure.trap(HandshakeFailed)
            texts = [str(each.value) for each in near.failures + far.failures]
            found = any("the peer's certificate" in text for text in texts)
            self.assertEqual(found, refused, texts)
            if not refused:
                near.session.start(pair.client)
                far.session.start(pair.server)
                near.session.close()
                pair.advance(10)
