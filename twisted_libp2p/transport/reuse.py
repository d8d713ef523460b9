# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dials from the port on which a node listens.

A router that translates addresses gives all connections of one port the same public
port.  So the address from which such dials are seen is one at which the node may be
reached, and a hole for it can be punched.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectBindError, ConnectError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.tcp import makeBinding
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["FallingBack", "ReusablePorts"]

#: The option by which sockets share a port; not everywhere.
_OPTION: Final = socket.SO_REUSEPORT if "SO_REUSEPORT" in vars(socket) else None

_WILDCARDS: Final = ("0.0.0.0", "::", "")


class ReusablePorts:
    """
    The ports on which a transport listens, for dials from there.
    """

    def __init__(self) -> None:
        self._ports: list[Any] = []

    def add(self, port: Any, listener: socket.socket) -> None:
        """
        Let dials share a port.

        The option is set after the port was bound: a port that is taken is still
        reported.

        @param port: the port.
        @param listener: its socket.
        """
        if _OPTION is not None:
            listener.setsockopt(socket.SOL_SOCKET, _OPTION, 1)
            self._ports = [*self._open(), port]

    def _open(self) -> list[Any]:
        """
        Return the ports that listen still.
        """
        return [each for each in self._ports if each.connected]

    def binding(self, family: str) -> Any:
        """
        Return the place to dial from.

        @param family: C{ip4} or C{ip6}.
        @return: the place, for C{bindAddress}; None without a port of this family that
            peers elsewhere might reach.
        """
        hosts = [each.getHost() for each in self._open()]
        fitting = [
            each
            for each in hosts
            if (":" in each.host) is (family == "ip6")
            and each.host not in ("127.0.0.1", "::1")
        ]
        # A wildcard leaves the choice of the interface to the system.
        fitting.sort(key=lambda each: each.host not in _WILDCARDS)
        if not fitting:
            return None
        return makeBinding(fitting[0].host, fitting[0].port, True, True)


@implementer(IStreamClientEndpoint)
class FallingBack:
    """
    Dials from a shared port, and from any other if that cannot be: because there is
    such a connection already, or was one a moment ago.
    """

    def __init__(
        self, shared: IStreamClientEndpoint, other: IStreamClientEndpoint
    ) -> None:
        self._shared = shared
        self._other = other

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """

        def failed(reason: Failure) -> Any:
            error = reason.value
            if reason.check(ConnectBindError) or (
                isinstance(error, ConnectError)
                and error.osError in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
            ):
                return self._other.connect(protocolFactory)
            return reason

        return self._shared.connect(protocolFactory).addErrback(failed)
