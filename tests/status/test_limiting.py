# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.limiting}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.events import LimitReached
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.status.limiting import MAX_LIMITS, RefusalCounts
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.testing import MemoryNodes

EVENT = LimitReached(
    time=0.0,
    scope="connections of the whole node",
    limit=10,
    current=10,
    option="--max-connections",
    kind=ScopeKind.SYSTEM,
    resource=Resource.CONNECTIONS,
    direction=Direction.INBOUND,
    peer=None,
    count=3,
)
LINE = "times by the limit on connections of the whole node: see --max-connections"


class LimitTests(SynchronousTestCase):
    """
    The lines about limits.
    """

    def test_refusals(self) -> None:
        """
        The refusals of a limit are added; there are no more limits than a node has.
        """
        counts = RefusalCounts()
        for _ in range(2):
            counts.count(EVENT)
        self.assertEqual(counts.lines(), [f"refused 6 {LINE}"])
        for number in range(2 * MAX_LIMITS):
            counts.count(replace(EVENT, scope=str(number)))
        self.assertEqual(len(counts.lines()), MAX_LIMITS)

    def test_peers(self) -> None:
        """
        The refusals of many peers are one line, and leave a place for other limits.
        """
        counts = RefusalCounts()
        for number in range(2 * MAX_LIMITS):
            peer = replace(
                EVENT,
                scope=f"inbound streams of peer {number}",
                option="Limits.peer.inboundStreams",
                kind=ScopeKind.PEER,
                resource=Resource.STREAMS,
                count=1,
            )
            counts.count(peer)
        counts.count(EVENT)
        self.assertEqual(
            counts.lines(),
            [
                f"refused {2 * MAX_LIMITS} times by the limit on inbound streams of a"
                " peer: see Limits.peer.inboundStreams",
                f"refused 3 {LINE}",
            ],
        )

    def test_snapshot(self) -> None:
        """
        The page has the use of the limits, and the refusals.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node, other = nodes.start(), nodes.start()
        observer = Observer(node)
        self.addCleanup(observer.close)
        nodes.connect(node, other)
        node.events.publish(EVENT)
        whole, new, refused = observer.snapshot()["limits"]
        self.assertRegex(
            whole, r"\Awhole node: 1 of \d+ connections, \d+ of \d+ streams"
        )
        self.assertRegex(new, r"\Anot negotiated yet: 0 of \d+ connections, ")
        self.assertEqual(refused, f"refused 3 {LINE}")
