# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The port of a listener of QUIC.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from twisted_libp2p.quic.hub import QuicHub

__all__ = ["QuicListener"]


@implementer(IListeningPort)
class QuicListener:
    """
    A socket on which peers may connect.

    @ivar hub: the socket.
    """

    def __init__(self, hub: QuicHub) -> None:
        self.hub = hub
        self._host: IAddress = hub.port.getHost()

    def startListening(self) -> None:
        """
        Do nothing: it listens.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Let no further peer connect.  The socket is closed when its connections have
        ended.
        """
        self.hub.stopAccepting()
        return succeed(None)

    def getHost(self) -> IAddress:
        """
        Return the address on which it listens.
        """
        return self._host
