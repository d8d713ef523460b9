# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The signatures of messages, and the ids of messages.

The signature covers C{libp2p-pubsub:} and the message without its signature.  The
specification does not say so, but all implementations leave the key out too.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Final

from twisted_libp2p.errors import InvalidKey, InvalidPeerID, InvalidSignature
from twisted_libp2p.identity import Identity, PeerID, PublicKey
from twisted_libp2p.pubsub.message import Message

__all__ = [
    "MessageID",
    "Sequence",
    "SignaturePolicy",
    "idOfAuthor",
    "idOfContent",
    "shapeFault",
    "sign",
    "verify",
]

_PREFIX: Final = b"libp2p-pubsub:"

#: The size of a sequence number in bytes.
_SEQUENCE_SIZE: Final = 8

#: Returns the id of a message.
MessageID = Callable[[Message], bytes]


class SignaturePolicy(Enum):
    """
    Which messages have a signature.
    """

    #: Every message has an author, a sequence number and a signature.
    STRICT_SIGN = "strict-sign"
    #: No message has any of them.
    STRICT_NO_SIGN = "strict-no-sign"


def idOfAuthor(message: Message) -> bytes:
    """
    Return the id of the specification: the author and its sequence number.
    """
    return (message.source or b"") + (message.sequence or b"")


def idOfContent(message: Message) -> bytes:
    """
    Return the SHA-256 hash of the data, for topics without authors.
    """
    return sha256(message.data).digest()


class Sequence:
    """
    The sequence numbers of an author: each is higher than all before, also over a
    restart, since they begin with the time in nanoseconds.
    """

    __slots__ = ("_last", "_now")

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Begin with the present time.

        @param now: returns the seconds since the epoch.
        """
        self._now = now
        self._last = 0

    def next(self) -> bytes:
        """
        Return the next number.
        """
        if not self._last:
            self._last = int(self._now() * 1e9)
        self._last += 1
        return (self._last % (1 << 64)).to_bytes(_SEQUENCE_SIZE, "big")


def sign(identity: Identity, message: Message) -> None:
    """
    Sign a message, which has its author and sequence number already.  The key is put
    into the message if the peer id does not contain it.
    """
    message.signature = identity.sign(_PREFIX + message.unsigned())
    if not identity.peerID.holdsKey:
        message.key = identity.publicKey.toBytes()


def shapeFault(message: Message, policy: SignaturePolicy) -> str | None:
    """
    Check whether a message has the fields that a policy demands.

    @return: the fault in words; None without one.
    """
    if policy is SignaturePolicy.STRICT_NO_SIGN:
        if message.source is not None or message.sequence is not None:
            return "it has an author where none may be"
        if message.signature is not None or message.key is not None:
            return "it has a signature where none may be"
        return None
    if not message.source:
        return "it has no author"
    if message.sequence is None or len(message.sequence) != _SEQUENCE_SIZE:
        return "its sequence number is not one of 8 bytes"
    if not message.signature:
        return "it has no signature"
    return None


def verify(message: Message) -> str | None:
    """
    Verify the signature of a message.

    @return: the fault in words; None if its author has signed it.
    """
    assert message.source is not None and message.signature is not None
    try:
        key = _key(message.source, message.key)
        key.verify(message.signature, _PREFIX + message.unsigned())
    except InvalidPeerID:
        return "its author is not a peer id"
    except InvalidKey as error:
        return f"its key is unusable: {error}"
    except InvalidSignature:
        return "its signature is wrong"
    return None


# Reading a key takes a third of the time of a verification, and few authors send most
# messages.
@lru_cache(512)
def _key(source: bytes, given: bytes | None) -> PublicKey:
    """
    Return the key of an author.

    @param given: the key that the message contains.
    @raise InvalidPeerID: the author is not a peer id.
    @raise InvalidKey: the key is missing, or it belongs to another peer.
    """
    author = PeerID.fromBytes(source)
    if given is None:
        found = author.publicKey()
        if found is None:
            raise InvalidKey("it is missing")
        return found
    key = PublicKey.fromBytes(given)
    if not author.matches(key):
        raise InvalidKey("it is that of another author")
    return key
