# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A reactor that knows the addresses of one name, for endpoints that resolve names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import interfaces
from twisted.internet._resolver import HostResolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer

__all__ = ["ReactorThatKnows"]


@implementer(IHostnameResolver)
class _Resolved:
    """
    A resolver that gives the addresses of one name, which are known.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        resolution = HostResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for host in self._hosts:
            family = IPv6Address if ":" in host else IPv4Address
            resolutionReceiver.addressResolved(family("TCP", host, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(interfaces.IReactorPluggableNameResolver)
class ReactorThatKnows:
    """
    The reactor, with the addresses of one name.
    """

    def __init__(self, reactor: Any, hosts: Sequence[str]) -> None:
        self._reactor = reactor
        self.nameResolver = _Resolved(hosts)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        Not for this one: the resolver stays.
        """
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
