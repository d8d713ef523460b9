# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Transports that would go around the proxy of their node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import alsoProvides, implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    IKeepsToProxy,
    IMuxedTransport,
    IOpaqueDials,
    IOpaqueListeners,
    IProxy,
    ITransport,
    IUpgrade,
)

__all__ = ["ListeningMuxedTransport", "ListeningTransport", "keepTo"]


class _ListeningOnly:
    """
    A transport that listens, and dials nothing: its dials would go around the proxy.
    """

    def __init__(self, transport: AnyTransport, proxy: IProxy) -> None:
        """
        @param transport: the transport.
        @param proxy: the proxy of the node.
        """
        self._proxy = proxy
        self.name: str = transport.name
        self.byteStream: bool = transport.byteStream
        self.canDial = transport.canDial
        self.canListen = transport.canListen
        self.listeningOn = transport.listeningOn
        self.toMultiaddr = transport.toMultiaddr
        # The dialer resolves no name for it.
        alsoProvides(self, IOpaqueDials)
        if IOpaqueListeners.providedBy(transport):
            alsoProvides(self, IOpaqueListeners)

    def _refuse(self, address: Multiaddr) -> NoReturn:
        raise UnsupportedAddress(
            f"{address} is not dialed: {self.name} would go around the proxy"
            f" {self._proxy}, which carries TCP alone"
        )


@implementer(ITransport)
class ListeningTransport(_ListeningOnly):
    """
    A transport of bytes that only listens.
    """

    def __init__(self, transport: ITransport, proxy: IProxy) -> None:
        super().__init__(transport, proxy)
        self.serverEndpoint = transport.serverEndpoint

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Refuse to dial.

        @raise UnsupportedAddress: always.
        """
        self._refuse(address)


@implementer(IMuxedTransport)
class ListeningMuxedTransport(_ListeningOnly):
    """
    A natively muxed transport that only listens.
    """

    def __init__(self, transport: IMuxedTransport, proxy: IProxy) -> None:
        super().__init__(transport, proxy)
        self.listen = transport.listen

    def dial(
        self,
        address: Multiaddr,
        upgrade: IUpgrade,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> None:
        """
        Refuse to dial.

        @raise UnsupportedAddress: always.
        """
        self._refuse(address)


def keepTo(
    proxy: IProxy | None, transports: Iterable[AnyTransport]
) -> list[AnyTransport]:
    """
    Keep the dials of transports to a proxy, if there is one: those that would go around
    it only listen.
    """
    return [
        each if proxy is None or IKeepsToProxy.providedBy(each) else _only(each, proxy)
        for each in transports
    ]


def _only(transport: AnyTransport, proxy: IProxy) -> AnyTransport:
    """
    Return a transport that only listens.
    """
    only: AnyTransport
    if IMuxedTransport.providedBy(transport):
        only = ListeningMuxedTransport(transport, proxy)
    else:
        only = ListeningTransport(transport, proxy)
    return only
