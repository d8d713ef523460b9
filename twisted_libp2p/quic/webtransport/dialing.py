# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialing listeners of WebTransport, whose certificates the address names by their hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IQuicConnections,
    QuicEvent,
    QuicSettings,
)
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.begin import WebDial
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.pins import isPinned, pinsOf
from twisted_libp2p.quic.webtransport.certificate import VALIDITY
from twisted_libp2p.quic.webtransport.endpoint import WebTransportEndpoint
from twisted_libp2p.quic.webtransport.http3 import FrameType, encode, request
from twisted_libp2p.quic.webtransport.steps import STEPS, Step
from twisted_libp2p.quic.webtransport.streams import (
    CREATION_ERROR,
    REQUEST_FRAMES,
    Event,
    Request,
)
from twisted_libp2p.security.noise.channel import PROTOCOL_ID
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey

__all__ = ["PinnedJudge", "WebDialing", "WebTransportDialer"]

_LAYER = "webtransport"


class PinnedJudge(CertificateJudge):
    """
    Judges the certificate of a listener by its digest, as browsers do
    (serverCertificateHashes of W3C's WebTransport).
    """

    def __call__(self, data: bytes, expected: bytes | None) -> bytes:
        """
        Judge a certificate.

        @param data: the certificate in DER.
        @param expected: the digests of SHA-256 that it may have, joined.
        @return: its SubjectPublicKeyInfo in DER.
        @raise HandshakeFailed: it breaks a rule, or is another one.
        """
        if not isPinned(data, expected or b""):
            raise HandshakeFailed(
                _LAYER, "the certificate is not one that the address names"
            )
        try:
            certificate = x509.load_der_x509_certificate(data)
            key = certificate.public_key()
        except ValueError as error:
            raise HandshakeFailed(_LAYER, f"the certificate: {error}") from None
        begin = certificate.not_valid_before_utc.timestamp()
        end = certificate.not_valid_after_utc.timestamp()
        if not begin <= self._now() <= end:
            raise HandshakeFailed(_LAYER, "the certificate is not valid now")
        if end - begin > VALIDITY or isinstance(key, RSAPublicKey):
            raise HandshakeFailed(
                _LAYER, "the certificate has a key of RSA, or is valid for over 14 days"
            )
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class WebTransportDialer(WebTransportEndpoint):
    """
    A connection that we have dialed: we ask for the session, and begin the handshake of
    Noise on its first stream.
    """

    PROVEN = QuicEvent.CONFIRMED

    def __init__(
        self,
        below: IQuicConnections,
        handle: int,
        noise: Callable[[], NoiseHandshake],
        early: Sequence[Event],
        hashes: frozenset[bytes],
    ) -> None:
        """
        @param hashes: the multihashes that the address names.
        """
        super().__init__(below, handle, noise, early)
        self._hashes = hashes

    def _happened(self, event: Event, found: list[Event]) -> None:
        # What QUIC has confirmed is not yet the identity of the peer.
        if event[0] != QuicEvent.CONFIRMED:
            super()._happened(event, found)

    def _settled(self, settings: frozenset[int], found: list[Event]) -> None:
        """
        Ask for the session.
        """
        if self._request >= 0:
            raise InvalidInput("settings of HTTP/3 have come twice")
        host, port = self._below.address(self._handle)
        # A zone has a meaning only on this host (RFC 6874, section 1).
        host = host.partition("%")[0]
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = request(authority, settings)
        number = self._below.open(self._handle)
        if number is None:
            self._fail(found, "the peer allows no stream")
            return
        self._request = number
        self._streams[number] = Request(REQUEST_FRAMES)
        self._sendWhole(number, head, found)

    def _sendWhole(self, number: int, data: bytes, found: list[Event]) -> None:
        """
        Send a few bytes, for which every peer has room.
        """
        if self.write(self._handle, number, [data]) < len(data):
            self._fail(found, "the peer takes no bytes")

    def _answer(
        self, number: int, head: dict[bytes, bytes], found: list[Event]
    ) -> None:
        """
        Begin the handshake of Noise, if the peer has opened the session.
        """
        status = head.get(b":status", b"")[:3]
        if number != self._request:
            del self._streams[number]
            self._refuse(number, CREATION_ERROR)
        elif self._step is not Step.HTTP or status.startswith(b"1"):
            # Nothing that changes anything.
            return
        elif status != b"200":
            text = status.decode("ascii", "backslashreplace")
            self._fail(found, f"the peer has answered with status {text!r} of HTTP")
        else:
            self._asked(found)

    def _asked(self, found: list[Event]) -> None:
        self._step = stateAfter(STEPS, self._step, "answer")
        number = self._below.open(self._handle)
        if number is None:
            self._fail(found, "the peer allows no stream")
            return
        head = encode(FrameType.WEBTRANSPORT_STREAM) + encode(self._request)
        self._sendWhole(number, head + self._beginNoise(number), found)

    def _check(self, noise: NoiseHandshake) -> None:
        """
        Check that the peer knows each certificate that the address names: otherwise
        somebody has put one between.
        """
        if noise.secured and not self._hashes.issubset(noise.certhashes):
            raise HandshakeFailed(
                PROTOCOL_ID, "the peer does not have each certificate of its address"
            )


class WebDialing:
    """
    Dials listeners of WebTransport.

    @ivar settings: the settings of the endpoints to dial from.
    """

    def __init__(
        self, identity: Identity, settings: QuicSettings, wall: Callable[[], float]
    ) -> None:
        """
        @param settings: those of plain QUIC.
        @param wall: returns the seconds since 1970.
        """
        self.judge = PinnedJudge(wall)
        self.settings = replace(settings, judge=self.judge, alpn=(b"h3",), tickets=0)
        self._static = StaticKey.sign(identity)

    def dial(self, hashes: frozenset[bytes]) -> WebDial:
        """
        Return how a dial goes on.

        @param hashes: the multihashes that the address names.
        @raise ValueError: none of them is of SHA-256.
        """
        pins = pinsOf(hashes)

        def begin(
            below: IQuicConnections,
            handle: int,
            handshake: Handshake,
            early: Sequence[Event],
        ) -> WebTransportDialer:
            def noise() -> NoiseHandshake:
                return NoiseHandshake(replace(handshake, muxers=()), self._static)

            return WebTransportDialer(below, handle, noise, early, hashes)

        return WebDial(pins, begin)
