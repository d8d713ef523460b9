# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Onion services, which are dialed through the SOCKS port of Tor:
C{/onion3/KEY:PORT}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    IKeepsToProxy,
    IOpaqueDials,
    IOpaqueListeners,
    IProxy,
    ITransport,
    ITransportProvider,
)
from twisted_libp2p.transport.proxy import Proxy

__all__ = ["TOR_SOCKS", "OnionTransport", "Tor"]

#: The SOCKS port of Tor, as it is by default.
TOR_SOCKS: Final = Proxy.of("socks5://127.0.0.1:9050", "tor")


@implementer(ITransport, IKeepsToProxy, IOpaqueDials, IOpaqueListeners)
class OnionTransport:
    """
    Dials C{/onion3}, by a proxy that knows such names.
    """

    name = "onion3"
    byteStream = True

    def __init__(self, reactor: Any, proxy: IProxy = TOR_SOCKS) -> None:
        """
        @param reactor: what connects.
        @param proxy: the SOCKS port of Tor.
        """
        self._reactor = reactor
        self._proxy = proxy

    @classmethod
    def ofHost(cls, host: IHost) -> OnionTransport:
        """
        Make the transport of a node: through the proxy of the node if it has one.
        """
        return cls(host.reactor, host.proxy or TOR_SOCKS)

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether an address is that of an onion service, and no more.
        """
        return address.names == ("onion3",)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether an address is that of an onion service.
        """
        return self.canDial(address)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an onion service.

        @raise UnsupportedAddress: it is another address, or C{options.local} is given.
        """
        service = address.value("onion3")
        if service is None or len(address) > 1:
            raise UnsupportedAddress(
                f"{address} is not the address of an onion service"
            )
        if options.local is not None:
            raise UnsupportedAddress(f"Tor cannot dial from {options.local}")
        key, _, port = service.partition(":")
        return self._proxy.clientEndpoint(self._reactor, f"{key}.onion", int(port))

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Refuse to listen.

        @raise UnsupportedAddress: always.
        """
        raise UnsupportedAddress(
            f"{address} is listened on by its key, not by its address: by"
            " endpoint:onion:PORT:hiddenServiceDir=FOLDER, with the extra tor"
        )

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return nothing: it only dials.
        """
        return []

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Return None: Twisted has no addresses of onion services.
        """
        return None


@implementer(ITransportProvider)
@dataclass(frozen=True)
class Tor:
    """
    Provides the transport C{onion3} with a SOCKS port of its own:
    C{Node(transports=["tcp", Tor(socks="127.0.0.1:9150")])}.

    @ivar socks: the SOCKS port of Tor: C{HOST:PORT}, or a proxy as L{Proxy} has it.
    """

    socks: str = "127.0.0.1:9050"

    name = "onion3"
    description = "onion services, by another SOCKS port of Tor"

    def provide(self, host: IHost) -> OnionTransport:
        """
        Make the transport for a node.

        @raise ConfigurationError: the SOCKS port is malformed.
        """
        proxy = Proxy.of(_socks(self.socks), "--tor-socks")
        proxy.check(host.reactor, "--tor-socks")
        return OnionTransport(host.reactor, proxy)


def _socks(text: str) -> str:
    """
    Write a SOCKS port as a proxy.

    @raise ConfigurationError: its port is missing.
    """
    if text.startswith(("socks5:", "socks5h:")):
        return text
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(
            f"--tor-socks: {text!r} is not HOST:PORT, such as 127.0.0.1:9050"
        )
    return f"socks5://{text}"
