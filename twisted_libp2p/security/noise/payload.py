# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The payload of libp2p inside a Noise handshake: our identity, and our muxers.

See libp2p/specs, noise/README.md and connections/inlined-muxer-negotiation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.protobuf.message import DecodeError

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity, PublicKey
from twisted_libp2p.wire.noise_pb2 import NoiseExtensions, NoiseHandshakePayload

__all__ = ["MOST_MUXERS", "Payload", "StaticKey", "chooseMuxer", "decode"]

#: The number of muxers that a peer may name.
MOST_MUXERS: Final = 100

_PREFIX: Final = b"noise-libp2p-static-key:"

# Peers that keep their static key return with the same proof, and to verify it takes as
# long as three shared secrets: docs/internals.rst.
_KEPT_PROOFS: Final = 256


@dataclass(frozen=True, slots=True)
class StaticKey:
    """
    Our static key, and the proof that it belongs to our identity.  It may
    serve any number of handshakes.

    @ivar private: the key.
    @ivar identityKey: the public key of the identity, encoded.
    @ivar signature: the identity's signature over the static key.
    @ivar certhashes: the multihashes of our certificates of WebTransport, for a
        handshake in such a session.
    """

    private: X25519PrivateKey
    identityKey: bytes
    signature: bytes
    certhashes: tuple[bytes, ...] = ()

    @classmethod
    def sign(
        cls, identity: Identity, private: X25519PrivateKey | None = None
    ) -> StaticKey:
        """
        Make a static key, and sign it.

        @param private: the key, to repeat a known handshake in a test; None
            makes one.
        """
        if private is None:
            private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        return cls(
            private, identity.publicKey.toBytes(), identity.sign(_PREFIX + public)
        )

    def payload(self, muxers: Sequence[str]) -> bytes:
        """
        Make our payload.

        @param muxers: the muxers to offer; if empty, the payload does not mention any.
        """
        return _encode(self.identityKey, self.signature, tuple(muxers), self.certhashes)


@lru_cache(64)
def _encode(
    identityKey: bytes,
    signature: bytes,
    muxers: tuple[str, ...],
    certhashes: tuple[bytes, ...],
) -> bytes:
    """
    Encode a payload, which is the same in all handshakes of a node.
    """
    message = NoiseHandshakePayload(identity_key=identityKey, identity_sig=signature)
    if muxers or certhashes:
        extensions = NoiseExtensions(
            stream_muxers=muxers, webtransport_certhashes=certhashes
        )
        message.extensions.CopyFrom(extensions)
    return message.SerializeToString()


class Payload(NamedTuple):
    """
    The payload of a peer.

    @ivar key: the key of its identity.
    @ivar muxers: the muxers that it has.
    @ivar certhashes: the multihashes of its certificates of WebTransport.
    """

    key: PublicKey
    muxers: tuple[str, ...]
    certhashes: tuple[bytes, ...]


def decode(payload: bytes, static: bytes) -> Payload:
    """
    Read a payload, and check that its identity owns the static key.

    @param static: the public static key that the payload came with.
    @raise InvalidInput: the payload does not parse, its key is refused, its
        signature is not by that key, or it names over L{MOST_MUXERS} muxers.
    """
    message = NoiseHandshakePayload()
    try:
        message.ParseFromString(payload)
    except DecodeError:
        raise InvalidInput("the payload is not a protobuf message") from None
    key = PublicKey.fromBytes(message.identity_key)
    _verify(key, message.identity_sig, static)
    muxers: tuple[str, ...] = tuple(message.extensions.stream_muxers)
    if len(muxers) > MOST_MUXERS:
        # go-libp2p ignores such a list; but then the peer, which has read
        # ours, may believe in an agreement.
        raise InvalidInput(f"the payload names {len(muxers)} muxers")
    if not all(isinstance(muxer, str) for muxer in muxers):
        # Protobuf returns bytes for a string that is not UTF-8.
        raise InvalidInput("the payload names a muxer that is not text")
    return Payload(key, muxers, tuple(message.extensions.webtransport_certhashes))


@lru_cache(_KEPT_PROOFS)
def _verify(key: PublicKey, signature: bytes, static: bytes) -> None:
    """
    Check that an identity has signed a static key.  Only good proofs are kept.

    @raise InvalidInput: it has not.
    """
    key.verify(signature, _PREFIX + static)


def chooseMuxer(initiators: Sequence[str], responders: Sequence[str]) -> str | None:
    """
    Choose the muxer by the rule of both sides: the first of the initiator's that the
    responder has.

    js-libp2p as the initiator takes the first of I{our} list that it has; so it
    comes to the same where both sides order theirs alike, and all
    implementations do.  rust-libp2p names no muxers.

    @return: None if one side named no muxers: it is to be negotiated later.
    @raise InvalidInput: the sides have no muxer in common.
    """
    if not initiators or not responders:
        return None
    for muxer in initiators:
        if muxer in responders:
            return muxer
    raise InvalidInput(
        f"no muxer in common: the initiator has {_listing(initiators)},"
        f" the responder {_listing(responders)}"
    )


def _listing(names: Sequence[str]) -> str:
    """
    Format names for an error; those of a peer may be many, long, and not printable.
    """
    text = ", ".join(map(repr, names))
    return text if len(text) <= 200 else text[:200] + "..."
