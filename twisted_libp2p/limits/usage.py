# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of the limits at one moment, for status pages and metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from twisted_libp2p.identity import PeerID
from twisted_libp2p.limits.limits import ScopeLimits

__all__ = ["ScopeUsage", "Snapshot", "Usage"]


class Usage(NamedTuple):
    """
    The use of one scope: the fields of L{ScopeLimits}, in its order.

    @ivar connections: number of connections.
    @ivar inboundConnections: number of these that peers have opened.
    @ivar streams: number of streams.
    @ivar inboundStreams: number of these that peers have opened.
    @ivar memory: bytes by which windows exceed their initial size.
    """

    connections: int = 0
    inboundConnections: int = 0
    streams: int = 0
    inboundStreams: int = 0
    memory: int = 0

    @property
    def outboundConnections(self) -> int:
        """
        The number of connections that our side has opened.
        """
        return self.connections - self.inboundConnections

    @property
    def outboundStreams(self) -> int:
        """
        The number of streams that our side has opened.
        """
        return self.streams - self.inboundStreams


class ScopeUsage(NamedTuple):
    """
    The use of a scope and its limits.
    """

    used: Usage
    limits: ScopeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    The use of all scopes of a node, but those of networks.

    @ivar system: the whole node.
    @ivar transient: connections under upgrade and streams in negotiation.
    @ivar peers: by connected peer.
    @ivar protocols: by protocol; unused protocols may be among them.
    """

    system: ScopeUsage
    transient: ScopeUsage
    peers: Mapping[PeerID, Usage]
    protocols: Mapping[str, Usage]
