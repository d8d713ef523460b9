# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.node.routing}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.errors import NoAddresses, NotFound
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IExplaining, IHost, IHostService, IPeerRouting
from twisted_libp2p.node.routing import MAX_EXPLAINED, MAX_LOOKUPS, Routing
from twisted_libp2p.testing.nodes import MemoryNodes

PEER = Identity.generate().peerID
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


@implementer(IHostService, IPeerRouting, IExplaining)
class Directory(Service):
    """
    Finds what a test says.
    """

    origin = Origin.PUBLIC

    def __init__(self, name: str, answer: Any = ()) -> None:
        self.setName(name)
        self.answer = answer

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Give the answer.
        """
        if isinstance(self.answer, Deferred):
            return self.answer
        if isinstance(self.answer, Exception):
            return fail(self.answer)
        return succeed(self.answer)

    def explain(self, key: bytes) -> str:
        """
        Describe a lookup.
        """
        return f"asked for {len(key)} bytes\nat one place"


class RoutingTests(SynchronousTestCase):
    """
    The routings of a node.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def routing(self, *directories: Directory) -> Routing:
        """
        Make a routing of some others.
        """
        return Routing(self.clock, directories)

    def find(self, routing: Routing) -> Deferred[list[Multiaddr]]:
        """
        Look up a peer.
        """
        return Deferred.fromCoroutine(routing.findPeer(str(PEER)))

    def test_first(self) -> None:
        """
        The first routing that finds an address decides; the others are cancelled.
        """
        slow: Deferred[Any] = Deferred()
        later: Deferred[Any] = Deferred()
        routing = self.routing(
            Directory("empty"),
            Directory("broken", ValueError("no route")),
            Directory("slow", slow),
            Directory("later", later),
        )
        found = self.find(routing)
        self.assertNoResult(found)
        self.clock.advance(2.5)
        later.callback([ADDRESS, ADDRESS.withPeer(Identity.generate().peerID)])
        self.assertEqual(self.successResultOf(found), [ADDRESS.withPeer(PEER)])
        self.assertTrue(slow.called)
        self.assertEqual(
            routing.explain(PEER).splitlines()[:4],
            [
                "empty: nothing found, 0.0 s",
                "broken: no route, 0.0 s",
                "slow: no longer needed, 2.5 s",
                "later: 2 addresses, 2.5 s",
            ],
        )

    def test_nothing(self) -> None:
        """
        If none finds the peer, the error names each and its reason.
        """
        routing = self.routing(Directory("one"), Directory("two", ValueError("down")))
        error = self.failureResultOf(self.find(routing), NotFound).value
        self.assertEqual(
            str(error), f"{PEER} was not found: one: nothing found; two: down"
        )
        error = self.failureResultOf(self.find(self.routing()), NotFound).value
        self.assertIn("no routing", str(error))

    def test_explain(self) -> None:
        """
        A lookup under way is described as well, and the path of one that can be
        described; a peer that was not looked up is not.
        """
        slow: Deferred[Any] = Deferred()
        routing = self.routing(Directory("slow", slow))
        self.assertEqual(routing.explain(PEER), f"{PEER} was not looked up")
        finding = self.find(routing)
        self.clock.advance(1.0)
        self.assertEqual(
            routing.explain(str(PEER)),
            "slow: still looking, 1.0 s\n  asked for 38 bytes\n  at one place",
        )
        finding.cancel()
        self.failureResultOf(finding)

    def test_bounds(self) -> None:
        """
        Only some lookups are kept.
        """
        routing = self.routing(Directory("one"))
        for _ in range(MAX_LOOKUPS + 5):
            self.failureResultOf(self.find(routing), NotFound)
        self.assertEqual(routing.explain(PEER).count("one: "), MAX_LOOKUPS)
        for _ in range(MAX_EXPLAINED):
            other = routing.findPeer(Identity.generate().peerID)
            self.failureResultOf(Deferred.fromCoroutine(other), NotFound)
        self.assertIn("was not looked up", routing.explain(PEER))

    def test_dial(self) -> None:
        """
        The dials of a node are recorded too, and their error says who was asked.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start(services=[Directory("paper")])
        error = self.assertRaises(NoAddresses, nodes.result, node.connect(str(PEER)))
        self.assertEqual(
            str(error),
            f"no address of {PEER} is known, and none was found: paper: nothing found",
        )
        self.assertIn("paper: nothing found, 0.0 s", node.routing.explain(PEER))
        self.assertEqual(len(node.routing), 1)
