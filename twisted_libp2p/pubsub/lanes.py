# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The queue to one peer: control, messages of our own, messages that are passed on.

It is bounded.  Control is a state and not a log: of the subscriptions, grafts and
prunes of a topic only the last counts.  A message that waits too long is dropped, since
other peers have it by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.rpc import RPC, Prune
from twisted_libp2p.pubsub.splitting import split

__all__ = [
    "CHARGED_STEP",
    "MAX_GOSSIP",
    "MAX_QUEUED",
    "OWN_TIME",
    "RELAYED_TIME",
    "Lanes",
]

#: Maximum number of bytes of messages that wait for one peer, if there are several.
MAX_QUEUED: Final = 1 << 20

#: Seconds after which a message of our own, or one of another peer, is dropped.
OWN_TIME: Final = 5.0
RELAYED_TIME: Final = 1.0

#: Maximum number of ids of each kind of gossip that wait; the oldest are dropped.
MAX_GOSSIP: Final = 5000

#: Maximum number of bytes of small messages that go into one RPC.
_PACKED: Final = 16 * 1024

#: The memory of a message without its bytes.
_OVERHEAD: Final = 256

#: The bytes that wait are charged to the limits of the peer in steps of this size; the
#: first step is free.
CHARGED_STEP: Final = 1 << 16

#: Charges bytes, or gives negative ones back; returns false if there is no room.
Charge = Callable[[int], bool]


def _uncharged(size: int) -> bool:
    """
    Default of L{Lanes.charge}: there are no limits.
    """
    return True


class _Entry:
    """
    A message that waits.
    """

    __slots__ = ("message", "receipt", "size", "until")

    def __init__(self, message: Message, until: float, receipt: Receipt | None) -> None:
        self.message: Message | None = message
        self.until = until
        self.receipt = receipt
        self.size = len(message.data) + _OVERHEAD


class Lanes:
    """
    Everything that waits for one peer.

    @ivar size: the bytes of the messages that wait.
    @ivar dropped: how many messages were dropped.
    @ivar charge: charges their memory to the limits of the peer.
    """

    __slots__ = (
        "_charged",
        "_control",
        "_have",
        "_links",
        "_now",
        "_own",
        "_queued",
        "_relayed",
        "_subscriptions",
        "_unwanted",
        "_want",
        "charge",
        "dropped",
        "size",
    )

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Begin empty.

        @param now: returns the time.
        """
        self._now = now
        self._own: deque[_Entry] = deque()
        self._relayed: deque[_Entry] = deque()
        self._queued: dict[bytes, _Entry] = {}
        # The parts of control that need no merging: what only the first RPC has.
        self._control: RPC | None = None
        self._subscriptions: dict[str, bool] = {}
        self._links: dict[str, Prune | None] = {}
        self._have: dict[str, list[bytes]] = {}
        self._want: dict[bytes, None] = {}
        self._unwanted: dict[bytes, None] = {}
        self.size = 0
        self.dropped = 0
        self.charge: Charge = _uncharged
        self._charged = CHARGED_STEP

    @property
    def full(self) -> bool:
        """
        Whether no further message of our own has room.
        """
        return self.size >= MAX_QUEUED

    def _hasControl(self) -> bool:
        return bool(
            self._control is not None
            or self._subscriptions
            or self._links
            or self._want
            or self._unwanted
            or self._have
        )

    # Filling

    def control(self, rpc: RPC) -> None:
        """
        Add control.
        """
        if rpc.extensions is not None or rpc.testExtension:
            known = self._control or RPC()
            if rpc.extensions is not None:
                known.extensions = rpc.extensions
            known.testExtension = known.testExtension or rpc.testExtension
            self._control = known
        for topic, on in rpc.subscriptions:
            self._subscriptions.pop(topic, None)
            self._subscriptions[topic] = on
        for topic in rpc.graft:
            self._links[topic] = None
        for prune in rpc.prune:
            self._links[prune.topic] = prune
        for topic, ids in rpc.have:
            self._have[topic] = ids
        _merge(self._want, rpc.want)
        _merge(self._unwanted, rpc.unwanted)

    def message(self, message: Message, receipt: Receipt | None = None) -> bool:
        """
        Add a message.

        @param receipt: of a message of our own; None for one of another peer.
        @return: whether there was room.
        """
        if message.id in self._queued:
            return True
        own = receipt is not None
        until = self._now() + (OWN_TIME if own else RELAYED_TIME)
        entry = _Entry(message, until, receipt)
        while self.size and self.size + entry.size > MAX_QUEUED and self._relayed:
            self._drop(self._relayed.popleft())
        if self.size and (
            self.size + entry.size > MAX_QUEUED if not own else self.full
        ):
            self.dropped += 1
            return False
        if self.size + entry.size > self._charged and not self._grow(entry.size):
            self.dropped += 1
            return False
        self._queued[message.id] = entry
        self.size += entry.size
        (self._own if own else self._relayed).append(entry)
        if receipt is not None:
            receipt.queued()
        return True

    def _grow(self, size: int) -> bool:
        """
        Charge the memory of one more message.

        @return: whether the limits have room for it.
        """
        more = -(-(self.size + size - self._charged) // CHARGED_STEP) * CHARGED_STEP
        if not self.charge(more):
            return False
        self._charged += more
        return True

    def _shrink(self) -> None:
        """
        Give back the memory of messages that have left.
        """
        less = (self._charged - self.size) // CHARGED_STEP * CHARGED_STEP
        less = min(less, self._charged - CHARGED_STEP)
        self._charged -= less
        self.charge(-less)

    def withdraw(self, ids: Iterable[bytes]) -> None:
        """
        Drop messages that the peer does not want.
        """
        for id in ids:
            entry = self._queued.get(id)
            if entry is not None:
                self._leave(entry, False)

    # Emptying

    def next(self) -> list[bytes]:
        """
        Remove and return the next RPCs: all control, or some messages.

        @return: empty if nothing waits.
        """
        if self._hasControl():
            return [each.toBytes() for each in split(self._takeControl())]
        entries: list[bytes] = []
        size, now = 0, self._now()
        for lane in (self._own, self._relayed):
            while lane:
                entry = lane[0]
                if entry.message is None:
                    lane.popleft()
                elif entry.until <= now:
                    self._drop(lane.popleft())
                elif entries and size + entry.size > _PACKED:
                    break
                else:
                    lane.popleft()
                    entries.append(entry.message.entry())
                    size += entry.size
                    self._leave(entry, True)
            if entries:
                break
        return [b"".join(entries)] if entries else []

    def _takeControl(self) -> RPC:
        rpc = self._control or RPC()
        rpc.subscriptions = list(self._subscriptions.items())
        rpc.graft = [topic for topic, prune in self._links.items() if prune is None]
        rpc.prune = [prune for prune in self._links.values() if prune is not None]
        rpc.have = list(self._have.items())
        rpc.want = list(self._want)
        rpc.unwanted = list(self._unwanted)
        self._control = None
        self._subscriptions, self._links, self._have = {}, {}, {}
        self._want, self._unwanted = {}, {}
        return rpc

    def expire(self) -> int:
        """
        Drop the messages that have waited too long.

        @return: how many messages were dropped since the last call.
        """
        now = self._now()
        for lane in (self._own, self._relayed):
            while lane and (lane[0].message is None or lane[0].until <= now):
                self._drop(lane.popleft())
        dropped, self.dropped = self.dropped, 0
        return dropped

    def clear(self) -> None:
        """
        Drop everything, and give its memory back.
        """
        for lane in (self._own, self._relayed):
            while lane:
                self._drop(lane.popleft())
        self._takeControl()
        self._shrink()
        self.charge = _uncharged

    def _drop(self, entry: _Entry) -> None:
        if entry.message is not None:
            self.dropped += 1
            self._leave(entry, False)

    def _leave(self, entry: _Entry, written: bool) -> None:
        assert entry.message is not None
        del self._queued[entry.message.id]
        entry.message = None
        self.size -= entry.size
        if self.size + 2 * CHARGED_STEP < self._charged:
            self._shrink()
        if entry.receipt is not None:
            entry.receipt.left(written)


def _merge(known: dict[bytes, None], ids: list[bytes]) -> None:
    known.update(dict.fromkeys(ids))
    surplus = len(known) - MAX_GOSSIP
    if surplus > 0:
        for id in list(known)[:surplus]:
            del known[id]
