# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Cuts large control into several RPCs.

rust-libp2p 0.57 ends a stream whose RPC has more than 16 KiB without its messages, so
every RPC of control stays below that.  Messages go by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from twisted_libp2p.pubsub.rpc import RPC

__all__ = ["CONTROL_SIZE", "split"]

#: The size of the largest RPC of control that is sent, in bytes.
CONTROL_SIZE: Final = 16 * 1024 - 64

# Tag and length of a field, of the message around it, and of that around this one.
_OVERHEAD: Final = 12


def split(rpc: RPC, limit: int = CONTROL_SIZE) -> list[RPC]:
    """
    Cut the control of an RPC into RPCs of a size; its messages are left out.

    Subscriptions come first: rust-libp2p drops a graft of a topic to which the peer has
    not subscribed.

    @param limit: the size of the largest of them in bytes.
    """
    parts = _Parts(limit)
    if rpc.extensions is not None or rpc.testExtension:
        first = parts.fit(2 * _OVERHEAD)
        first.extensions, first.testExtension = rpc.extensions, rpc.testExtension
    for subscription in rpc.subscriptions:
        parts.fit(_size(subscription[0])).subscriptions.append(subscription)
    for topic in rpc.graft:
        parts.fit(_size(topic)).graft.append(topic)
    for prune in rpc.prune:
        peers = sum(
            len(each.peer) + len(each.record) + _OVERHEAD for each in prune.peers
        )
        parts.fit(_size(prune.topic) + peers + _OVERHEAD).prune.append(prune)
    for part, ids in parts.fill(rpc.want):
        part.want += ids
    for part, ids in parts.fill(rpc.unwanted):
        part.unwanted += ids
    for topic, all in rpc.have:
        for part, ids in parts.fill(all, _size(topic)):
            part.have.append((topic, ids))
    return parts.done


def _size(topic: str) -> int:
    return len(topic.encode()) + _OVERHEAD


class _Parts:
    """
    The RPCs that are made of a large one.

    @ivar done: the RPCs.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = 0
        self.done: list[RPC] = []

    def fit(self, size: int) -> RPC:
        """
        Return the RPC that has room for some bytes more.
        """
        if not self.done or size > self._room:
            self.done.append(RPC())
            self._room = self._limit
        self._room -= size
        return self.done[-1]

    def fill(
        self, ids: Iterable[bytes], head: int = _OVERHEAD
    ) -> Iterator[tuple[RPC, list[bytes]]]:
        """
        Distribute ids of messages.

        @param head: the size of a list without ids.
        """
        part: RPC | None = None
        chunk: list[bytes] = []
        for each in ids:
            size = len(each) + 4
            if part is None or size > self._room:
                if part is not None:
                    yield part, chunk
                part, chunk = self.fit(head + size), []
            else:
                self._room -= size
            chunk.append(each)
        if part is not None:
            yield part, chunk
