# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reactors whose ports are opened in another way: ports that several processes listen on,
and ports that another program has opened for this process.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from zope.interface import alsoProvides, directlyProvides, providedBy

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IInheritsPorts
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.binding import bindTCP
from twisted_libp2p.transport.inherited import InheritedSocket

__all__ = ["InheritedPorts", "OtherPorts", "SharedPorts"]

#: Whether the system gives the connections that wait for a closed socket to others.
_MIGRATION: Final = Path("/proc/sys/net/ipv4/tcp_migrate_req")


class OtherPorts:
    """
    The reactor, but its TCP ports are opened in another way.  A port of IPv6 accepts
    IPv6 alone.
    """

    #: Whether other processes may listen on its ports.
    _shared = False

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: the reactor (C{IReactorSocket}).
        """
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
        return bindTCP(
            self._reactor, port, factory, backlog, interface, shared=self._shared
        )


class SharedPorts(OtherPorts):
    """
    The reactor, with TCP ports that other processes of the same user may listen
    on as well, if they do it in the same way: C{Node(SharedPorts(reactor), ...)}.

    The system gives each connection to one of them (C{SO_REUSEPORT}).  They
    share nothing else, and know nothing of each other.
    """

    _shared = True
    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: the reactor.
        @raise ConfigurationError: this system has no such ports.
        """
        if not hasattr(socket, "SO_REUSEPORT"):
            raise ConfigurationError(
                "this system has no ports that processes can share (SO_REUSEPORT)"
            )
        super().__init__(reactor)
        # Only Linux has this file.
        with suppress(OSError):
            if _MIGRATION.read_text().strip() == "0":
                self._log.info(
                    "a process that ends takes the connections along that wait for it:"
                    " sysctl net.ipv4.tcp_migrate_req=1 gives them to the others"
                )


class InheritedPorts(OtherPorts):
    """
    The reactor, with ports on sockets that another program has opened and bound for
    this process.  Other addresses are bound as usual.
    """

    def __init__(self, reactor: Any, sockets: Iterable[InheritedSocket]) -> None:
        """
        @param reactor: the reactor, which adopts the sockets (C{IReactorSocket}).
        @param sockets: the sockets; their descriptors stay open.
        """
        super().__init__(reactor)
        alsoProvides(self, IInheritsPorts)
        self._sockets: dict[tuple[str, str, int], deque[InheritedSocket]] = {}
        for each in sockets:
            key = (each.protocol, each.host, each.requested)
            self._sockets.setdefault(key, deque()).append(each)

    def _next(self, protocol: str, host: str, port: int) -> InheritedSocket | None:
        """
        Return a socket of an address; if there are several, as of port 0, each time
        another.
        """
        found = self._sockets.get((protocol, host, port))
        if found is None:
            return None
        found.rotate(-1)
        return found[-1]

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
        inherited = self._next("tcp", interface, port)
        if inherited is None:
            return super().listenTCP(port, factory, backlog, interface)
        os.set_blocking(inherited.descriptor, False)
        try:
            adopted: IListeningPort = self._reactor.adoptStreamPort(
                inherited.descriptor, inherited.family, factory
            )
        except OSError as problem:
            raise CannotListenError(interface, port, problem) from None
        return adopted

    def datagramSocket(self, host: str, port: int) -> socket.socket | None:
        """
        Return a copy of the UDP socket of an address; None if no other program has
        opened one.
        """
        inherited = self._next("udp", host, port)
        return None if inherited is None else inherited.copy()
