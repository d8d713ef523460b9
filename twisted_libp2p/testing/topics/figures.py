# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The figures of a simulated network of a topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

__all__ = ["PublishedMessage", "TopicFigures", "figuresOf"]


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """
    The figures of some messages of a network.

    @ivar published: the number of messages.
    @ivar delivered: the share of the nodes that have got a message, on average.  A node
        counts if it was up when the message was published, and is no sybil; a
        node that goes down before it has got the message counts no longer.
    @ivar copies: how often a message was sent by honest nodes for each delivery.
    @ivar latencies: the seconds between the publication and each delivery, sorted.
    @ivar degree: the average number of mesh peers of an honest node now.
    @ivar captured: the share of these mesh peers that are sybils.
    @ivar have: the number of RPCs with IHAVE since the start, of all nodes.
    @ivar want: the number of RPCs with IWANT since the start.
    """

    published: int
    delivered: float
    copies: float
    latencies: Sequence[float]
    degree: float
    captured: float
    have: int
    want: int

    def percentile(self, share: float) -> float:
        """
        Return the latency, in seconds, that a share of the deliveries does not exceed;
        0 without a delivery.
        """
        if not self.latencies:
            return 0.0
        last = len(self.latencies) - 1
        return self.latencies[min(last, int(share * len(self.latencies)))]

    def within(self, seconds: float) -> float:
        """
        Return the share of the deliveries that took no longer than a time; those that
        are missing count as longer.
        """
        if not self.latencies:
            return self.delivered
        soon = sum(each <= seconds for each in self.latencies)
        return self.delivered * soon / len(self.latencies)


class PublishedMessage:
    """
    A message, and how far it has come.

    @ivar author: the number of the node that has published it.
    @ivar at: when that was.
    @ivar waiting: the numbers of the nodes that lack it.
    @ivar latencies: the seconds after which nodes have got it, by their numbers, in the
        order of the deliveries.
    @ivar sent: how often honest nodes have sent it.
    """

    __slots__ = ("at", "author", "latencies", "sent", "waiting")

    def __init__(self, author: int, at: float, waiting: set[int]) -> None:
        self.author = author
        self.at = at
        self.waiting = waiting
        self.latencies: dict[int, float] = {}
        self.sent = 0

    def delivered(self, number: int, now: float) -> None:
        """
        Note a delivery, if the node counts.
        """
        if number in self.waiting:
            self.waiting.discard(number)
            self.latencies[number] = now - self.at


def figuresOf(
    messages: Iterable[PublishedMessage],
    nodes: Set[int] | None,
    degree: float,
    captured: float,
    gossip: tuple[int, int],
) -> TopicFigures:
    """
    Add messages up.

    @param nodes: the numbers of the nodes whose deliveries count; None for all.
    @param degree: see L{TopicFigures}.
    @param captured: see L{TopicFigures}.
    @param gossip: the numbers of IHAVE and IWANT.
    """
    published = sent = lacking = everywhere = 0
    latencies: list[float] = []
    for each in messages:
        published += 1
        sent += each.sent
        everywhere += len(each.latencies)
        if nodes is None:
            lacking += len(each.waiting)
            latencies += each.latencies.values()
        else:
            lacking += len(each.waiting & nodes)
            latencies += [
                time for node, time in each.latencies.items() if node in nodes
            ]
    wanted = len(latencies) + lacking
    return TopicFigures(
        published,
        len(latencies) / wanted if wanted else 1.0,
        sent / everywhere if everywhere else 0.0,
        sorted(latencies),
        degree,
        captured,
        *gossip,
    )
