# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A web site of a node: bound to loopback by default, and closed with all its
connections when the node stops.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import directlyProvides, providedBy

from twisted_libp2p.errors import ConfigurationError

__all__ = ["WebService", "loopback"]

#: Number of connections that a site takes; one more is closed.
MAX_CONNECTIONS = 64

#: By the kind of an endpoint: the loopback interface, and the number of positional
#: arguments that name another one.
_LOOPBACK = {
    "tcp": ("127.0.0.1", 2),
    "tcp6": (r"\:\:1", 3),
    "ssl": ("127.0.0.1", 5),
    "tls": (r"\:\:1", 4),
}

#: Kinds whose arguments are another endpoint.
_WRAPPERS = ("haproxy",)

#: The loopback interface in place of each wildcard.
_NARROWED = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def loopback(description: str) -> str:
    """
    Bind an endpoint to loopback, unless it names an interface.

    @param description: a server endpoint, such as C{tcp:8080}.
    @return: the same with an C{interface}, if its kind has one and it names none.
    """
    kind, *arguments = re.split(r"(?<!\\):", description)
    if kind in _WRAPPERS and arguments:
        return f"{kind}:{loopback(description.partition(':')[2])}"
    interface, positions = _LOOPBACK.get(kind, ("", 0))
    named = [each for each in arguments if "=" in each]
    if (
        not interface
        or _namesInterface(description)
        or len(arguments) - len(named) >= positions
    ):
        return description
    return f"{description}:interface={interface}"


class _Loopback:
    """
    The reactor, but ports that name no interface listen on loopback: for endpoints of
    other packages, whose syntax is unknown here.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """
        Listen, as C{IReactorTCP} says.
        """
        narrowed = _NARROWED.get(interface, interface)
        listening: IListeningPort = self._reactor.listenTCP(
            port, factory, backlog=backlog, interface=narrowed
        )
        return listening

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """
        Listen, as C{IReactorSSL} says.
        """
        narrowed = _NARROWED.get(interface, interface)
        listening: IListeningPort = self._reactor.listenSSL(
            port, factory, contextFactory, backlog=backlog, interface=narrowed
        )
        return listening


def _namesInterface(description: str) -> bool:
    """
    Return whether a description names an interface, however deep inside.
    """
    return _INTERFACE.search(description) is not None


# An argument C{interface}, or a wildcard by its position; no part of another argument,
# such as the path of a key.
_INTERFACE = re.compile(r"(?:^|:)(?:interface\\*=|(?:0\.0\.0\.0|\\+:\\+:)(?=$|\\*:))")


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


class WebService(Service):
    """
    Serves a web site for as long as it runs.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        description: str,
        build: Callable[[], tuple[IResource, Callable[[], None]]],
    ) -> None:
        """
        Prepare the endpoint.

        @param reactor: the reactor that listens.
        @param description: the endpoint that it listens on, on loopback unless it
            names an C{interface}.
        @param build: called at each start; returns the root of the site, and the
            function that closes it.
        @raise ConfigurationError: the endpoint is invalid.
        """
        self._reactor = reactor
        try:
            self._endpoint = serverFromString(
                reactor if _namesInterface(description) else _Loopback(reactor),
                loopback(description),
            )
        except Exception as error:
            # Parsers are plugins, and raise whatever they like.
            raise ConfigurationError(
                f"{description} is no server endpoint, as tcp:8080 is one:"
                f" {str(error) or type(error).__name__}"
            ) from None
        self._build = build
        self._close: Callable[[], None] = lambda: None
        self._door: _Door | None = None
        self._listening: Deferred[IListeningPort] | None = None
        self._port: IListeningPort | None = None
        self._failure: Failure | None = None

    def privilegedStartService(self) -> None:
        """
        Listen before C{twistd} changes its user, for only root may listen on low
        ports.

        @raise Exception: it cannot; the program should end.
        """
        super().privilegedStartService()
        self._listen()
        if self._failure is not None:
            self._failure.raiseException()

    def startService(self) -> None:
        """
        Listen; L{whenListening} reports the result.
        """
        super().startService()
        if self._listening is None:
            self._listen()

    def _listen(self) -> None:
        root, self._close = self._build()
        site = Site(root, reactor=self._reactor)
        site.noisy = False
        self._door = _Door(site)
        self._failure = None
        self._listening = self._endpoint.listen(self._door).addCallbacks(
            self._succeeded, self._failed
        )

    def _succeeded(self, port: IListeningPort) -> IListeningPort:
        self._port = port
        self._log.info("{name} on {address}", name=self.name, address=port.getHost())
        return port

    def _failed(self, reason: Failure) -> None:
        self._failure = reason
        if reason.check(CancelledError):
            return
        self._log.error(
            "no {name}: {error}", name=self.name, error=reason.getErrorMessage()
        )

    def whenListening(self) -> Deferred[IListeningPort]:
        """
        Wait until the service listens.

        @return: fires with the port; fails with the error of listening.
        """
        if self._listening is None:
            return fail(ConfigurationError(f"the {self.name} service is not started"))
        waiting: Deferred[IListeningPort] = Deferred()

        def report(port: Any) -> Any:
            if self._failure is None:
                waiting.callback(port)
            else:
                waiting.errback(self._failure)
            return port

        self._listening.addCallback(report)
        return waiting

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, and end all connections.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        close, self._close = self._close, lambda: None
        close()
        door, self._door = self._door, None
        if door is not None:
            await door.empty()
