# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A web site of a node: bound to loopback by default, and closed with all its
connections when the node stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Site

from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import printable
from twisted_libp2p.transport.localservice import LocalService

__all__ = ["WebService"]

#: Number of connections that a site takes; one more is closed.
MAX_CONNECTIONS = 64

#: Number of characters that are logged of the path of a request.
MAX_PATH = 200

_log = Logger()


class _Channel(ProtocolWrapper):
    """
    A connection of a browser.
    """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end to the factory.
        """
        super().connectionLost(reason)
        self.factory.ended()


class _Door(WrappingFactory):
    """
    Takes L{MAX_CONNECTIONS} connections at the most, and can end them.
    """

    noisy = False
    protocol = _Channel

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._emptied: Deferred[None] | None = None

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any web server.
        """
        return "Site"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """
        Take a connection, if there is room.
        """
        if len(self.protocols) >= MAX_CONNECTIONS or self._emptied is not None:
            return None
        return super().buildProtocol(addr)

    def empty(self) -> Deferred[None]:
        """
        End all connections.

        @return: fires when they have ended.
        """
        emptied: Deferred[None] = Deferred()
        self._emptied = emptied
        for channel in list(self.protocols):
            channel.transport.abortConnection()
        self.ended()
        return emptied

    def ended(self) -> None:
        """
        Fire the Deferred of L{empty} when the last connection has ended.
        """
        emptied = self._emptied
        if emptied is not None and not emptied.called and not self.protocols:
            emptied.callback(None)


class _Site(Site):
    """
    A site whose requests are of no interest to most readers of a log: Prometheus and
    load balancers make one every few seconds.
    """

    noisy = False

    def log(self, request: Any) -> None:
        """
        Log a request at level debug.
        """
        _log.debug(
            "{client} asked for {path}: {code}",
            client=request.getClientAddress(),
            path=printable(request.uri.decode("latin-1"), MAX_PATH),
            code=request.code,
        )


class WebService(LocalService):
    """
    Serves a web site for as long as it runs.
    """

    def __init__(
        self,
        reactor: Any,
        description: str,
        build: Callable[[], tuple[IResource, Callable[[], None]]],
        page: str = "",
    ) -> None:
        """
        Prepare the endpoint.

        @param reactor: the reactor that listens.
        @param description: the endpoint that it listens on, on loopback unless it
            names an C{interface}.
        @param build: called at each start; returns the root of the site, and the
            function that closes it.
        @param page: the page of the site to name in the log.
        @raise ConfigurationError: the endpoint is invalid.
        """
        super().__init__(reactor, description)
        self._build = build
        self._page = page
        self._close: Callable[[], None] = lambda: None
        self._door: _Door | None = None

    def makeFactory(self) -> _Door:
        """
        Make the site.
        """
        root, self._close = self._build()
        self._door = _Door(_Site(root, reactor=self.reactor))
        return self._door

    def placeOf(self, address: IAddress) -> object:
        """
        Return the URL of the page, if a browser can open it.
        """
        match address:
            case IPv4Address():
                return f"http://{address.host}:{address.port}/{self._page}"
            case IPv6Address():
                return f"http://[{address.host}]:{address.port}/{self._page}"
        return address

    async def closed(self) -> None:
        """
        End all connections.
        """
        close, self._close = self._close, lambda: None
        close()
        door, self._door = self._door, None
        if door is not None:
            await door.empty()
