# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The targets of a dial: a peer, an address, or both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeGuard

from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.transport.endpoint import PREFIX

__all__ = ["Target", "isEndpoint", "parse"]

#: A peer or an address.
Target = str | Multiaddr | PeerID


def isEndpoint(
    target: Target | IStreamClientEndpoint,
) -> TypeGuard[str | IStreamClientEndpoint]:
    """
    Check whether a target is an endpoint, which has no address.
    """
    if isinstance(target, str):
        return target.startswith(PREFIX)
    found: bool = IStreamClientEndpoint.providedBy(target)
    return found


def parse(target: Target) -> tuple[PeerID | None, list[Multiaddr]]:
    """
    Take a target apart.

    @return: the peer that has to answer, None if any peer may; and its address.
    @raise InvalidMultiaddr: it begins with a slash and is not an address.
    @raise InvalidPeerID: it is not a peer id.
    """
    if isinstance(target, PeerID):
        return target, []
    if isinstance(target, str):
        peer, address = _read(target)
    elif isinstance(target, Multiaddr):
        peer, address = _split(target)
    else:
        # Neither an id nor an address: the error says what would be right.
        return PeerID.of(target), []
    return peer, [address] if address else []


@lru_cache(128)
def _read(text: str) -> tuple[PeerID | None, Multiaddr | None]:
    """
    Read a target.  Programs give the same text again and again, and to read a peer id
    takes as long as to verify a signature.
    """
    if text.startswith("/"):
        return _split(Multiaddr(text))
    return PeerID.fromText(text), None


def _split(address: Multiaddr) -> tuple[PeerID | None, Multiaddr | None]:
    """
    Separate the peer from its address.
    """
    return address.peerID, address.withoutPeer() or None
