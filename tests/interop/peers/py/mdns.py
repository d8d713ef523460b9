# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Finding peers on the local network.
"""

from __future__ import annotations

from typing import Any

from libp2p.discovery.events.peerDiscovery import peerDiscovery
from libp2p.discovery.mdns.mdns import MDNSDiscovery
from output import printLine

__all__ = ["startMDNS"]


def startMDNS(host: Any) -> None:
    """
    Find peers, and be found by them, until the process ends.
    """

    def found(info: Any) -> None:
        addresses = [str(each) for each in info.addrs]
        printLine({"event": "found", "peer": str(info.peer_id), "addrs": addresses})

    peerDiscovery.register_peer_discovered_handler(found)
    (address, *_) = host.get_transport_addrs()
    port = int(address.value_for_protocol("tcp"))
    MDNSDiscovery(host.get_network(), port, host=host).start()
