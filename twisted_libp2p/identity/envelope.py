# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Signed envelopes: bytes of a type that are signed for a purpose.

See libp2p/specs, RFC/0002-signed-envelopes.md.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from twisted_libp2p.errors import InvalidKey, InvalidRecord
from twisted_libp2p.identity.identity import Identity
from twisted_libp2p.identity.keys import PrivateKey, PublicKey
from twisted_libp2p.wire import delimit
from twisted_libp2p.wire.envelope_pb2 import Envelope as _Message

__all__ = ["Envelope"]


class Envelope:
    """
    A payload with the signature of a peer.

    Until it is opened, nothing in an envelope is proven.  Its bytes are kept as they
    came, because other peers verify them again.

    @ivar publicKey: the key of the peer that claims to have sealed it.
    @ivar payloadType: the type of the payload, a multicodec.
    """

    __slots__ = ("_encoded", "_payload", "_signature", "payloadType", "publicKey")

    def __init__(
        self,
        publicKey: PublicKey,
        payloadType: bytes,
        payload: bytes,
        signature: bytes,
        encoded: bytes,
    ) -> None:
        """
        Only for L{seal} and L{fromBytes}.
        """
        self.publicKey = publicKey
        self.payloadType = payloadType
        self._payload = payload
        self._signature = signature
        self._encoded = encoded

    @classmethod
    def seal(
        cls,
        signer: Identity | PrivateKey,
        domain: str,
        payloadType: bytes,
        payload: bytes,
    ) -> Envelope:
        """
        Sign a payload.

        @param domain: the purpose; the signature is not valid for any other.
        @raise InvalidRecord: the domain is empty.
        """
        signature = signer.sign(_signed(domain, payloadType, payload))
        key = signer if isinstance(signer, PrivateKey) else signer.privateKey
        encoded = _Message(
            public_key=key.public.toBytes(),
            payload_type=payloadType,
            payload=payload,
            signature=signature,
        ).SerializeToString(deterministic=True)
        return cls(key.public, payloadType, payload, signature, encoded)

    @classmethod
    def fromBytes(cls, data: bytes) -> Envelope:
        """
        Read an envelope without verifying it.

        @raise InvalidRecord: the data is not an envelope, or the key in it is
            not one.
        """
        message = _Message()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise InvalidRecord("an envelope that is not a protobuf message") from None
        try:
            key = PublicKey.fromBytes(message.public_key)
        except InvalidKey as error:
            raise InvalidRecord(f"an envelope whose key is none: {error}") from None
        return cls(
            key, message.payload_type, message.payload, message.signature, bytes(data)
        )

    def toBytes(self) -> bytes:
        """
        Return the envelope as it is sent.
        """
        return self._encoded

    def open(self, domain: str) -> bytes:
        """
        Verify the signature.

        @param domain: the purpose that it must have been signed for.
        @return: the payload.
        @raise InvalidRecord: the domain is empty.
        @raise twisted_libp2p.errors.InvalidSignature: the key did not sign
            this.
        """
        self.publicKey.verify(
            self._signature, _signed(domain, self.payloadType, self._payload)
        )
        return self._payload


def _signed(domain: str, payloadType: bytes, payload: bytes) -> bytes:
    """
    Return the bytes that the signature of an envelope covers.
    """
    if not domain:
        raise InvalidRecord("an envelope needs a domain")
    return b"".join(map(delimit, (domain.encode(), payloadType, payload)))
