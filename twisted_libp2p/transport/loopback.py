# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Server endpoints that are bound to loopback, unless they name an interface: a status
page, a tunnel, and others that are for this machine alone.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from zope.interface import directlyProvides, providedBy

from twisted_libp2p.errors import ConfigurationError

__all__ = ["localServer", "loopback"]

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


def localServer(reactor: Any, description: str) -> IStreamServerEndpoint:
    """
    Parse a server endpoint.

    @param reactor: the reactor that listens.
    @param description: the endpoint, such as C{tcp:8080}.
    @return: the endpoint, on loopback unless it names an C{interface}.
    @raise ConfigurationError: it is invalid.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(
            reactor if _namesInterface(description) else _Loopback(reactor),
            loopback(description),
        )
    except Exception as error:
        # Parsers are plugins, and raise whatever they like.
        raise ConfigurationError(
            f"{description} is no server endpoint, as tcp:8080 is one:"
            f" {str(error) or type(error).__name__}"
        ) from None
    return endpoint
