# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ephemeral keys of SECIO, and the secret that two of them agree on.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.security.secio.suite import EXCHANGES

__all__ = ["EphemeralKey"]


class EphemeralKey:
    """
    Our key for one connection.

    @ivar public: its public half: an uncompressed point, 65, 97 or 133 bytes.
    """

    def __init__(
        self, exchange: str, private: ec.EllipticCurvePrivateKey | None = None
    ) -> None:
        """
        @param exchange: one of L{EXCHANGES}.
        @param private: the key, to repeat a known exchange in a test; None
            makes one.
        """
        self._curve = EXCHANGES[exchange]
        self._private = private or ec.generate_private_key(self._curve)
        self.public = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def agree(self, remote: bytes) -> bytes:
        """
        Find the secret that only the owners of both keys can.

        It is the X coordinate as go-libp2p's big integers write it: without
        leading zeros.  The specification does not say so, and one connection
        in 256 depends on it.

        @param remote: the public half of the peer's key.
        @raise InvalidInput: it is not an uncompressed point of the curve.
        """
        if len(remote) != len(self.public):
            raise InvalidInput(
                f"an ephemeral key of {len(remote)} bytes instead of {len(self.public)}"
            )
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(self._curve, remote)
        except ValueError:
            raise InvalidInput("an ephemeral key that is not on the curve") from None
        return self._private.exchange(ec.ECDH(), point).lstrip(b"\0")
