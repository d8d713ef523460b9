# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the owner of a node's addresses.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, InvalidMultiaddr
from twisted_libp2p.events import AddressesChanged, EventBus
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    IOwnAddresses,
    OwnAddress,
)
from twisted_libp2p.node.addresses import MAX_ADDRESSES, OwnAddresses
from twisted_libp2p.testing import MemoryNodes

BOUND = Multiaddr("/ip4/192.168.1.7/tcp/4001")
GATEWAY = Multiaddr("/ip4/8.8.8.8/tcp/4001")
SEEN = Multiaddr("/ip4/8.8.4.4/tcp/50001")

PEER = Identity.generate().peerID


class OwnAddressesTests(SynchronousTestCase):
    """
    Tests for L{OwnAddresses}.
    """

    def setUp(self) -> None:
        """
        Have no addresses, and record the changes.
        """
        self.changes: list[tuple[Multiaddr, ...]] = []
        self.events = EventBus()
        self.events.subscribe(
            AddressesChanged, lambda event: self.changes.append(event.addresses)
        )
        self.own = OwnAddresses(PEER, Clock(), self.events)

    def test_contract(self) -> None:
        """
        It fulfils its contract.
        """
        verifyObject(IOwnAddresses, self.own)

    def test_sources(self) -> None:
        """
        Addresses are in the order of their sources, whatever the order in which they
        come; an address with two sources counts once, with the greater confidence.
        """
        replace = self.own.replace
        replace(AddressSource.OBSERVED, [SEEN, BOUND], Confidence.CONFIRMED)
        replace(AddressSource.MAPPED, [GATEWAY])
        replace(AddressSource.BOUND, [BOUND])
        self.assertEqual(
            self.own.all(),
            [
                OwnAddress(BOUND, AddressSource.BOUND, Confidence.CONFIRMED),
                OwnAddress(GATEWAY, AddressSource.MAPPED, Confidence.LIKELY),
                OwnAddress(SEEN, AddressSource.OBSERVED, Confidence.CONFIRMED),
            ],
        )
        self.assertEqual(self.own.dialable(), [BOUND, GATEWAY, SEEN])
        self.assertEqual(self.own.full()[0], BOUND.withPeer(PEER))

    def test_confidence(self) -> None:
        """
        An address that was only observed is not given to peers before it is judged;
        an unreachable one no longer is.
        """
        self.own.replace(AddressSource.BOUND, [BOUND])
        self.own.replace(AddressSource.OBSERVED, [SEEN])
        self.assertEqual(self.own.dialable(), [BOUND])
        self.own.judge(SEEN.withPeer(PEER), Confidence.LIKELY)
        self.own.judge(BOUND, Confidence.UNREACHABLE)
        self.assertEqual(self.own.dialable(), [SEEN])
        self.own.judge(BOUND, None)
        self.assertEqual(self.own.dialable(), [BOUND, SEEN])

    def test_judgementEnds(self) -> None:
        """
        A judgement of an address that no source names is not kept.
        """
        self.own.judge(SEEN, Confidence.CONFIRMED)
        self.own.replace(AddressSource.OBSERVED, [SEEN])
        self.assertEqual(self.own.dialable(), [])
        self.own.judge(SEEN, Confidence.CONFIRMED)
        self.own.replace(AddressSource.OBSERVED, [])
        self.own.replace(AddressSource.OBSERVED, [SEEN])
        self.assertEqual(self.own.dialable(), [])

    def test_published(self) -> None:
        """
        A change of the addresses that peers are given is published once; no other
        change is.
        """
        self.own.replace(AddressSource.BOUND, [BOUND])
        self.own.replace(AddressSource.BOUND, [BOUND])
        self.own.replace(AddressSource.OBSERVED, [SEEN])
        self.own.judge(BOUND, Confidence.CONFIRMED)
        self.assertEqual(self.changes, [(BOUND,)])
        self.own.update(AddressSource.BOUND, [])
        self.assertEqual(len(self.changes), 1)
        self.own.publish()
        self.assertEqual(self.changes, [(BOUND,), ()])

    def test_rewritten(self) -> None:
        """
        Addresses are written in another form, or not at all, those of later changes
        too; the judgements of forms that are gone are not kept.
        """
        forms: dict[Multiaddr, Multiaddr | None] = {BOUND: SEEN}
        self.own.replace(AddressSource.BOUND, [BOUND])
        self.own.rewrite(lambda each: forms.get(each, each))
        self.assertEqual(self.own.dialable(), [SEEN])
        self.own.judge(SEEN, Confidence.CONFIRMED)
        self.assertEqual(
            self.own.all(),
            [OwnAddress(SEEN, AddressSource.BOUND, Confidence.CONFIRMED)],
        )
        forms[BOUND] = None
        self.own.rewrite(lambda each: forms.get(each, each))
        self.own.replace(AddressSource.MAPPED, [GATEWAY, BOUND])
        self.assertEqual(self.own.dialable(), [GATEWAY])
        self.own.rewrite(None)
        self.assertEqual(
            self.own.all(),
            [
                OwnAddress(BOUND, AddressSource.BOUND, Confidence.LIKELY),
                OwnAddress(GATEWAY, AddressSource.MAPPED, Confidence.LIKELY),
            ],
        )
        self.assertEqual(
            self.changes, [(BOUND,), (SEEN,), (), (GATEWAY,), (BOUND, GATEWAY)]
        )

    def test_bounded(self) -> None:
        """
        A source has a maximum number of addresses.
        """
        many = [Multiaddr(f"/ip4/8.8.8.8/tcp/{port}") for port in range(1, 1000)]
        self.own.replace(AddressSource.OBSERVED, many)
        self.assertEqual(len(self.own.all()), MAX_ADDRESSES)


class AnnounceTests(SynchronousTestCase):
    """
    Addresses that the user configures.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def test_announced(self) -> None:
        """
        Peers learn them by identify, after those of the listeners; they are there
        before the node listens, and after its restart.
        """
        node = self.nodes.start(announce=[str(GATEWAY)])
        bound = next(iter(node.listeners)).addresses[0]
        self.assertEqual(node.addresses, [bound, GATEWAY.withPeer(node.peerID)])
        peer = self.nodes.start()
        told = self.nodes.result(peer.identify(bound))
        self.assertEqual(told.listenAddresses, (bound.withoutPeer(), GATEWAY))
        self.nodes.result(node.stopService())
        self.assertEqual(node.addresses, [GATEWAY.withPeer(node.peerID)])

    def test_added(self) -> None:
        """
        An address that a service adds later is pushed to the connected peers.
        """
        node, peer = self.nodes.start(), self.nodes.start()
        self.nodes.connect(peer, node)
        node.ownAddresses.replace(AddressSource.MAPPED, [GATEWAY])
        self.nodes.advance(2)
        self.assertIn(GATEWAY, peer.peerstore.addresses(node.peerID))

    def test_refused(self) -> None:
        """
        The id of another peer, and a text that is no address, are refused in one line.
        """
        for announce, error in (
            (str(GATEWAY.withPeer(PEER)), ConfigurationError),
            ("8.8.8.8", InvalidMultiaddr),
        ):
            raised = self.assertRaises(error, self.nodes.start, announce=[announce])
            self.assertIn(announce, str(raised))
            self.assertNotIn("\n", str(raised))
