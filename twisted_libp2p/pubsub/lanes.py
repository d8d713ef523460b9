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
from typing import Final, Protocol

from twisted_libp2p.pubsub.idqueue import IDQueue
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.receipts import Receipt
from twisted_libp2p.pubsub.rpc import RPC, Prune
from twisted_libp2p.pubsub.splitting import split

__all__ = [
    "CHARGED_STEP",
    "MAX_QUEUED",
    "OWN_TIME",
    "RELAYED_TIME",
    "Account",
    "Lanes",
]

#: Maximum number of bytes of messages that wait for one peer, if there are several.
MAX_QUEUED: Final = 1 << 20

#: Seconds after which a message of our own, or one of another peer, is dropped.
OWN_TIME: Final = 5.0
RELAYED_TIME: Final = 1.0

#: Maximum number of bytes of small messages that go into one RPC.
_PACKED: Final = 16 * 1024

#: The memory of a message without its bytes.
_OVERHEAD: Final = 256

#: The bytes that wait are charged to the limits of the peer in steps of this size; the
#: first step is free.
CHARGED_STEP: Final = 1 << 16


class Account(Protocol):
    """
    The limits of a peer, as its queue uses them.
    """

    def has(self, size: int) -> bool:
        """
        Return whether there is room for more bytes.
        """

    def charge(self, size: int) -> None:
        """
        Charge bytes, or give a negative number of bytes back.
        """


class _Unlimited:
    """
    No limits.
    """

    def has(self, size: int) -> bool:
        """
        Return that there is room.
        """
        return True

    def charge(self, size: int) -> None:
        """
        Charge nothing.
        """


_UNLIMITED: Final = _Unlimited()


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
    @ivar account: the limits of the peer, to which their memory is charged.
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
        "_relayedSize",
        "_subscriptions",
        "_unwanted",
        "_want",
        "_written",
        "account",
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
        self._relayedSize = 0
        self._written: list[Receipt] = []
        self._queued: dict[bytes, _Entry] = {}
        # The parts of control that need no merging: what only the first RPC has.
        self._control: RPC | None = None
        self._subscriptions: dict[str, bool] = {}
        self._links: dict[str, Prune | None] = {}
        self._have: dict[str, list[bytes]] = {}
        self._want = IDQueue()
        self._unwanted = IDQueue()
        self.size = 0
        self.dropped = 0
        self.account: Account = _UNLIMITED
        self._charged = CHARGED_STEP

    def accepts(self, size: int) -> bool:
        """
        Return whether a message of our own has room.

        @param size: the size of its data in bytes.
        """
        # It comes before those of other peers.
        own = self.size - self._relayedSize
        more = self._growth(own + size + _OVERHEAD)
        return own < MAX_QUEUED and (not more or self.account.has(more))

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
        self._want.add(rpc.want)
        self._unwanted.add(rpc.unwanted)

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
        while self._relayed and self.size + entry.size > MAX_QUEUED:
            self._drop(self._relayed.popleft())
        # The last message of our own may be larger than the rest of the room.
        most = MAX_QUEUED - 1 if own else MAX_QUEUED - entry.size
        if (self.size and self.size > most) or not self._charge(entry.size, own):
            self.dropped += 1
            return False
        self._queued[message.id] = entry
        self.size += entry.size
        if receipt is None:
            self._relayedSize += entry.size
            self._relayed.append(entry)
        else:
            self._own.append(entry)
            receipt.queued()
        return True

    def _charge(self, size: int, own: bool) -> bool:
        """
        Charge the memory of one more message.  A message of our own comes before those
        of other peers.

        @return: whether the limits have room for it.
        """
        more = self._growth(self.size + size)
        while more and not self.account.has(more):
            if not own or not self._relayed:
                return False
            self._drop(self._relayed.popleft())
            more = self._growth(self.size + size)
        if more:
            self._charged += more
            self.account.charge(more)
        return True

    def _growth(self, size: int) -> int:
        """
        Return how many more bytes have to be charged for so many in all.
        """
        more = size - self._charged
        return -(-more // CHARGED_STEP) * CHARGED_STEP if more > 0 else 0

    def _shrink(self) -> None:
        """
        Give back the memory of messages that have left.
        """
        less = (self._charged - self.size) // CHARGED_STEP * CHARGED_STEP
        less = min(less, self._charged - CHARGED_STEP)
        if less:
            self._charged -= less
            self.account.charge(-less)

    def withdraw(self, ids: Iterable[bytes]) -> None:
        """
        Drop messages that the peer does not want.
        """
        for id in ids:
            entry = self._queued.get(id)
            if entry is not None:
                self._leave(entry)
                self._lost(entry)

    # Emptying

    def next(self) -> list[bytes]:
        """
        Remove and return the next RPCs: all control, or some messages.  L{written} has
        to follow.

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
                    if entry.receipt is not None:
                        self._written.append(entry.receipt)
                    self._leave(entry)
            if entries:
                break
        return [b"".join(entries)] if entries else []

    def written(self) -> None:
        """
        Note that the last RPCs were written.
        """
        receipts, self._written = self._written, []
        for each in receipts:
            each.left(True)

    def _takeControl(self) -> RPC:
        rpc = self._control or RPC()
        rpc.subscriptions = list(self._subscriptions.items())
        rpc.graft = [topic for topic, prune in self._links.items() if prune is None]
        rpc.prune = [prune for prune in self._links.values() if prune is not None]
        rpc.have = list(self._have.items())
        rpc.want = self._want.take()
        rpc.unwanted = self._unwanted.take()
        self._control = None
        self._subscriptions, self._links, self._have = {}, {}, {}
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
        self.account = _UNLIMITED

    def _drop(self, entry: _Entry) -> None:
        if entry.message is not None:
            self.dropped += 1
            self._leave(entry)
            self._lost(entry)

    def _leave(self, entry: _Entry) -> None:
        assert entry.message is not None
        del self._queued[entry.message.id]
        entry.message = None
        self.size -= entry.size
        if entry.receipt is None:
            self._relayedSize -= entry.size
        if self.size + 2 * CHARGED_STEP < self._charged or not self.size:
            self._shrink()

    def _lost(self, entry: _Entry) -> None:
        """
        Note in the receipt of a message that it was not written.
        """
        if entry.receipt is not None:
            entry.receipt.left(False)
