# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The services by which a node is reached, and by which it lets others be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted_libp2p.node import Node
from twisted_libp2p.portmap.service import PortMapping
from twisted_libp2p.relay.autorelay import AutoRelay
from twisted_libp2p.relay.service import RelayService

__all__ = ["addReaching"]


def addReaching(node: Node, options: Mapping[str, Any]) -> None:
    """
    Add the services that the options name.

    @param options: C{relay-service}, C{port-mapping}, and the addresses C{relay}.
    @raise ConfigurationError: an address is not that of a relay.
    """
    if options["relay-service"]:
        node.add(RelayService())
    if options["port-mapping"]:
        node.add(PortMapping())
    if options["relay"]:
        node.add(AutoRelay(options["relay"]))
