# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rules of values: each namespace, such as C{/pk/}, has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import Attribute, Interface, implementer

from twisted_libp2p.dht.messages import MAX_VALUE
from twisted_libp2p.errors import InvalidKey, InvalidPeerID, InvalidRecord
from twisted_libp2p.identity import PeerID, PublicKey

__all__ = ["AnyValue", "IValidator", "PublicKeyValidator", "Validators", "peerOf"]


class IValidator(Interface):
    """
    The rules of one namespace of values.
    """

    maximum: int = Attribute("Maximum size of a value in bytes.")

    def validate(key: bytes, value: bytes, now: float) -> None:
        """
        Check a value.

        @param key: the whole key, such as C{b"/ipns/..."}.
        @param value: the value, not longer than C{maximum}.
        @param now: the time in seconds since the epoch.
        @raise twisted_libp2p.errors.InvalidRecord: the value may not be stored.
        """

    def select(key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the index of the best value.

        @param values: at least one value; all of them are valid.
        """


def peerOf(key: bytes) -> PeerID:
    """
    Return the peer in a key of the form C{/namespace/peer}, where it is binary.

    @raise InvalidRecord: the key has another form.
    """
    try:
        return PeerID.fromBytes(key[key.index(b"/", 1) + 1 :])
    except (ValueError, InvalidPeerID):
        raise InvalidRecord("a key that does not end with a peer id") from None


@implementer(IValidator)
class PublicKeyValidator:
    """
    The rules of C{/pk/}: the value is the public key of the peer in the key.
    """

    maximum = 4096

    def validate(self, key: bytes, value: bytes, now: float) -> None:
        """
        Check whether the key belongs to the peer.
        """
        peer = peerOf(key)
        try:
            found = PublicKey.fromBytes(value)
        except InvalidKey as error:
            raise InvalidRecord(f"a value that is not a key: {error}") from None
        if not peer.matches(found):
            raise InvalidRecord("the public key of another peer")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the first: all are the same key.
        """
        return 0


@implementer(IValidator)
class AnyValue:
    """
    Takes any value of a namespace, and prefers the first: for networks whose peers
    trust each other.
    """

    maximum = MAX_VALUE

    def validate(self, key: bytes, value: bytes, now: float) -> None:
        """
        Accept it.
        """

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the first.
        """
        return 0


class Validators:
    """
    The rules of all namespaces of a network.
    """

    def __init__(self, namespaces: Mapping[str, IValidator]) -> None:
        """
        Make the rules of a network.

        @param namespaces: the rules by namespace, such as C{"pk"}.
        """
        self._namespaces = {
            name.encode(): validator for name, validator in namespaces.items()
        }

    def validate(self, key: bytes, value: bytes, now: float) -> None:
        """
        Check a value.

        @raise InvalidRecord: no rules for its namespace are known, it is too long, or
            its rules refuse it.
        """
        validator = self._of(key)
        if len(value) > validator.maximum:
            raise InvalidRecord(
                f"a value of {len(value)} bytes: {validator.maximum} are allowed"
            )
        validator.validate(key, value, now)

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the index of the best of several valid values.
        """
        return self._of(key).select(key, values)

    def _of(self, key: bytes) -> IValidator:
        start, name, rest = (*key.split(b"/", 2), b"", b"")[:3]
        found = self._namespaces.get(name)
        if start or not rest or found is None:
            known = ", ".join(sorted(each.decode() for each in self._namespaces))
            raise InvalidRecord(
                f"a key has to be /NAMESPACE/REST, with one of these: {known}"
            )
        return found
