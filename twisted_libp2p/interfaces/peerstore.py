# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a node knows of peers, whether they are connected or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import IntFlag
from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.identity import PeerID, PublicKey
    from twisted_libp2p.peerstore import PeerInfo

__all__ = ["IPeerStore", "Source"]


class Source(IntFlag):
    """
    Where an address of a peer comes from.  An address that comes from several
    places has all of their flags.
    """

    #: The user, or the application, has said so; never expires.
    CONFIGURED = 1
    #: We have dialed it; expires 15 minutes after the last connection.
    DIALED = 2
    #: The peer has said so on an authenticated connection; expires in an hour.
    IDENTIFY = 4
    #: The peer has signed it; expires in an hour.
    RECORD = 8
    #: Others have said so; expires in an hour.  Their names lead to public
    #: addresses alone.
    DISCOVERED = 16


class IPeerStore(Interface):
    """
    What is known of peers, whether they are connected or not.

    All questions are answered at once, from memory.  A store that keeps what
    it knows elsewhere writes behind, and knows less than all of it until
    L{whenLoaded} fires; L{lookup} asks further than memory.

    What is known is bounded.  Where there is too much, that goes which would
    expire next; what is known of connected and of protected peers stays.

    Addresses are given and taken without C{/p2p/...}: where that is at the
    end it is left out, and an address of another peer is ignored.
    """

    def prefer(dialable: Callable[[Multiaddr], bool]) -> None:
        """
        Keep addresses that can be dialed rather than others.

        If more addresses of a peer are known than there is room for, those that
        cannot be dialed are dropped first.  A node calls this when it is made.

        @param dialable: checks whether a transport of the node dials an address.
        """

    # Addresses

    def addresses(peer: PeerID | str) -> list[Multiaddr]:
        """
        @return: where the peer may be dialed, without C{/p2p/...}, the most
            promising first: what has worked last, then what has never
            failed, at the end what has failed just now.
        """

    def addAddresses(
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source = Source.DISCOVERED,
        ttl: float | None = None,
    ) -> None:
        """
        Learn where a peer may be dialed.  An address that is known already
        never expires earlier for it.

        @param source: who says so.
        @param ttl: seconds after which the addresses expire; by default as
            long as the source is good for.  No address of a connected peer
            expires.
        """

    def setAddresses(
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Learn all that one source has to say: as L{addAddresses}, and the
        addresses that only this source had told before are forgotten.
        """

    def removeAddresses(
        peer: PeerID | str, addresses: Iterable[Multiaddr | str]
    ) -> None:
        """
        Learn where a peer may not be dialed any more; it does not matter
        whether these addresses were known.
        """

    def succeeded(peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Learn that the peer has answered at an address.
        """

    def failed(peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Learn that the peer could not be reached at an address; nothing is
        learnt of an address that was not known.
        """

    def lookup(peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Ask further than memory, if no address of the peer is known there.

        @return: fires with what is found, for which memory may have no room;
            never fails, unless it is cancelled.
        """

    # Signed records

    def addRecord(
        peer: PeerID | str,
        envelope: bytes,
        usable: Collection[Multiaddr | str] | None = None,
    ) -> bool:
        """
        Learn a signed record (libp2p/specs, RFC/0003-routing-records.md): it
        replaces the addresses of older records.

        @param peer: whose record it ought to be.
        @param envelope: the record, in its envelope.
        @param usable: those of its addresses that mean anything here; all of
            them, by default.
        @return: False if it is another peer's, or no newer than the one that
            is known; it is ignored then.
        @raise twisted_libp2p.errors.InvalidRecord: it is no record.
        @raise twisted_libp2p.errors.InvalidSignature: its signature is wrong.
        """

    def record(peer: PeerID | str) -> bytes | None:
        """
        @return: the envelope of the last record of the peer, to pass on.
        """

    def certifiedAddresses(peer: PeerID | str) -> list[Multiaddr]:
        """
        @return: those of L{addresses} that the peer has signed.
        """

    # What a peer is

    def identified(
        peer: PeerID | str, agent: str, protocolVersion: str, protocols: Iterable[str]
    ) -> None:
        """
        Learn what a peer says it is; it replaces what it has said before.
        """

    def protocols(peer: PeerID | str) -> tuple[str, ...]:
        """
        @return: what the peer serves; empty if that is not known.
        """

    def publicKey(peer: PeerID | str) -> PublicKey | None:
        """
        @return: the key of the peer, if it is known.
        """

    def setPublicKey(peer: PeerID | str, key: PublicKey) -> None:
        """
        Learn the key of a peer.

        @raise twisted_libp2p.errors.InvalidKey: it is another's.
        """

    def dialect(peer: PeerID | str) -> str | None:
        """
        @return: how the peer negotiates on a fresh transport,
            C{"multistream"}, C{"sequential"} or C{"bootstrap"}; None if it is
            not known, or not known recently enough.
        """

    def setDialect(peer: PeerID | str, dialect: str) -> None:
        """
        Learn how the peer negotiates.
        """

    # Connections

    def connected(peer: PeerID | str, address: Multiaddr | str | None = None) -> None:
        """
        Learn that there is one more connection to a peer.

        @param address: where it was dialed, if it was.
        """

    def disconnected(peer: PeerID | str) -> None:
        """
        Learn that one connection has ended.
        """

    def protect(peer: PeerID | str) -> None:
        """
        Keep what is known of a peer until L{unprotect}, or until the program
        ends.
        """

    def unprotect(peer: PeerID | str) -> None:
        """
        End L{protect}.
        """

    # What the application says of peers

    def tags(peer: PeerID | str) -> dict[str, int]:
        """
        @return: the tags of the peer that have not expired.
        """

    def setTag(
        peer: PeerID | str, name: str, value: int = 0, ttl: float | None = None
    ) -> None:
        """
        Tag a peer.

        @param value: how much it counts; 32 bits with a sign.
        @param ttl: seconds after which it expires; never, by default.
        @raise twisted_libp2p.errors.LimitExceeded: these are too many.
        """

    def removeTag(peer: PeerID | str, name: str) -> None:
        """
        Take a tag from a peer; it does not matter whether it had it.
        """

    def metadata(peer: PeerID | str) -> dict[str, bytes]:
        """
        @return: what the application has said of the peer.
        """

    def setMetadata(peer: PeerID | str, name: str, value: bytes | None) -> None:
        """
        Note something of a peer.

        @param value: what; None to forget it.
        @raise twisted_libp2p.errors.LimitExceeded: that is too much.
        """

    # All that is known

    def peers() -> list[PeerID]:
        """
        @return: the peers of which anything is known.
        """

    def recent(count: int) -> list[PeerID]:
        """
        @return: the peers to which there was a connection, and may be one
            again.  First come the peers that we have dialed, then those that
            have stayed connected for a while, then the others; of each kind the
            last one first.
        """

    def info(peer: PeerID | str) -> PeerInfo | None:
        """
        @return: all that is known of a peer; None if that is nothing.
        """

    def merge(info: PeerInfo) -> None:
        """
        Learn all that another store knew of a peer; what is newer wins.
        """

    def forget(peer: PeerID | str) -> None:
        """
        Forget a peer: all but that it is connected, or protected.
        """

    # What is kept

    def whenLoaded() -> Deferred[None]:
        """
        @return: fires when all that was kept is known.  Fails with
            L{ConfigurationError<twisted_libp2p.errors.ConfigurationError>}
            if it cannot be read.
        """

    def flush() -> Deferred[None]:
        """
        @return: fires when all that is known now is kept, and fails if it
            cannot be.
        """
