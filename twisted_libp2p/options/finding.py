# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options by which a node finds peers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from twisted_libp2p.discovery.bootstraplist import PUBLIC, bootstrapPeers
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IContentRouting, IHostService
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.command import whole
from twisted_libp2p.options.looking import AskingOptions
from twisted_libp2p.transport.private import PrivateNetwork

with loadedOnUse():
    from twisted_libp2p.discovery import bootstrap, meeting, providing
    from twisted_libp2p.discovery.rendezvous import client, point

__all__ = ["FindingOptions"]


class FindingOptions(AskingOptions):
    """
    The ways to find peers.
    """

    optParameters: ClassVar[list[Any]] = [
        ["dial-found", None, None, "dial found peers up to N connections", whole(1)],
    ]

    optFlags: ClassVar[list[Any]] = [
        ["rendezvous-service", None, "be a rendezvous point for peers"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bootstrap"] = []
        self["rendezvous"] = []
        self["namespace"] = []

    def opt_bootstrap(self, where: str) -> None:
        """
        stay connected to this peer, to those of a file, or public; may be repeated
        """
        self["bootstrap"].append(where)

    def opt_rendezvous(self, point: str) -> None:
        """
        meet peers at this point, /ip4/.../tcp/.../p2p/...; may be repeated
        """
        self["rendezvous"].append(point)

    def opt_namespace(self, name: str) -> None:
        """
        be found by this name there, or in the DHT, and find peers; may be repeated
        """
        self["namespace"].append(name)

    def discoveries(self, network: PrivateNetwork | None) -> Iterator[IHostService]:
        """
        Make the services that find peers.

        @param network: the private network of the node; None without one.
        @raise ConfigurationError: an option has no usable value.
        """
        if network is not None and PUBLIC in self["bootstrap"]:
            raise ConfigurationError(
                "--bootstrap public contradicts --psk: those peers are in no private"
                " network"
            )
        peers = [each for one in self["bootstrap"] for each in bootstrapPeers(one)]
        if peers:
            yield bootstrap.Bootstrap(peers)
        yield from self.askers(network)
        yield from self._rendezvous()
        if self["dial-found"] is not None:
            yield meeting.DialFound(self["dial-found"])

    def _rendezvous(self) -> Iterator[IHostService]:
        """
        Make the services of rendezvous.
        """
        if self["rendezvous-service"]:
            yield point.RendezvousPoint()
        points, names = self["rendezvous"], self["namespace"]
        if points and not names:
            raise ConfigurationError(
                "--rendezvous needs --namespace NAME, such as --namespace chess"
            )
        if names and not points and self.get("dht") is None:
            raise ConfigurationError(
                "--namespace needs --rendezvous ADDRESS, the point to register at, or"
                " --dht"
            )
        if points:
            yield client.RendezvousClient(points, names)

    def meetings(self, routing: IContentRouting) -> Iterator[IHostService]:
        """
        Make the services that find peers by what they provide.

        @param routing: the DHT.
        """
        if self["namespace"]:
            yield providing.ProviderDiscovery(routing, self["namespace"])
