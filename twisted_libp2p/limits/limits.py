# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The limits of a node, and how they fit the machine.
L{twisted_libp2p.limits.scope} explains the counts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.limits.hostresources import descriptors as machineDescriptors
from twisted_libp2p.limits.hostresources import memory as machineMemory
from twisted_libp2p.limits.subnets import EXEMPT, SUBNETS, SubnetLimit

__all__ = ["UNLIMITED", "Limits", "ScopeLimits"]

#: No limit.
UNLIMITED = sys.maxsize

KIB = 1024
MIB = 1024 * KIB

#: Each limit is divided by this number for one peer, and for one address from which
#: peers come; identities and connections cost nothing.
SHARES = 8

#: The same for a whole site, which has many addresses.
SITE_SHARES = 4

#: Bytes of the memory for buffers for each connection and each stream.
PER_CONNECTION = 64 * KIB


class ScopeLimits(NamedTuple):
    """
    The limits of one scope.

    Peers open the inbound share; the rest of the total is for our side alone.

    @ivar connections: number of connections.
    @ivar inboundConnections: number of these that peers may open.
    @ivar streams: number of streams.
    @ivar inboundStreams: number of these that peers may open.
    @ivar memory: bytes by which windows may exceed their initial size.
    """

    connections: int = UNLIMITED
    inboundConnections: int = UNLIMITED
    streams: int = UNLIMITED
    inboundStreams: int = UNLIMITED
    memory: int = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    All limits of a node.  L{scaled} fits them to the machine; to change one::

        limits = Limits.scaled()
        limits = replace(limits, peer=limits.peer._replace(connections=2))

    @ivar system: the whole node; C{system.connections} is the hard cap.
    @ivar transient: connections under upgrade and streams in negotiation.  At
        C{transient.connections} a newcomer is not refused: the upgrade that has lasted
        longest gives way.
    @ivar peer: each peer.
    @ivar protocol: each protocol; no connections, no memory.
    @ivar peers: other limits for single peers.
    @ivar protocols: other limits for single protocols.
    @ivar subnets: the numbers of inbound connections from one network, and how fast
        they may come.
    @ivar exempt: networks whose connections are not counted by subnet.
    """

    system: ScopeLimits
    transient: ScopeLimits
    peer: ScopeLimits
    protocol: ScopeLimits
    peers: Mapping[PeerID, ScopeLimits] = field(default_factory=dict)
    protocols: Mapping[str, ScopeLimits] = field(default_factory=dict)
    subnets: Sequence[SubnetLimit] = SUBNETS
    exempt: Sequence[str] = EXEMPT

    def __post_init__(self) -> None:
        """
        Read peer ids that are text.

        @raise InvalidPeerID: a text is not a peer id.
        """
        peers = {PeerID.of(peer): limits for peer, limits in self.peers.items()}
        object.__setattr__(self, "peers", peers)

    @classmethod
    def scaled(
        cls,
        connections: int | None = None,
        memory: int | None = None,
        processes: int = 1,
    ) -> Limits:
        """
        Return limits that fit the machine.

        Whatever the machine's size, a peer, and an address from which peers come, has
        an eighth of the limits of all of them together at the most, but always two
        connections.

        @param connections: the hard cap.  By default half of the file
            descriptors that the process may have, or one connection for 64 KiB
            of memory if that is less.
        @param memory: number of bytes for buffers.  By default an eighth of the
            machine's memory, or of its container's.
        @param processes: number of processes that share this memory.
        @raise ConfigurationError: there would be no connection at all.
        """
        descriptors = machineDescriptors()
        if memory is None:
            memory = max(machineMemory() // 8 // processes, MIB)
        if connections is None:
            connections = min(descriptors // 2, memory // PER_CONNECTION)
            connections = max(connections, 1)
        if connections < 1:
            raise ConfigurationError(
                f"at most {connections} connections make no node: at least 1 is needed"
            )
        # Upgrades have descriptors as well; half of the rest is for listeners,
        # files and dials.
        spare = max(descriptors - connections, 0) // 2
        streams = max(memory // PER_CONNECTION, 16)
        inbound = ScopeLimits(
            max(connections * 3 // 4, 1),
            inboundStreams=streams * 3 // 4,
            memory=memory,
        )
        share = min(_share(inbound.connections, SHARES, 2), 8)
        return cls(
            system=ScopeLimits(
                connections,
                inbound.connections,
                streams,
                inbound.inboundStreams,
                memory,
            ),
            transient=ScopeLimits(
                connections=max(min(64, spare), connections // 4, 1),
                streams=max(streams // 4, 1),
            ),
            peer=ScopeLimits(
                share,
                share,
                min(_share(streams, SHARES, 2), 1024),
                min(_share(inbound.inboundStreams, SHARES), 512),
                min(memory // SHARES, 64 * MIB),
            ),
            protocol=ScopeLimits(
                streams=streams // 2, inboundStreams=inbound.inboundStreams // 2
            ),
            subnets=tuple(_within(limit, inbound) for limit in SUBNETS),
        )

    @classmethod
    def none(cls) -> Limits:
        """
        Return no limits at all, for tests and for networks of friends.
        """
        nothing = ScopeLimits()
        return cls(
            system=nothing,
            transient=nothing,
            peer=nothing,
            protocol=nothing,
            subnets=(),
        )


def _share(whole: int, parts: int, minimum: int = 1) -> int:
    """
    Return one part of so many, but no less than a minimum.
    """
    return max(whole // parts, minimum)


def _within(limit: SubnetLimit, inbound: ScopeLimits) -> SubnetLimit:
    """
    Limit networks to their share of the limits of all inbound connections.

    @param inbound: the limits of these together.
    """
    parts = SITE_SHARES if limit.site else SHARES
    return limit._replace(
        connections=min(limit.connections, _share(inbound.connections, parts, 2)),
        streams=_share(inbound.inboundStreams, parts),
        memory=_share(inbound.memory, parts),
    )
