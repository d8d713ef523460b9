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
    Hello,
    Machines,
)
from twisted_libp2p_native import RtcConfig, RtcConnection

__all__ = ["machines"]


class _Machines:
    """
    Makes connections with one certificate of ours.
    """

    def __init__(self, config: RtcConfig) -> None:
        self._config = config
        self.ask = config.ask
        self.resume = config.resume

    def make(self, now: float, dialed: bool) -> Connection:
        """
        Make the machine of a connection.
        """
        return RtcConnection(self._config, now, dialed)

    def judge(self, now: float, source: bytes, hello: bytes) -> Hello:
        """
        Judge the first datagram of a peer.
        """
        return Hello(self._config.judge(now, source, hello))


def machines(certificate: WebCertificate) -> Machines:
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
    return _Machines(config)
