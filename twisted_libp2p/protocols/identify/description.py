# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our own identify message: which facts it states, and to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.address.origin import LOCAL
from twisted_libp2p.identity import Identity
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.identify_pb2 import Identify as Message

__all__ = ["MAX_OWN_MESSAGE", "Audience", "Description", "describe", "visible"]

#: Maximum size of our own message in bytes: rust-libp2p takes no more.
MAX_OWN_MESSAGE = 4096

#: The tag of the observed address: field 4, of bytes.
_OBSERVED = b"\x22"


_ONIONS = ("onion", "onion3")


class Audience(Enum):
    """
    The place of a peer, as far as it matters for the addresses that are stated to it.
    """

    HOST = "this host"
    NETWORK = "a network of ours"
    PUBLIC = "anywhere"
    ONION = "Tor"

    @classmethod
    def of(cls, at: Multiaddr | None) -> Audience:
        """
        Return the place of a peer.

        @param at: the remote address of the connection to it.
        """
        if at is None:
            return cls.PUBLIC
        if at.first in _ONIONS:
            return cls.ONION
        scope = Scope.of(at)
        if scope is Scope.LOOPBACK or at.first in LOCAL:
            return cls.HOST
        return cls.NETWORK if scope in _NEAR else cls.PUBLIC


_NEAR = (Scope.PRIVATE, Scope.LINK_LOCAL)

# The scopes that are useless to each audience, or nobody's business there.
_HIDDEN = {
    Audience.NETWORK: {Scope.LOOPBACK},
    Audience.PUBLIC: {Scope.LOOPBACK, *_NEAR},
}


def visible(addresses: Iterable[Multiaddr], audience: Audience) -> list[Multiaddr]:
    """
    Select the addresses that are useful to a peer: all for a peer of this host, all but
    those of this host for a peer of a private network, and public ones for a peer
    anywhere else.

    A peer that is connected by Tor gets onion addresses alone: any other address would
    show where this node is.
    """
    if audience is Audience.HOST:
        return list(addresses)
    if audience is Audience.ONION:
        return [each for each in addresses if each.first in _ONIONS]
    hidden = _HIDDEN[audience]
    return [
        each
        for each in addresses
        if each.first not in LOCAL and Scope.of(each) not in hidden
    ]


class Description(NamedTuple):
    """
    Our own message without the observed address of the peer: the same for many
    peers.

    @ivar head: the encoded fields before the observed address.
    @ivar tail: the encoded fields after it.
    """

    head: bytes
    tail: bytes

    def message(self, observed: Multiaddr | None) -> bytes:
        """
        Return the message for one peer, with its length before it.

        @param observed: the peer's end of the connection, as we see it.
        """
        if observed is None:
            return delimit(self.head + self.tail)
        middle = _OBSERVED + delimit(observed.toBytes())
        return delimit(self.head + middle + self.tail)


def describe(
    identity: Identity,
    *,
    agent: str,
    protocolVersion: str,
    protocols: Iterable[str],
    addresses: Iterable[Multiaddr],
    room: int,
    seal: Callable[[tuple[Multiaddr, ...]], bytes],
) -> Description:
    """
    Make our own message.

    It has at most 4096 bytes: the last addresses or protocols are left out if there
    are too many.

    @param identity: our private key.
    @param agent: our software.
    @param protocolVersion: our network.
    @param protocols: the protocols that we serve.
    @param addresses: the addresses on which we listen.
    @param room: number of bytes to leave free for the observed address.
    @param seal: returns the signed record of some addresses.
    """
    listening, served = list(addresses), list(protocols)
    maximum = MAX_OWN_MESSAGE - len(_OBSERVED) - len(delimit(bytes(room)))
    while True:
        listed = [each.toBytes() for each in listening]
        description = Description(
            Message(
                publicKey=identity.publicKey.toBytes(),
                listenAddrs=listed,
                protocols=served,
            ).SerializeToString(),
            Message(
                protocolVersion=protocolVersion,
                agentVersion=agent,
                signedPeerRecord=seal(tuple(listening)),
            ).SerializeToString(),
        )
        if len(description.head) + len(description.tail) <= maximum or not (
            listening or served
        ):
            return description
        # Each address is in the message twice: the record has it too.
        size = 2 * sum(map(len, listed))
        longest: list[Any] = listening if size > sum(map(len, served)) else served
        del longest[len(longest) // 2 :]
