# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our part of a handshake of C{/tls/1.0.0}, next to OpenSSL's: to choose the application
protocol, and to judge the peer's certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Handshake, Secured
from twisted_libp2p.security.tls.certificate import authenticate

__all__ = ["APPLICATION_PROTOCOL", "PROTOCOL_ID", "Verdict"]

#: The protocol id of TLS.
PROTOCOL_ID: Final = "/tls/1.0.0"

#: The name of libp2p in ALPN, if no muxer is negotiated there.
APPLICATION_PROTOCOL: Final = b"libp2p"


class Verdict:
    """
    Our part of one handshake: L{select}, then L{judge}, and at the end L{complete}.

    @ivar refusal: the reason why the peer is refused, or None.
    """

    def __init__(self, handshake: Handshake, now: Callable[[], float]) -> None:
        """
        @param now: returns the seconds since 1970.
        """
        self.refusal: HandshakeFailed | None = None
        self._handshake = handshake
        self._muxers = {muxer.encode(): muxer for muxer in handshake.muxers}
        self._now = now
        self._judged: Secured | None = None

    @property
    def offer(self) -> list[bytes]:
        """
        The application protocols that we speak, in the order of preference.
        """
        return [*self._muxers, APPLICATION_PROTOCOL]

    @property
    def given(self) -> bool:
        """
        Whether the peer's own certificate was judged to be good.
        """
        return self.refusal is None and self._judged is not None

    def select(self, offered: Sequence[bytes]) -> bytes:
        """
        Choose the application protocol, as the server.

        @param offered: the protocols of the client, in its order of preference,
            which counts.
        @raise HandshakeFailed: no protocol in common.
        """
        for name in offered:
            if name in self._muxers or name == APPLICATION_PROTOCOL:
                return name
        self.refusal = HandshakeFailed(
            PROTOCOL_ID, "the peer offers no application protocol that we speak"
        )
        raise self.refusal

    def judge(self, certificate: bytes, depth: int, selected: bytes) -> bool:
        """
        Decide whether to refuse the peer, which has not proven yet that the certificate
        is its own.  OpenSSL may ask several times.

        @param certificate: a certificate of the peer in DER.
        @param depth: its position in the peer's chain.
        @param selected: the selected application protocol, or empty.
        @return: whether to go on.
        """
        if self.refusal is None and (depth or self._judged is None):
            try:
                self._judged = self._authenticate(certificate, depth, selected)
            except HandshakeFailed as error:
                self.refusal = error
            except InvalidInput as error:
                self.refusal = HandshakeFailed(
                    PROTOCOL_ID, f"the peer's certificate: {error}"
                )
        return self.refusal is None

    def _authenticate(self, certificate: bytes, depth: int, selected: bytes) -> Secured:
        if selected not in self._muxers and selected != APPLICATION_PROTOCOL:
            # A client may offer nothing, and a server may not answer.
            raise HandshakeFailed(PROTOCOL_ID, "no application protocol was agreed")
        if depth:
            raise InvalidInput("it is one of several")
        key = authenticate(certificate, self._now())
        peer = PeerID.fromKey(key)
        self._handshake.meet(PROTOCOL_ID, peer)
        return Secured(PROTOCOL_ID, peer, key, self._muxers.get(selected))

    def complete(self, certificates: int) -> Secured:
        """
        Accept the peer, which has proven that the certificate is its own.

        @param certificates: the number of certificates that the peer has sent.
        @return: the proven identity, and the negotiated muxer.
        @raise HandshakeFailed: too many certificates, or none was judged.
        """
        if self._judged is None or self.refusal is not None:
            # A resumed session would come without a certificate.
            raise HandshakeFailed(PROTOCOL_ID, "the peer's certificate was not judged")
        if certificates != 1:
            # OpenSSL shows only the certificates that it considers useful.
            raise HandshakeFailed(
                PROTOCOL_ID, "the peer's certificate: it is one of several"
            )
        return self._judged
