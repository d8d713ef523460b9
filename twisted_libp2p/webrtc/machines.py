# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The machines of DTLS and SCTP, by the distribution C{twisted-libp2p-native}.
"""

from __future__ import annotations

from twisted_libp2p.quic.webtransport.certificate import WebCertificate
from twisted_libp2p.webrtc.native import (
    HANDSHAKE_TIMEOUT,
    LOW,
    MAX_CHANNELS,
    RESEND,
    WINDOW,
    Connection,
    MakeConnection,
)
from twisted_libp2p_native import RtcConfig, RtcConnection

__all__ = ["machines"]


def machines(certificate: WebCertificate) -> MakeConnection:
    """
    Return what makes connections with a certificate of ours.
    """
    config = RtcConfig(
        certificate.data,
        certificate.key,
        WINDOW,
        LOW,
        MAX_CHANNELS,
        HANDSHAKE_TIMEOUT,
        RESEND,
    )

    def make(now: float, dialed: bool) -> Connection:
        return RtcConnection(config, now, dialed)

    return make
