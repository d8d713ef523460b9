# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The numbers of a DHT node, for metrics and the status page.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from twisted_libp2p.dht.messages import MessageType
from twisted_libp2p.dht.query import Ending

__all__ = ["DHTUsage"]


@dataclass(frozen=True, slots=True)
class DHTUsage:
    """
    What a DHT node has done since it was made.

    @ivar sent: the requests that it has sent.
    @ivar failed: those of them without a valid answer.
    @ivar received: the requests of others.
    @ivar refused: the streams that were reset since a request broke the rules.
    @ivar lookups: its lookups, by the reason of their end.
    """

    sent: Counter[MessageType]
    failed: Counter[MessageType]
    received: Counter[MessageType]
    refused: int
    lookups: Counter[Ending]
