# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ends of connections, as typed errors.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    PeerUnresponsive,
    ProtocolViolation,
    SessionEnded,
    UpgradeTimeout,
)
from twisted_libp2p.interfaces import LossCause

__all__ = ["LAYER", "SECURITY", "failureOf", "lossOf"]

#: The name of QUIC in errors.
LAYER = "/quic-v1"

#: The security of its connections: TLS 1.3, with the certificates of C{/tls/1.0.0}.
SECURITY = "/tls/1.0.0"

#: Codes of the transport from here on are alerts of TLS (RFC 9001, 4.8).
_ALERTS = 0x100

#: The names of alerts that end a handshake (RFC 8446, 6.2).
_NAMES = {
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    45: "certificate expired",
    46: "certificate unknown",
    48: "unknown authority",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    80: "internal error",
    109: "missing extension",
    116: "certificate required",
    120: "no application protocol",
}

#: The code of a peer that takes no connection now.
_REFUSED = 0x2

#: The codes of a peer that leaves: no error, or its application (RFC 9000, 10.2.3).
_LEFT = (0x0, 0xC)


def lossOf(
    cause: LossCause, code: int, text: str, idle: float, layer: str = LAYER
) -> tuple[Failure, Failure]:
    """
    Return the reasons for the end of a connection that was in use.

    @param cause: the cause.
    @param code: the code of the application or the transport.
    @param text: the text, which may be the peer's.
    @param idle: seconds of silence that end a connection.
    @param layer: the name of the transport.
    @return: the reason for its streams, and that for itself.
    """
    if cause is LossCause.APPLICATION:
        ended = Failure(SessionEnded(code))
        return ended, ended if code else connectionDone
    if cause is LossCause.TIMEOUT:
        reason = Failure(PeerUnresponsive(idle))
    elif cause is LossCause.TRANSPORT:
        reason = Failure(ProtocolViolation(layer, f"error {code:#x}: {text}"))
    else:
        reason = Failure(ConnectionLost(text or cause.name.lower()))
    return reason, reason


def failureOf(
    cause: LossCause, code: int, text: str, seconds: float, layer: str = LAYER
) -> Exception:
    """
    Return the error for the end of a connection before it was ready.

    @param seconds: how long the peer had to answer.
    @param layer: the name of the transport.
    """
    if cause is LossCause.TIMEOUT:
        return UpgradeTimeout(
            "the handshake of QUIC" if layer == LAYER else f"the handshake of {layer}",
            seconds,
        )
    if cause is LossCause.VERSION:
        return HandshakeFailed(layer, "the peer does not speak version 1 of QUIC")
    if cause is LossCause.TRANSPORT and code >= _ALERTS:
        alert = code - _ALERTS
        name = f", {_NAMES[alert]}" if alert in _NAMES else ""
        detail = f": {text}" if text else ""
        return HandshakeFailed(layer, f"TLS alert {alert}{name}{detail}")
    if cause is LossCause.TRANSPORT and code == _REFUSED:
        return HandshakeFailed(layer, "the peer takes no further connection now")
    if cause is LossCause.APPLICATION:
        return HandshakeEnded(layer, f"the peer has closed, with code {code:#x}")
    if cause is LossCause.TRANSPORT and code in _LEFT:
        return HandshakeEnded(layer, "the peer has closed")
    return HandshakeFailed(layer, text or f"{cause.name.lower()} {code:#x}")
