# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The values that this node stores for others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from twisted_libp2p.dht.messages import Value
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_BYTES", "MAX_PER_PEER", "MAX_VALUES", "StoredValue", "ValueStore"]

#: Seconds after which a stored value expires.
LIFETIME: Final = 172_800.0

#: The most stored values, and their most bytes together.
MAX_VALUES: Final = 10_000
MAX_BYTES: Final = 64 << 20

#: The most stored values that one peer has put.
MAX_PER_PEER: Final = 1024


@dataclass(frozen=True, slots=True)
class StoredValue:
    """
    A stored value.

    @ivar value: its bytes.
    @ivar received: when it was stored, in seconds since the epoch.
    @ivar putter: the peer that has put it; empty for this node.
    """

    value: bytes
    received: float
    putter: bytes = b""

    def message(self, key: bytes) -> Value:
        """
        Return the value as it is sent.
        """
        when = datetime.fromtimestamp(self.received, UTC)
        return Value(key, self.value, f"{when:%Y-%m-%dT%H:%M:%S.%fZ}".encode())


class ValueStore:
    """
    Stores values for two days.

    The oldest values are dropped if there are too many.

    @ivar changed: called with each key whose value has changed.
    """

    def __init__(self) -> None:
        self.changed: Callable[[bytes], object] = lambda key: None
        # In the order in which they were received.
        self._values: OrderedDict[bytes, StoredValue] = OrderedDict()
        self._perPeer: dict[bytes, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[bytes]:
        """
        Iterate over the keys, oldest value first.
        """
        return iter(list(self._values))

    def get(self, key: bytes, now: float) -> StoredValue | None:
        """
        Return a value that has not expired.

        @param now: the time in seconds since the epoch.
        """
        found = self._values.get(key)
        if found is not None and found.received + LIFETIME <= now:
            self._remove(key)
            return None
        return found

    def put(self, key: bytes, value: bytes, now: float, putter: PeerID | None) -> bool:
        """
        Store a value in the place of an earlier one.

        @param putter: the peer that puts it; None for this node.
        @return: False if the peer has stored too many values here.
        """
        name = b"" if putter is None else putter.toBytes()
        before = self._values.get(key)
        if (
            putter is not None
            and self._perPeer.get(name, 0) >= MAX_PER_PEER
            and (before is None or before.putter != name)
        ):
            return False
        self.load(key, StoredValue(value, now, name))
        self.changed(key)
        while len(self._values) > MAX_VALUES or self._bytes > MAX_BYTES:
            self._remove(next(iter(self._values)))
        return True

    def load(self, key: bytes, stored: StoredValue) -> None:
        """
        Take a value from a database.
        """
        self._forget(key)
        self._values[key] = stored
        self._bytes += len(key) + len(stored.value)
        self._perPeer[stored.putter] = self._perPeer.get(stored.putter, 0) + 1

    def sweep(self, now: float, most: int) -> bool:
        """
        Drop expired values.

        @param most: the most values to drop.
        @return: whether there may be more.
        """
        for _ in range(most):
            oldest = next(iter(self._values), None)
            if oldest is None or self.get(oldest, now) is not None:
                return False
        return True

    def _remove(self, key: bytes) -> None:
        self._forget(key)
        self.changed(key)

    def _forget(self, key: bytes) -> None:
        stored = self._values.pop(key, None)
        if stored is not None:
            self._bytes -= len(key) + len(stored.value)
            self._perPeer[stored.putter] -= 1
            if not self._perPeer[stored.putter]:
                del self._perPeer[stored.putter]
