# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of a DHT.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.dht.lookup import Report
from twisted_libp2p.events import Event
from twisted_libp2p.identity import PeerID

__all__ = ["CrowdedKey", "LookupEnded", "ServerModeChanged", "TableChanged"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LookupEnded(Event):
    """
    A lookup has ended.

    @ivar report: its result.
    """

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableChanged(Event):
    """
    A server has entered or left the routing table.

    @ivar peer: the server.
    @ivar added: whether it has entered.
    @ivar size: the number of servers in the table now.
    """

    peer: PeerID
    added: bool
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ServerModeChanged(Event):
    """
    This node has become a server of the DHT, or is one no longer.

    @ivar server: whether it is a server now.
    """

    server: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CrowdedKey(Event):
    """
    The servers nearest to a key are closer to it than by chance: someone may have made
    their ids in order to control the key.

    @ivar report: the lookup.
    @ivar size: the estimated number of servers in the network.
    """

    report: Report
    size: float
