# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.service}, on servers in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.autotls.servers import BROKER, DIRECTORY, HOUR, MemoryWeb, Reply
from tests.vectors import vectorIdentity
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.autotls.client import REQUEST_TIME
from twisted_libp2p.autotls.events import (
    CertificateExpired,
    CertificateFailed,
    CertificateObtained,
)
from twisted_libp2p.autotls.files import ACCOUNT_FILE, CERTIFICATE_FILE
from twisted_libp2p.autotls.renewal import SETTLE_TIME
from twisted_libp2p.autotls.service import BROKER as PUBLIC_BROKER
from twisted_libp2p.errors import ConfigurationError, NoCertificate
from twisted_libp2p.interfaces import AddressSource
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.transport.proxy import Proxy

DAY = 24 * HOUR
PLAIN = "/ip4/10.1.0.2/tcp/4001"
SECURE = f"{PLAIN}/tls/ws"


class ServiceTests(SynchronousTestCase):
    """
    From the first address to the next certificates.

    @ivar events: the events of AutoTLS.
    """

    def setUp(self) -> None:
        """
        Make the servers.
        """
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.web = MemoryWeb(self.clock.seconds)
        self.folder = Path(self.mktemp())
        self.events: list[Any] = []

    def begin(
        self,
        *addresses: str,
        broker: str = BROKER,
        wall: Callable[[], float] | None = None,
    ) -> AutoTLS:
        """
        Start a node that listens on some addresses.

        @param wall: returns the seconds since 1970; by default those of the clock.
        """
        self.host = HostDouble(self.clock, vectorIdentity(1), map(Multiaddr, addresses))
        for each in (CertificateObtained, CertificateFailed, CertificateExpired):
            self.host.events.subscribe(each, self.events.append)
        service = AutoTLS(
            self.folder,
            directory=DIRECTORY,
            broker=broker,
            agent=self.web,
            wall=wall or self.clock.seconds,
            random=lambda: 0.5,
        )
        service.attach(self.host)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def wait(self, seconds: float) -> None:
        """
        Let time pass, from timer to timer.
        """
        end = self.clock.seconds() + seconds
        while calls := [
            each.getTime()
            for each in self.clock.getDelayedCalls()
            if each.getTime() <= end
        ]:
            self.clock.advance(max(0.0, min(calls) - self.clock.seconds()))
        self.clock.advance(max(0.0, end - self.clock.seconds()))

    @property
    def announced(self) -> list[str]:
        """
        The addresses that peers are given.
        """
        return [str(each) for each in self.host.ownAddresses.dialable()]

    @property
    def named(self) -> str:
        """
        The secure address in the form for peers.
        """
        name = f"10-1-0-2.{vectorIdentity(1).peerID.toCID('base36')}.libp2p.direct"
        return f"{PLAIN}/tls/sni/{name}/ws"

    def test_obtained(self) -> None:
        """
        A certificate is got by one order, stored for this user alone, and announced.
        """
        service = self.begin(PLAIN, SECURE)
        self.assertEqual(self.announced, [PLAIN])
        self.wait(20)
        self.assertEqual(self.announced, [PLAIN, self.named])
        (event,) = self.events
        self.assertIsInstance(event, CertificateObtained)
        self.assertIsNone(service.problem)
        (published,) = self.web.published
        self.assertEqual(published["addresses"], [PLAIN])
        self.assertEqual(published["peer"], str(self.host.peerID))
        for name in (ACCOUNT_FILE, CERTIFICATE_FILE):
            status = os.stat(self.folder / name)
            self.assertEqual(S_IMODE(status.st_mode), 0o600)
        self.assertEqual(self.web.asked.count("POST /newOrder"), 1)

    def test_private(self) -> None:
        """
        The public broker is not asked for a node that only a local network reaches.
        """
        self.begin(PLAIN, broker=PUBLIC_BROKER)
        self.wait(60)
        self.assertEqual(self.web.asked, [])
        public = Multiaddr("/ip4/1.2.3.4/tcp/4001")
        self.host.ownAddresses.replace(AddressSource.MAPPED, [public])
        self.wait(SETTLE_TIME + 1)
        self.assertIn("GET /dir", self.web.asked)

    def test_restarted(self) -> None:
        """
        The stored certificate is used at once, and nobody is asked before it is due.
        """
        self.begin(PLAIN, SECURE).stopService()
        self.begin(PLAIN, SECURE)
        self.wait(20)
        asked = list(self.web.asked)
        service = self.begin(PLAIN, SECURE)
        self.assertEqual(self.announced, [PLAIN, self.named])
        self.wait(59 * DAY)
        self.assertEqual(self.web.asked, asked)
        before = service.certificate.present
        self.wait(2 * DAY)
        self.wait(30)
        self.assertIsNot(service.certificate.present, before)

    def test_otherIdentity(self) -> None:
        """
        The stored certificate of another identity is not used.
        """
        self.begin(PLAIN, SECURE)
        self.wait(20)
        (self.folder / CERTIFICATE_FILE).rename(self.folder / "other")
        self.begin(PLAIN, SECURE).stopService()
        (self.folder / "other").rename(self.folder / CERTIFICATE_FILE)
        host = HostDouble(self.clock, vectorIdentity(2))
        service = AutoTLS(self.folder, agent=self.web, wall=self.clock.seconds)
        service.attach(host)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertIsNone(service.certificate.present)

    def test_renewed(self) -> None:
        """
        A certificate is replaced after two thirds of its life; its address is announced
        all the time.
        """
        service = self.begin(PLAIN, SECURE)
        self.wait(20)
        first = service.certificate.present
        self.wait(61 * DAY)
        self.wait(20)
        self.assertIsNot(service.certificate.present, first)
        self.assertEqual(self.announced, [PLAIN, self.named])
        self.assertEqual(len(self.events), 2)

    def test_expired(self) -> None:
        """
        If there is no other certificate in time, the address is withdrawn an hour
        before the end.  It comes back.
        """
        service = self.begin(PLAIN, SECURE)
        self.wait(20)
        self.web.fault = lambda path: (503, {}, b"")
        self.wait(90 * DAY - 2 * HOUR)
        self.assertIn(self.named, self.announced)
        self.wait(2 * HOUR)
        self.assertEqual(self.announced, [PLAIN])
        self.assertIsNone(service.certificate.present)
        kinds = [type(each) for each in self.events]
        self.assertEqual(kinds.count(CertificateExpired), 1)
        self.web.fault = lambda path: None
        self.wait(2 * DAY)
        self.wait(20)
        self.assertIn(self.named, self.announced)

    def test_backOff(self) -> None:
        """
        The tries after failures become rare; the pause that the authority wants is
        kept.
        """
        self.web.fault = lambda path: (429, {"retry-after": "9000"}, b"{}")
        service = self.begin(PLAIN, SECURE)
        self.wait(10)
        self.wait(10 * DAY)
        failures = [each for each in self.events if isinstance(each, CertificateFailed)]
        self.assertEqual(failures[0].retry, 9000)
        self.assertEqual(failures[-1].retry, DAY)
        self.assertLess(len(failures), 20)
        self.assertIsInstance(service.problem, NoCertificate)

    def refused(self, path: str, *reply: Any) -> str:
        """
        Answer one path with a fault, and return the reason of the failure.
        """
        wanted: Reply = (*reply,)
        self.web.fault = lambda asked: wanted if asked == path else None
        service = self.begin(PLAIN, SECURE)
        self.wait(60)
        service.stopService()
        self.assertEqual(self.announced, [PLAIN])
        self.assertIsInstance(self.events[-1], CertificateFailed)
        assert service.problem is not None
        return str(service.problem)

    def test_nonsense(self) -> None:
        """
        Answers that are malformed, too large or redirects end the try.
        """
        for reply, said in (
            ((200, {}, b"nonsense"), "object in JSON"),
            ((200, {}, b"[" * 60000), "object in JSON"),
            ((200, {}, b"x" * 100_000), "over 65536 bytes"),
            ((302, {"location": "https://10.0.0.1/"}, b""), "status 302"),
            ((200, {}, b'{"newNonce": "https://10.0.0.1/"}'), "not one of its own"),
        ):
            self.assertIn(said, self.refused("/dir", *reply))

    def test_brokerRefuses(self) -> None:
        """
        The reason of the broker is reported.
        """
        self.assertIn("denied", self.refused("/denied", 403, {}, b"denied"))

    def test_otherCertificate(self) -> None:
        """
        A certificate of another key is refused, and the stored one stays.
        """
        now = self.clock.seconds()
        other = self.web.issuer.chain(
            self.web.issuer.key.public_key(), ["*.example.com"], now, now + DAY
        )
        self.assertIn("another key", self.refused("/certificate", 200, {}, other))
        self.assertFalse((self.folder / CERTIFICATE_FILE).exists())

    def test_shortLived(self) -> None:
        """
        An authority whose certificates are about to expire is not asked all the time.
        """
        self.web.life = 60
        self.begin(PLAIN, SECURE)
        self.wait(20)
        self.wait(HOUR / 2)
        self.assertEqual(self.web.asked.count("POST /newOrder"), 1)
        self.wait(HOUR)
        self.assertEqual(self.web.asked.count("POST /newOrder"), 2)

    def test_suspended(self) -> None:
        """
        After a host was suspended, in which time timers stand still, an address whose
        certificate expires is withdrawn within an hour.
        """
        slept = 0.0
        service = self.begin(PLAIN, SECURE, wall=lambda: self.clock.seconds() + slept)
        self.wait(20)
        self.assertIn(self.named, self.announced)
        self.web.fault = lambda path: (503, {}, b"")
        slept = 90 * DAY
        self.wait(HOUR)
        self.assertEqual(self.announced, [PLAIN])
        self.assertIsNone(service.certificate.present)

    def test_silent(self) -> None:
        """
        A server that does not answer is given up.
        """
        self.web.silent = True
        service = self.begin(PLAIN, SECURE)
        self.wait(SETTLE_TIME + REQUEST_TIME + 2)
        self.assertIn("no answer of https://ca.example/dir", str(service.problem))

    def test_stopped(self) -> None:
        """
        A stop ends a try, and nothing is left.
        """
        self.web.silent = True
        service = self.begin(PLAIN, SECURE)
        self.wait(SETTLE_TIME + 1)
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.events, [])

    def test_unreachable(self) -> None:
        """
        Without an address nobody is asked.
        """
        self.begin()
        self.wait(60)
        self.assertEqual(self.web.asked, [])

    def test_unwritable(self) -> None:
        """
        A certificate that cannot be stored is used all the same.
        """
        self.folder.mkdir()
        service = self.begin(PLAIN, SECURE)
        (self.folder / CERTIFICATE_FILE).mkdir()
        self.wait(20)
        self.assertIsNotNone(service.certificate.present)

    def test_malformedAccount(self) -> None:
        """
        A malformed key of the account is not replaced.
        """
        self.folder.mkdir()
        (self.folder / ACCOUNT_FILE).write_text("nonsense")
        service = self.begin(PLAIN, SECURE)
        self.wait(20)
        self.assertIn("no key of P-256", str(service.problem))
        self.assertEqual((self.folder / ACCOUNT_FILE).read_text(), "nonsense")

    def test_configuration(self) -> None:
        """
        Malformed URLs and domains are refused, and a proxy, which would be gone around.
        """
        for options in ({"broker": "http://b.example"}, {"directory": "dir"}):
            self.assertRaises(ConfigurationError, AutoTLS, self.folder, **options)
        self.assertRaises(
            ConfigurationError,
            AutoTLS(self.folder, domain="localhost").attach,
            HostDouble(self.clock),
        )
        host = HostDouble(self.clock)
        host.proxy = Proxy.of("socks5://127.0.0.1:1", "--dial-through")
        self.assertRaises(ConfigurationError, AutoTLS(self.folder).attach, host)
