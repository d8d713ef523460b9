# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ports that several processes listen on: a way past one core.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from zope.interface import directlyProvides, providedBy

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.transport.binding import bindTCP

__all__ = ["SharedPorts"]


class SharedPorts:
    """
    The reactor, with TCP ports that other processes of the same user may listen
    on as well, if they do it in the same way: C{Node(SharedPorts(reactor), ...)}.

    The system gives each connection to one of them (C{SO_REUSEPORT}).  They
    share nothing else, and know nothing of each other.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: the reactor.
        @raise ConfigurationError: this system has no such ports.
        """
        if not hasattr(socket, "SO_REUSEPORT"):
            raise ConfigurationError(
                "this system has no ports that processes can share (SO_REUSEPORT)"
            )
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self,
        port: int,
        factory: IProtocolFactory,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """
        Listen, as C{IReactorTCP} says.
        """
        return bindTCP(self._reactor, port, factory, backlog, interface, shared=True)
