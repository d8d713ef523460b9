# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Errors of text and bytes that do not parse.
"""

from __future__ import annotations

from twisted_libp2p.errors.base import Libp2pError

__all__ = [
    "InvalidInput",
    "InvalidKey",
    "InvalidMultiaddr",
    "InvalidPeerID",
    "InvalidRecord",
    "InvalidSignature",
]


class InvalidInput(Libp2pError, ValueError):
    """
    Text or bytes that do not parse.  Only the caller of the parser knows whether they
    came from a user or from a peer.
    """


class InvalidMultiaddr(InvalidInput):
    """
    Not a multiaddr, in text or in bytes.
    """


class InvalidPeerID(InvalidInput):
    """
    Not a peer id, in any of its text forms or in bytes.
    """


class InvalidKey(InvalidInput):
    """
    Not a key, not in its canonical encoding, or of a refused size.
    """


class InvalidSignature(InvalidInput):
    """
    A signature that was not made by the key that it names.
    """


class InvalidRecord(InvalidInput):
    """
    A signed envelope or peer record that contradicts itself.
    """
