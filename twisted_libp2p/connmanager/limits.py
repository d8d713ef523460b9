# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The limits of a node, and how they fit the machine.  What they hold for is told
in L{twisted_libp2p.connmanager.scopes}.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from twisted_libp2p.connmanager.machine import descriptors as machineDescriptors
from twisted_libp2p.connmanager.machine import memory as machineMemory
from twisted_libp2p.connmanager.subnets import EXEMPT, SUBNETS, SubnetLimit
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID

__all__ = ["UNLIMITED", "Limits", "ScopeLimits"]

#: No limit.
UNLIMITED = sys.maxsize

KIB = 1024
MIB = 1024 * KIB


class ScopeLimits(NamedTuple):
    """
    The limits of one scope.

    Inbound is what peers open: what is left of the total is ours alone.

    @ivar connections: how many there may be.
    @ivar inboundConnections: how many of these may be inbound.
    @ivar streams: how many there may be.
    @ivar inboundStreams: how many of these may be inbound.
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
    @ivar transient: what is not known yet.  At C{transient.connections} a
        newcomer is not refused: the upgrade that has lasted longest gives way.
    @ivar peer: each peer.
    @ivar protocol: each protocol; no connections, no memory.
    @ivar peers: other limits for peers that are named here.
    @ivar protocols: other limits for protocols that are named here.
    @ivar subnets: how many inbound connections may come from one network, and how
        fast.
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

    @classmethod
    def scaled(
        cls, connections: int | None = None, memory: int | None = None
    ) -> Limits:
        """
        Give limits that fit the machine.

        @param connections: the hard cap.  By default half of the file
            descriptors that the process may have, or one connection for 64 KiB
            of memory if that is less; but no less than 256.
        @param memory: how many bytes buffers may take.  By default an eighth
            of what the machine has, but no less than 128 MiB.
        @raise ConfigurationError: there would be no connection at all.
        """
        if memory is None:
            memory = max(machineMemory() // 8, 128 * MIB)
        if connections is None:
            connections = min(machineDescriptors() // 2, memory // (64 * KIB))
            connections = max(connections, 256)
        if connections < 1:
            raise ConfigurationError(
                f"at most {connections} connections make no node: at least 1 is needed"
            )
        streams = max(2048, memory // (64 * KIB))
        inbound = streams * 3 // 4
        return cls(
            system=ScopeLimits(
                connections, max(connections * 3 // 4, 1), streams, inbound, memory
            ),
            transient=ScopeLimits(
                connections=max(64, connections // 4), streams=streams // 4
            ),
            peer=ScopeLimits(8, 8, 1024, 512, 64 * MIB),
            protocol=ScopeLimits(streams=streams // 2, inboundStreams=inbound // 2),
        )

    @classmethod
    def none(cls) -> Limits:
        """
        Give no limits at all, for tests and for networks of friends.
        """
        nothing = ScopeLimits()
        return cls(
            system=nothing,
            transient=nothing,
            peer=nothing,
            protocol=nothing,
            subnets=(),
        )
