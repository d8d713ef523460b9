# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of peers that come and go, beside those of their connections.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import LocalError, SessionEnded
from twisted_libp2p.events import PeerConnected, PeerDisconnected
from twisted_libp2p.interfaces import Connection, Ending, IConnection

__all__ = ["arrival", "departure", "endingOf"]


def endingOf(reason: Failure) -> Ending:
    """
    Return the way in which a connection has ended.

    @param reason: the reason of its end.
    """
    error = reason.value
    if isinstance(error, (LocalError, ConnectionAborted)):
        return Ending.CLOSED
    if isinstance(error, (ConnectionDone, SessionEnded)):
        return Ending.LEFT
    return Ending.LOST


def arrival(time: float, connection: IConnection) -> PeerConnected:
    """
    Return the event of a peer that has its first connection.
    """
    return PeerConnected(
        time=time,
        peer=connection.remotePeer,
        connection=cast(Connection, connection),
    )


def departure(
    time: float, connection: IConnection, reason: Failure
) -> PeerDisconnected:
    """
    Return the event of a peer that has lost its last connection.
    """
    return PeerDisconnected(
        time=time,
        peer=connection.remotePeer,
        connection=cast(Connection, connection),
        reason=reason,
        ending=endingOf(reason),
    )
