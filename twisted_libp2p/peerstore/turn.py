# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a transaction of the peerstore takes, and what it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from twisted_libp2p.peerstore.rows import Row
from twisted_libp2p.peerstore.shift import Shift

__all__ = ["Batch", "Opened", "Place", "Position", "Turn"]


class Place(NamedTuple):
    """
    A place in the order in which peers are read: the last to expire come first.
    """

    expires: float = inf
    peer: bytes = b"\xff"


class Position(NamedTuple):
    """
    A place in the history of a store.

    @ivar number: the number of a transaction.
    @ivar mark: its mark, which no other history has.
    """

    number: int
    mark: int


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The changes to write in one transaction.

    @ivar mark: the mark of the transaction: a random number of 63 bits.
    @ivar forgotten: the ids of the peers to forget before anything else.
    @ivar rows: the rows to write.
    @ivar trimmed: addresses to delete: peer, address, and the latest time at which
        the address may have been learnt.
    @ivar stamp: when the batch was made, later than all that was read.
    """

    mark: int
    forgotten: Sequence[bytes] = ()
    rows: Sequence[Row] = ()
    trimmed: Sequence[tuple[bytes, bytes, float]] = ()
    stamp: float = 0.0


class Opened(NamedTuple):
    """
    The store, once its schema is up to date.

    @ivar position: its last transaction.
    @ivar shift: how its clocks differ from ours.
    """

    position: Position
    shift: Shift


class Turn(NamedTuple):
    """
    What came of writing and reading.

    @ivar rows: the rows that were read; none if we have written all of them.
    @ivar position: the place up to which everything was read.
    @ivar more: whether there is more.
    @ivar shift: how the clocks of the store differ from ours.
    @ivar moved: whether the place up to which we had read is not in the history of the
        store: everything has to be read again.
    """

    rows: Sequence[Row]
    position: Position
    more: bool
    shift: Shift
    moved: bool = False
