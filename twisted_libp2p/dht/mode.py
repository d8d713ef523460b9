# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The modes of a DHT node.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from twisted_libp2p.address import Scope
from twisted_libp2p.dht.scope import DHTScope
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import AddressSource, Confidence, OwnAddress

__all__ = ["DHTMode", "reachable"]


class DHTMode(Enum):
    """
    Whether a node answers the requests of others.
    """

    CLIENT = "client"
    SERVER = "server"
    #: A server as long as other peers can reach this node.
    AUTO = "auto"

    @classmethod
    def of(cls, mode: DHTMode | str) -> DHTMode:
        """
        Return a mode, which may be given by its name.

        @raise ConfigurationError: the name is unknown.
        """
        try:
            return cls(mode)
        except ValueError:
            raise ConfigurationError(
                f"{mode!r} is not a mode of a DHT: client, server or auto"
            ) from None


def reachable(addresses: Iterable[OwnAddress], scope: DHTScope) -> bool:
    """
    Check whether other peers can reach this node.

    In a public DHT, and in one of all places, that takes a public address which a peer
    has confirmed, or which the user has configured.  In a private network it takes a
    listener.
    """
    for each in addresses:
        if each.address.relayed or each.confidence is Confidence.UNREACHABLE:
            continue
        if Scope.of(each.address) is not Scope.PUBLIC:
            if scope is DHTScope.PRIVATE and each.source is AddressSource.BOUND:
                return True
        elif (
            each.confidence is Confidence.CONFIRMED
            or each.source is AddressSource.ANNOUNCED
        ):
            return True
    return False
