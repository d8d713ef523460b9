# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection to a TCP port before its transport, or its client, is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connection.upgrade import Upgrade
from twisted_libp2p.errors import (
    Libp2pError,
    NegotiationEnded,
    NegotiationFailed,
    UpgradeTimeout,
)
from twisted_libp2p.interfaces import FirstBytes, ISwitchable
from twisted_libp2p.pacing import Deadlines, Layer
from twisted_libp2p.pacing.below import switchable
from twisted_libp2p.transport.firstbytes import recognize
from twisted_libp2p.transport.proxies import tcpAddress
from twisted_libp2p.transport.proxyheader import readProxyHeader

__all__ = ["Arrival", "Branch"]


class Branch(Protocol):
    """
    One transport of a port.
    """

    def build(self, upgrade: Upgrade) -> IProtocol | None:
        """
        Build the layers of the transport for a connection that was accepted.

        @return: None if nobody wants the connection any longer.
        """


@implementer(IHalfCloseableProtocol)
class Arrival(Layer):
    """
    Reads the first bytes of an accepted connection, and leaves it to the transport that
    they are for.

    If a proxy states the address of its client by the PROXY protocol, this layer stays,
    and has that address for its peer.
    """

    _peer: IAddress | None = None
    _switch: ISwitchable | None = None
    _buffer = b""
    _over = False

    def __init__(
        self,
        upgrade: Upgrade,
        branches: Mapping[FirstBytes, Branch],
        deadlines: Deadlines,
    ) -> None:
        """
        @param upgrade: the future connection, whose deadline has begun.
        @param branches: the transports of the port now.
        @param deadlines: the time for the first bytes.
        """
        super().__init__(None)
        self._upgrade = upgrade
        self._branches = branches
        self._deadlines = deadlines
        # Whether the first bytes may be the header of the PROXY protocol.
        self._proxied = upgrade.proxied

    @classmethod
    def begin(
        cls,
        upgrade: Upgrade,
        branches: Mapping[FirstBytes, Branch],
        deadlines: Deadlines,
    ) -> Arrival | None:
        """
        Begin an upgrade with the first bytes.

        @return: None if nobody wants the connection any longer.
        """
        arrival = cls(upgrade, branches, deadlines)

        def drop() -> None:
            if arrival.connected:
                arrival.abortConnection()

        return arrival if upgrade.begin(drop) else None

    # What the transport below calls.

    def makeConnection(self, transport: Any) -> None:
        """
        Start the time for the first bytes.
        """
        super().makeConnection(transport)
        self._switch = switchable(transport)
        self._deadlines.begin(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Read the first bytes; pass on all others.
        """
        if self._over:
            if self.wrappedProtocol is not None:
                self.wrappedProtocol.dataReceived(data)
            return
        self._buffer += data
        try:
            kind = self._kind()
        except Libp2pError as error:
            self._refuse(error)
        else:
            if kind is not None:
                self._become(kind)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the transport.
        """
        if not self._over:
            self._end()
            error = NegotiationEnded(
                f"the connection ended before its first bytes:"
                f" {reason.getErrorMessage()}"
            )
            self._upgrade.fail(Failure(error))
        super().connectionLost(reason)

    def readConnectionLost(self) -> None:
        """
        Report that the peer sends nothing more, which is a failure before the first
        bytes.
        """
        if self._over:
            super().readConnectionLost()
        else:
            self._refuse(NegotiationEnded("the peer closed before its first bytes"))

    # What the protocol above calls.

    def getPeer(self) -> Any:
        """
        Return the address of the client, as a proxy may have stated it.
        """
        return super().getPeer() if self._peer is None else self._peer

    # The first bytes.

    def _kind(self) -> FirstBytes | None:
        """
        Find out for which transport the connection is.

        @return: None if more bytes are needed.
        @raise HandshakeFailed: the header of the PROXY protocol is malformed.
        """
        if self._proxied:
            header = readProxyHeader(self._buffer)
            if header is None:
                return None
            self._proxied = False
            self._buffer = self._buffer[header.size :]
            if header.client is not None:
                self._peer = tcpAddress(*header.client)
        branches = self._branches
        if len(branches) == 1:
            return next(iter(branches))
        if not self._buffer:
            return None
        return recognize(self._buffer, FirstBytes.RANDOM in branches)

    def timedOut(self) -> None:
        """
        Refuse a connection without first bytes.  A member of a private network may wait
        for our nonce.
        """
        silent = not (self._proxied and self._buffer)
        if FirstBytes.RANDOM in self._branches and silent:
            self._become(FirstBytes.RANDOM)
        else:
            seconds = self._deadlines.seconds
            self._refuse(UpgradeTimeout("the first bytes", seconds))

    def _become(self, kind: FirstBytes) -> None:
        """
        Leave the connection to a transport.
        """
        branch = self._branches.get(kind)
        if branch is None:
            self._refuse(
                NegotiationFailed(
                    f"the peer begins with {kind.value}, for which nobody listens here"
                )
            )
            return
        self._end()
        inner = branch.build(self._upgrade)
        if inner is None:
            self.transport.abortConnection()
            return
        self.wrappedProtocol = inner
        transport: Any = self
        if self._peer is None and self._switch is not None:
            transport = self.transport
            self._switch.switchProtocol(self, inner)
        data, self._buffer = self._buffer, b""
        inner.makeConnection(transport)
        if not data:
            return
        if self._switch is not None:
            self._switch.unread(data)
        elif self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)

    def _refuse(self, error: Exception) -> None:
        """
        Refuse the connection.
        """
        self._end()
        self._upgrade.refuse(error)

    def _end(self) -> None:
        """
        Read no more first bytes.
        """
        self._over = True
        self._deadlines.end(self)
        self._deadlines.rest()
