# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A port of ours, the lease of a public port for it, and the gateway that grants one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

__all__ = ["Gateway", "IPProtocol", "Lease", "Port"]


class IPProtocol(Enum):
    """
    The protocols above IP whose ports are mapped, with their numbers.
    """

    TCP = 6
    UDP = 17


@dataclass(frozen=True, slots=True)
class Port:
    """
    A port on which this node listens.

    @ivar protocol: its protocol.
    @ivar number: its number.
    """

    protocol: IPProtocol
    number: int

    def __str__(self) -> str:
        return f"{self.protocol.name.lower()}/{self.number}"


@dataclass(frozen=True, slots=True)
class Lease:
    """
    A public port that a gateway forwards to a port of ours.

    @ivar address: the public address.
    @ivar port: the public port.
    @ivar lifetime: the seconds that it lasts.
    """

    address: IPv4Address
    port: int
    lifetime: float


@dataclass(frozen=True, slots=True)
class Gateway:
    """
    The router of this host.

    @ivar address: its address in our network.
    @ivar local: our address in the same network.
    """

    address: IPv4Address
    local: IPv4Address
