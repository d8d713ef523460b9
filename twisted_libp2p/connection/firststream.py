# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream for which a peer is dialed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import IConnection, IFirstStream

__all__ = ["FirstStream"]


@implementer(IFirstStream)
class FirstStream:
    """
    The stream for which a peer is dialed.

    A transport may open it before the peer has accepted us: its proposal, and the bytes
    that its protocol writes in C{connectionMade}, then save a round trip.  If that
    connection comes to nothing, and the dial leads to another one, the stream is opened
    again there, and the factory builds another protocol.
    """

    def __init__(
        self,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        allowLimited: bool,
    ) -> None:
        """
        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol.
        @param allowLimited: whether the stream may run over a relay.
        """
        self._protocols = protocols
        self._factory = factory
        self._allowLimited = allowLimited
        self._connection: IConnection | None = None
        self._opening: Deferred[Any] | None = None
        self._dropped = False

    def open(self, connection: IConnection) -> None:
        """
        Open the stream on a connection that the peer may still refuse, unless it is
        open on another one, or nobody wants it any longer: others may wait for the
        same dial.
        """
        if self._opening is None and not self._dropped:
            self._connection = connection
            self._opening = self._openOn(connection)
            if self._dropped:
                # Its protocol has ended the dial.
                self._drop()

    def whenOthersEnded(self, connection: IConnection) -> Deferred[None]:
        """
        Wait for the end of the connection that has the stream, if that is another one,
        and somebody wants the stream.
        """
        mine = self._connection
        if mine is None or mine is connection or self._dropped:
            return succeed(None)
        return mine.whenClosed()

    def connected(self, connection: IConnection) -> Deferred[Any]:
        """
        Return the Deferred of the stream, since the dial has led to a connection.
        """
        mine, opening = self._connection, self._opening
        if mine is None or opening is None:
            return self._openOn(connection)
        if mine is connection or mine.connected:
            return opening
        self._drop()
        return self._openOn(connection)

    def failed(self, reason: Failure) -> Failure:
        """
        Drop the stream, since the dial has failed, or was cancelled.
        """
        self._drop()
        return reason

    def _drop(self) -> None:
        self._dropped = True
        opening = self._opening
        if opening is not None:
            opening.addErrback(lambda reason: None)
            opening.cancel()

    def _openOn(self, connection: IConnection) -> Deferred[Any]:
        return connection.openStream(
            self._protocols, self._factory, allowLimited=self._allowLimited
        )
