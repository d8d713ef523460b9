# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The step at which the client of a proxy becomes known.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from zope.interface import implementer

from twisted_libp2p.connection.upgrade import Upgrade
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.pacing import Layer
from twisted_libp2p.pacing.below import switchable

__all__ = ["Locating"]


@implementer(IHalfCloseableProtocol)
class Locating(Layer):
    """
    Asks whether the client of a trusted proxy is wanted, and steps aside.

    The layers below know the client when they deliver the first bytes: from the
    C{X-Forwarded-For} of a WebSocket, from the header of the PROXY protocol, or from
    Twisted's endpoint C{haproxy:}.
    """

    def __init__(self, upgrade: Upgrade, wrappedProtocol: IProtocol) -> None:
        """
        @param upgrade: the future connection.
        """
        super().__init__(None, wrappedProtocol)
        self._upgrade = upgrade

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol to the transport itself.
        """
        self.connected = 1
        self.transport = transport
        self.wrappedProtocol.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Approve the client before its first bytes are read.
        """
        inner = self.wrappedProtocol
        if self._upgrade.proxied:
            try:
                self._upgrade.locate(self.transport.getPeer())
            except Libp2pError as error:
                self._upgrade.refuse(error)
                return
            switch = switchable(self.transport)
            if switch is not None:
                switch.switchProtocol(self, inner)
        if inner is not None:
            inner.dataReceived(data)
