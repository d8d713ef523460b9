# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options that say whom a node asks for the addresses of a peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from twisted.python.usage import Completions, UsageError

from twisted_libp2p.dht.mode import DHTMode
from twisted_libp2p.dht.scope import AMINO, DHTScope
from twisted_libp2p.discovery.bootstraplist import bootstrapPeers
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IHostService
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.completion import CompleteWords
from twisted_libp2p.options.node import NodeOptions
from twisted_libp2p.transport.private import PrivateNetwork

with loadedOnUse():
    from twisted_libp2p.dht import service, validators
    from twisted_libp2p.discovery.delegated import client
    from twisted_libp2p.discovery.mdns import service as mdns

__all__ = [
    "DHT_COMPLETIONS",
    "DHT_OPTIONS",
    "AskingOptions",
    "DHTClientOptions",
    "LookingOptions",
]

_SCOPES = ", ".join(each.value for each in DHTScope)

#: The options that name a DHT.
DHT_OPTIONS: list[Any] = [
    ["dht-prefix", None, AMINO, "prefix of the DHT, which separates networks"],
    ["dht-scope", None, "all", f"peers and addresses in the DHT: {_SCOPES}"],
]

#: Their values.
DHT_COMPLETIONS = Completions(
    optActions={"dht-scope": CompleteWords(each.value for each in DHTScope)}
)


class AskingOptions(NodeOptions):
    """
    The ways to find a peer that need no other peer: the local network, and servers.
    """

    optFlags: ClassVar[list[Any]] = [
        ["mdns", None, "find peers on the local network, and be found by them"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["mdns-interface"] = []
        self["routing-url"] = []

    def opt_mdns_interface(self, name: str) -> None:
        """
        look for peers on this interface, such as eth0, only; may be repeated
        """
        self["mdns-interface"].append(name)
        self["mdns"] = 1

    def opt_routing_url(self, url: str) -> None:
        """
        ask this server for peers, such as https://delegated-ipfs.dev; may be repeated
        """
        self["routing-url"].append(url)

    def askers(self, network: PrivateNetwork | None) -> Iterator[IHostService]:
        """
        Make the services that these options name.

        @param network: the private network of the node; None without one.
        @raise ConfigurationError: an option has no usable value.
        """
        if self["mdns"]:
            fingerprint = None if network is None else network.fingerprint
            yield mdns.MdnsService(fingerprint, self["mdns-interface"])
        yield from map(client.DelegatedRouting, self["routing-url"])


class DHTClientOptions(NodeOptions):
    """
    The options of a tool that asks a DHT.
    """

    optParameters: ClassVar[list[Any]] = DHT_OPTIONS
    compData = DHT_COMPLETIONS

    def __init__(self) -> None:
        super().__init__()
        self["bootstrap"] = []

    def opt_bootstrap(self, address: str) -> None:
        """
        ask a DHT, first this peer, those of a file, or public; may be repeated
        """
        try:
            self["bootstrap"].extend(bootstrapPeers(address))
        except ConfigurationError as error:
            raise UsageError(str(error)) from None

    def dht(self) -> service.KademliaDHT:
        """
        Make the service.

        @raise ConfigurationError: an option has no usable value.
        """
        return service.KademliaDHT(
            self["dht-prefix"],
            DHTMode.CLIENT,
            self["dht-scope"],
            self.validators(),
        )

    def validators(self) -> dict[str, validators.IValidator]:
        """
        Return the rules of namespaces of the user's own.
        """
        return {}


class LookingOptions(AskingOptions, DHTClientOptions):
    """
    The options of a tool that takes the id of a peer alone.
    """

    def routings(self, network: PrivateNetwork | None) -> list[IHostService]:
        """
        Make the services that find the addresses of a peer.

        @param network: the private network of the node; None without one.
        @raise ConfigurationError: an option has no usable value.
        """
        asked = [self.dht()] if self["bootstrap"] else []
        return [*asked, *self.askers(network)]
