# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connections of simulated nodes, and slow uplinks.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_libp2p.pubsub.lanes import Lanes
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.testing.topics.timeline import Timeline

__all__ = ["Link", "Uplink"]


class Link:
    """
    One direction of a connection.

    @ivar near: the number of the node that sends.
    @ivar far: the number of the node that receives.
    @ivar delay: the seconds that an RPC takes.
    @ivar outbound: whether the sender has dialed.
    @ivar open: whether the connection still exists.
    @ivar last: when the last RPC arrives: none overtakes another one.
    """

    __slots__ = ("delay", "far", "last", "near", "open", "outbound")

    def __init__(self, near: int, far: int, delay: float, outbound: bool) -> None:
        self.near = near
        self.far = far
        self.delay = delay
        self.outbound = outbound
        self.open = True
        self.last = 0.0


class Uplink:
    """
    The queues of a node, those of the package, whose bytes share one line in turns.

    @ivar rate: the bytes that leave in a second.
    """

    def __init__(
        self,
        rate: float,
        timeline: Timeline,
        left: Callable[[Link, RPC], None],
    ) -> None:
        """
        Begin idle.

        @param timeline: the time of the simulation.
        @param left: called with each RPC that has left, and its link.
        """
        self.rate = rate
        self._timeline = timeline
        self._left = left
        self._lanes: dict[Link, Lanes] = {}
        # The links with something to send, the next one first.
        self._turns: dict[Link, None] = {}
        self._busy = False

    def close(self, link: Link) -> None:
        """
        Drop everything that waits for a link.
        """
        self._lanes.pop(link, None)

    def control(self, link: Link, rpc: RPC) -> None:
        """
        Queue control.
        """
        self._of(link).control(rpc)
        self._start()

    def message(self, link: Link, message: Message, own: bool) -> None:
        """
        Queue a message.

        @param own: whether this node has published it.
        """
        self._of(link).message(message, Receipt(message.id) if own else None)
        self._start()

    def withdraw(self, link: Link, ids: list[bytes]) -> None:
        """
        Drop messages that the peer does not want.
        """
        self._of(link).withdraw(ids)

    def _of(self, link: Link) -> Lanes:
        lanes = self._lanes.get(link)
        if lanes is None:
            lanes = self._lanes[link] = Lanes(self._timeline.time)
        self._turns.setdefault(link)
        return lanes

    def _start(self) -> None:
        if not self._busy:
            self._busy = True
            self._timeline.after(0.0, self._next)

    def _next(self) -> None:
        """
        Let the next RPC leave, if there is one.
        """
        while self._turns:
            link = next(iter(self._turns))
            del self._turns[link]
            lanes = self._lanes.get(link)
            if lanes is None:
                continue
            frames = lanes.next()
            if frames:
                lanes.written()
                self._turns[link] = None
                size = sum(map(len, frames))
                self._timeline.after(size / self.rate, self._gone, link, frames)
                return
        self._busy = False

    def _gone(self, link: Link, frames: list[bytes]) -> None:
        for each in frames:
            self._left(link, RPC.fromBytes(each))
        self._next()
