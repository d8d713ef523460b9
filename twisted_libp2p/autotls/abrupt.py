# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
An end of TLS without a word of the server.  To lose a connection of TLS is to wait for
the server's own end, and a server may send bytes for ever instead.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

__all__ = ["AbruptEndpoint"]


class _Abrupt(ProtocolWrapper):
    """
    The transport of a client that waits for no end of the server.
    """

    transport: Any

    def loseConnection(self) -> None:
        """
        End the connection at once.
        """
        self.disconnecting = True
        self.transport.abortConnection()


class _AbruptFactory(WrappingFactory[_Abrupt]):
    """
    Builds such transports.
    """

    protocol = _Abrupt
    noisy = False


@implementer(IStreamClientEndpoint)
class AbruptEndpoint:
    """
    Connects clients whose C{loseConnection} ends the connection at once.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        """
        @param endpoint: opens the connections.
        """
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, and return the client.
        """
        connecting: Deferred[Any] = self._endpoint.connect(
            _AbruptFactory(protocolFactory)
        )
        return connecting.addCallback(lambda abrupt: abrupt.wrappedProtocol)
