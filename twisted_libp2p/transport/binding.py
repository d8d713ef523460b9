# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Listening sockets with options that have to be set before they are bound, for
which Twisted's own endpoints have no place.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

__all__ = ["bindTCP", "openTCP"]


def openTCP(
    port: int, backlog: int, interface: str, *, shared: bool = False
) -> socket.socket:
    """
    Open a socket that listens, on an IPv6 address for IPv6 alone.

    By default C{::} takes IPv4 connections too: the port could not be shared with
    C{0.0.0.0}, and IPv4 peers would have addresses of IPv6.

    @param shared: whether other processes may listen on the port as well.
    @raise CannotListenError: the address is taken, or is none of this host.
    """
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((interface, port))
        listener.listen(backlog)
    except OSError as problem:
        listener.close()
        raise CannotListenError(interface, port, problem) from None
    return listener


def bindTCP(
    reactor: Any,
    port: int,
    factory: IProtocolFactory,
    backlog: int,
    interface: str,
    *,
    shared: bool = False,
) -> IListeningPort:
    """
    Listen as C{IReactorTCP.listenTCP} does, on a socket of L{openTCP}.

    @param reactor: adopts the socket (C{IReactorSocket}).
    @param shared: whether other processes may listen on the port as well.
    @raise CannotListenError: the address is taken, or is none of this host.
    """
    # The reactor duplicates the descriptor.
    with openTCP(port, backlog, interface, shared=shared) as listener:
        try:
            adopted: IListeningPort = reactor.adoptStreamPort(
                listener.fileno(), listener.family, factory
            )
        except OSError as problem:
            raise CannotListenError(interface, port, problem) from None
    return adopted
