# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The network that the node of an endpoint string joins.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.dht.scope import AMINO
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.discovery.bootstraplist import bootstrapPeers
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node import Node
from twisted_libp2p.options.listening import freeAddresses
from twisted_libp2p.quic.backends import installed
from twisted_libp2p.relay.autorelay import AutoRelay

__all__ = ["Joining"]


@dataclass(frozen=True, slots=True)
class Joining:
    """
    A network: its first peers, and its DHT.

    @ivar bootstrap: the first peers: an address, a file, or C{public}.
    @ivar prefix: the prefix of the DHT.
    """

    bootstrap: str
    prefix: str = AMINO

    @classmethod
    def of(cls, bootstrap: str | None, prefix: str | None) -> Joining | None:
        """
        Read the arguments of an endpoint string.

        @return: None without arguments.
        @raise ConfigurationError: one of them is missing, or unusable.
        """
        if bootstrap is None:
            if prefix is not None:
                raise ConfigurationError(
                    "libp2p: dht= needs bootstrap=, a peer of that network"
                )
            return None
        joining = cls(bootstrap, AMINO if prefix is None else prefix)
        # An unusable value is an error of the string, not of its first use.
        joining._services()
        return joining

    def _services(self) -> tuple[Bootstrap, KademliaDHT, AutoRelay]:
        return (
            Bootstrap(bootstrapPeers(self.bootstrap, "libp2p: bootstrap=")),
            KademliaDHT(self.prefix),
            AutoRelay(),
        )

    async def join(self, node: Node) -> None:
        """
        Let a node stay connected with the first peers, find others by their ids alone,
        be found by its own, and be reached through relays if it cannot be dialed.

        A node that listens nowhere listens on any ports first: holes are punched from
        the ports from which others see it.
        """
        if not list(node.listeners):
            for each in freeAddresses(installed()):
                await node.listenOn(each)
        for service in self._services():
            node.add(service)
