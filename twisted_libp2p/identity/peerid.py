# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peer ids: the names of peers, which are hashes of their public keys.

See libp2p/specs, peer-ids/peer-ids.md.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, total_ordering
from typing import Final, Literal

import base58

from twisted_libp2p.errors import InvalidInput, InvalidKey, InvalidPeerID
from twisted_libp2p.identity.keys import PublicKey
from twisted_libp2p.wire import multibase

__all__ = ["PeerID"]

# The first bytes of a multihash: the hash function, and the size of the hash.
_IDENTITY: Final = 0x00
_SHA256: Final = b"\x12\x20"

# Keys up to this size are their own hash.
_INLINE_KEY: Final = 42

# A CID: version 1, of a libp2p key.
_CID: Final = b"\x01\x72"

# The longest spelling is a CID in base16: 2 * (2 + 2 + 42) + 1 characters.
_LONGEST_TEXT: Final = 93

_PREFIXES: Final = {"base32": "b", "base36": "k"}


@total_ordering
class PeerID:
    """
    The id of a peer: immutable, hashable, ordered by its bytes.

    C{str()} returns the base58 form: C{12D3Koo...}, C{16Uiu2H...} or C{Qm...}.
    """

    __slots__ = ("_multihash", "_text")

    def __init__(self, multihash: bytes) -> None:
        """
        Read an id in bytes, as L{fromBytes} does.

        @param multihash: the bytes.
        @raise InvalidPeerID: these are not the bytes of a peer id.
        """
        if not isinstance(multihash, bytes | bytearray | memoryview):
            raise InvalidPeerID(
                f"{_typeOf(multihash)} is no multihash in bytes; PeerID.fromText reads"
                " a text such as 12D3KooW…"
            )
        if multihash[:2] != _SHA256 or len(multihash) != 34:
            if multihash[:1] != b"\x00":
                raise InvalidPeerID("a peer id is either a SHA-256 hash or a key")
            size = len(multihash) - 2
            if not 1 <= size <= _INLINE_KEY or multihash[1] != size:
                raise InvalidPeerID("a peer id that is a key, of a wrong length")
        self._multihash = bytes(multihash)
        self._text: str | None = None

    @classmethod
    def fromBytes(cls, multihash: bytes) -> PeerID:
        """
        Read an id in bytes.

        It is a multihash: SHA-256 of a key, or (the "identity" hash) a key of
        at most 42 bytes itself.  As in the other implementations, such a key is not
        checked here: an id that no peer can prove to own does no harm.

        @raise InvalidPeerID: these are not the bytes of a peer id.
        """
        return cls(multihash)

    @classmethod
    def fromKey(cls, key: PublicKey) -> PeerID:
        """
        Return the id that belongs to a key.
        """
        return _belongingTo(key.toBytes())

    @classmethod
    def of(cls, peer: PeerID | str) -> PeerID:
        """
        Return an id, which may be given in text.

        @raise InvalidPeerID: it is not a peer id; the message has an example.
        """
        if isinstance(peer, PeerID):
            return peer
        if not isinstance(peer, str):
            raise InvalidPeerID(
                f"a peer is named by a PeerID or its text, such as 12D3KooW…, not by"
                f" {_typeOf(peer)}"
            )
        return _read(peer)

    @classmethod
    def fromText(cls, text: str) -> PeerID:
        """
        Read an id in text: the base58 form, or a CID of version 1 whose codec
        is libp2p-key, in any base that L{twisted_libp2p.wire.multibase} knows.

        @raise InvalidPeerID: this is not the text of a peer id.
        """
        if text.startswith("/"):
            raise InvalidPeerID(
                f"{text[:_LONGEST_TEXT]!r} is an address, and no peer id: that stands"
                " after the last /p2p/ of an address"
            )
        if len(text) > _LONGEST_TEXT:
            raise InvalidPeerID("longer than any peer id, such as 12D3KooW…")
        try:
            if text.startswith(("1", "Qm")):
                return cls(multibase.decode("z" + text))
            cid = multibase.decode(text)
        except InvalidPeerID as error:
            raise InvalidPeerID(f"{text!r}: {error}") from None
        except InvalidInput:
            raise InvalidPeerID(
                f"{text!r} is no peer id, such as 12D3KooW…; an address begins with"
                " a slash, as /dns4/localhost/tcp/4001"
            ) from None
        if not cid.startswith(_CID):
            raise InvalidPeerID(
                f"{text!r} is no peer id, such as 12D3KooW…: it is not the CID of a"
                " libp2p key"
            )
        return cls(cid[len(_CID) :])

    def toBytes(self) -> bytes:
        """
        Return the multihash.
        """
        return self._multihash

    def toCID(self, base: Literal["base32", "base36"] = "base32") -> str:
        """
        Return the id as a CID, which fits into names of hosts (base36) and other
        places where upper and lower case are the same.
        """
        return multibase.encode(_PREFIXES[base], _CID + self._multihash)

    @property
    def holdsKey(self) -> bool:
        """
        Whether the id is meant to hold the key itself instead of a hash.
        """
        return self._multihash[0] == _IDENTITY

    def publicKey(self) -> PublicKey | None:
        """
        Return the key of this peer, if the id holds it.

        @return: None if the id is a hash, or the bytes in it are not a key.
        """
        if not self.holdsKey:
            return None
        try:
            return PublicKey.fromBytes(self._multihash[2:])
        except InvalidKey:
            return None

    def matches(self, key: PublicKey) -> bool:
        """
        Check whether this is the id that belongs to a key.
        """
        return self == PeerID.fromKey(key)

    def short(self) -> str:
        """
        Return the last characters of the text, enough to distinguish peers in a log.
        """
        return str(self)[-8:]

    def __str__(self) -> str:
        if self._text is None:
            self._text = _textOf(self._multihash)
        return self._text

    def __repr__(self) -> str:
        return f"<PeerID {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PeerID):
            return NotImplemented
        return self._multihash == other._multihash

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, PeerID):
            return NotImplemented
        return self._multihash < other._multihash

    def __hash__(self) -> int:
        return hash(self._multihash)


@lru_cache(256)
def _belongingTo(encoded: bytes) -> PeerID:
    """
    Return the id that belongs to a key; several parts of a connection ask for it.

    @param encoded: the protobuf encoding of the key.
    """
    if len(encoded) <= _INLINE_KEY:
        return PeerID(bytes((_IDENTITY, len(encoded))) + encoded)
    return PeerID(_SHA256 + hashlib.sha256(encoded).digest())


@lru_cache(256)
def _textOf(multihash: bytes) -> str:
    """
    Return an id in text.  Each connection has its own object for a peer, and is logged
    with its text, which takes 20 microseconds to make.
    """
    return base58.b58encode(multihash).decode()


@lru_cache(128)
def _read(text: str) -> PeerID:
    """
    Read an id in text.  Programs give the same text again and again, and reading one
    takes as long as verifying a signature.
    """
    return PeerID.fromText(text)


def _typeOf(value: object) -> str:
    return "None" if value is None else type(value).__name__
