# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our own identify message: which facts it states, and to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.identity import Identity
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.identify_pb2 import Identify as Message

__all__ = ["MAX_OWN_MESSAGE", "Description", "describe", "visible"]

#: Maximum size of our own message in bytes: rust-libp2p takes no more.
MAX_OWN_MESSAGE = 4096

#: The tag of the observed address: field 4, of bytes.
_OBSERVED = b"\x22"


def visible(addresses: Iterable[Multiaddr], at: Multiaddr | None) -> list[Multiaddr]:
    """
    Select the addresses that are useful to a peer: public addresses for a public
    peer, all but loopback for a peer of a private network, all for a peer of this
    host.

    @param at: the address of the peer.
    """
    scope = Scope.UNKNOWN if at is None else Scope.of(at)
    if scope is Scope.PUBLIC:
        hidden = {Scope.LOOPBACK, Scope.LINK_LOCAL, Scope.PRIVATE}
    elif scope in (Scope.PRIVATE, Scope.LINK_LOCAL):
        hidden = {Scope.LOOPBACK}
    else:
        hidden = set()
    return [each for each in addresses if Scope.of(each) not in hidden]


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
