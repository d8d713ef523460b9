# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of port mapping.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import Event
from twisted_libp2p.portmap.lease import Port

__all__ = ["PortMapped", "PortMappingFailed", "PortMappingLost"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PortMapped(Event):
    """
    The gateway forwards a public port to a port of this node.

    @ivar port: the port of this node.
    @ivar way: the protocol by which the gateway was asked: C{"PCP"}, C{"NAT-PMP"} or
        C{"UPnP"}.
    @ivar addresses: the public addresses that lead here through it.
    """

    port: Port
    way: str
    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PortMappingLost(Event):
    """
    The gateway no longer forwards a port to this node, or this node has given it up.

    @ivar port: the port of this node.
    """

    port: Port


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PortMappingFailed(Event):
    """
    The gateway forwards no port to this node.  It is asked again later; the event comes
    again when the reason changes.

    @ivar port: the port of this node.
    @ivar reason: L{NoGateway<twisted_libp2p.errors.NoGateway>},
        L{MappingRefused<twisted_libp2p.errors.MappingRefused>}, or
        L{DoubleNAT<twisted_libp2p.errors.DoubleNAT>}.
    """

    port: Port
    reason: BaseException
