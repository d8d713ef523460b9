# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reasons for which a secured connection is lost, as typed errors.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    ProtocolViolation,
    Truncated,
    departed,
)
from twisted_libp2p.security.machine import Channel

__all__ = ["cut", "unfinished"]


def unfinished(protocolID: str, reason: Failure) -> Failure:
    """
    Return the reason for which a handshake has failed whose transport is gone.

    @param reason: the reason for which the transport is gone.
    """
    if reason.check(HandshakeFailed):
        return reason
    kind = HandshakeEnded if departed(reason) else HandshakeFailed
    error = kind(
        protocolID,
        f"the connection ended during the handshake: {reason.getErrorMessage()}",
    )
    error.__cause__ = reason.value
    return Failure(error)


def cut(protocolID: str, channel: Channel, unread: bool, reason: Failure) -> Failure:
    """
    Distinguish a connection that was cut from one that has ended, if neither side has
    announced an end.

    @param unread: whether there are received bytes that the channel has not opened.
    @param reason: the reason for which the transport is gone.
    """
    if not reason.check(ConnectionDone):
        return reason
    if channel.announces:
        return Failure(Truncated(protocolID))
    if channel.truncated and not unread:
        return Failure(
            ProtocolViolation(protocolID, "the connection ended inside a frame")
        )
    return reason
