# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The services by which a node is reached, and by which it lets others be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node import Node
from twisted_libp2p.onuse import loadedOnUse

with loadedOnUse():
    from twisted_libp2p.portmap import service as portmap
    from twisted_libp2p.relay import autorelay, service

__all__ = ["addReaching"]

#: The word that stands for relays among the connected peers.
AUTO: Final = "auto"


def addReaching(node: Node, options: Mapping[str, Any]) -> None:
    """
    Add the services that the options name.

    @param options: C{relay-service}, C{port-mapping}, and the addresses C{relay}, or
        C{auto} for connected peers that are relays.
    @raise ConfigurationError: an address is not that of a relay.
    """
    if options["relay-service"]:
        node.add(service.RelayService())
    if options["port-mapping"]:
        node.add(portmap.PortMapping())
    relays = options["relay"]
    if relays == [AUTO]:
        node.add(autorelay.AutoRelay())
    elif AUTO in relays:
        raise ConfigurationError(
            f"--relay {AUTO} chooses relays by itself: leave it out, or the addresses"
        )
    elif relays:
        node.add(autorelay.AutoRelay(relays))
