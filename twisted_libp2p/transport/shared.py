# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ports that several processes listen on: a way past one core.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from zope.interface import directlyProvides, providedBy

from twisted_libp2p.errors import ConfigurationError

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
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                listener.bind((interface, port))
                listener.listen(backlog)
            except OSError as error:
                raise CannotListenError(interface, port, error) from None
            adopted: IListeningPort = self._reactor.adoptStreamPort(
                listener.fileno(), family, factory
            )
            return adopted
