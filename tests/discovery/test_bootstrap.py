# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.bootstrap}.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from tests.discovery.case import HostTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.errors import NoAddresses
from twisted_libp2p.interfaces import IHostService

NAME = "/dnsaddr/example.com"


class BootstrapTests(HostTestCase):
    """
    The first peers of a node.
    """

    def bootstrap(self, *addresses: str) -> Bootstrap:
        """
        Start with some peers.
        """
        return self.start(Bootstrap(addresses, random=lambda: 0.0))  # type: ignore[no-any-return]

    def address(self, number: int, port: int = 1) -> str:
        """
        Return the address of a peer.
        """
        peer = self.identities[number].peerID
        return f"/ip4/192.0.2.{number}/tcp/{port}/p2p/{peer}"

    def test_contract(self) -> None:
        """
        It is a service.
        """
        verifyObject(IHostService, Bootstrap([]))

    def test_known(self) -> None:
        """
        A peer is known at all its addresses, protected, and dialed once, without
        routings.
        """
        self.bootstrap(self.address(0), self.address(0, 2))
        peer = self.identities[0].peerID
        self.assertEqual(len(self.host.peerstore.addresses(peer)), 2)
        self.assertEqual(self.host.connections.protected[peer], {"bootstrap"})
        ((target, options, _),) = self.host.dials
        self.assertEqual(target, peer)
        self.assertFalse(options.routed)

    def test_four(self) -> None:
        """
        Of many peers four are connected; a failed and a lost one are replaced.
        """
        bootstrap = self.bootstrap(*map(self.address, range(6)))
        self.assertEqual(len(self.host.dials), 4)
        for number in range(3):
            connection = self.host.succeed(self.identities[number])
        self.clock.advance(0)
        self.assertEqual(self.host.targets, [self.identities[3].peerID])
        self.host.fail(NoAddresses("gone"))
        self.clock.advance(0)
        self.assertEqual(self.host.targets, [self.identities[4].peerID])
        self.host.succeed(self.identities[4])
        self.clock.advance(100)
        self.assertEqual(self.host.targets, [])
        self.assertEqual(sum(each.connected for each in bootstrap.states()), 4)
        self.host.lose(connection)
        self.assertEqual(self.host.targets, [self.identities[5].peerID])

    def test_backoff(self) -> None:
        """
        A peer that cannot be reached is tried again after waits that grow.
        """
        self.bootstrap(self.address(0))
        for wait in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0):
            self.host.fail(NoAddresses("nothing there"))
            self.clock.advance(wait - 0.1)
            self.assertEqual(self.host.targets, [])
            self.clock.advance(0.2)
            self.assertEqual(len(self.host.dials), 1)

    def test_reported(self) -> None:
        """
        If none can be reached, that is logged once for each reason, and the end of it.
        """
        bootstrap = self.bootstrap(self.address(0), self.address(1))
        self.host.fail(NoAddresses("no route"))
        self.assertEqual(self.lines("warn"), [])
        self.host.fail(NoAddresses("no route"))
        (line,) = self.lines("warn")
        self.assertEqual(
            line,
            "none of 2 bootstrap peers can be reached, trying again: no route",
        )
        self.assertIn("0 of 2 bootstrap peers connected; ", bootstrap.explain())
        self.assertIn(": no route", bootstrap.explain())
        self.clock.pump([0.1] * 21)
        self.host.fail(NoAddresses("no route"))
        self.assertEqual(len(self.lines("warn")), 1)
        self.host.fail(NoAddresses("refused"))
        self.assertEqual(len(self.lines("warn")), 2)
        self.clock.pump([0.1] * 41)
        self.host.succeed(self.identities[0])
        self.assertEqual(len(self.lines("info")), 1)
        self.assertIn("1 of 2 bootstrap peers connected; ", bootstrap.explain())

    def test_name(self) -> None:
        """
        A name leads to any peer, which is protected; it is dialed again when that is
        lost.
        """
        bootstrap = self.bootstrap(NAME)
        self.assertEqual(self.host.targets, [Multiaddr(NAME)])
        connection = self.host.succeed(self.identities[0])
        self.clock.advance(60)
        self.assertEqual(self.host.targets, [])
        peer = connection.remotePeer
        self.assertEqual(self.host.connections.protected[peer], {"bootstrap"})
        self.assertEqual(bootstrap.explain(), "1 of 1 bootstrap peers connected")
        self.host.lose(connection)
        self.clock.advance(2)
        self.assertEqual(self.host.targets, [Multiaddr(NAME)])

    def test_inbound(self) -> None:
        """
        A peer that is connected already is not dialed.
        """
        self.host.meet(self.identities[0])
        self.bootstrap(self.address(0))
        self.assertEqual(self.host.targets, [])

    def test_listensFirst(self) -> None:
        """
        Nobody is dialed before the node listens, which it does after its services have
        started: peers would see a port through which nobody reaches it.
        """
        bootstrap = Bootstrap([self.address(0)])
        bootstrap.attach(self.host)
        bootstrap.startService()
        self.addCleanup(bootstrap.stopService)
        self.assertEqual(self.host.dials, [])
        self.clock.advance(0)
        self.assertEqual(len(self.host.dials), 1)

    def test_restart(self) -> None:
        """
        After a stop the dials are cancelled; after a start they begin again.
        """
        bootstrap = self.bootstrap(self.address(0))
        bootstrap.stopService()
        self.assertEqual(self.host.dials, [])
        bootstrap.startService()
        self.clock.advance(0)
        self.assertEqual(len(self.host.dials), 1)
        self.assertEqual(self.lines("warn"), [])
