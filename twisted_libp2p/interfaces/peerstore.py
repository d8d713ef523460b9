# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of a peerstore: four books about peers, joined in one.

Peers may be named by their L{PeerID<twisted_libp2p.identity.PeerID>} or by its text,
addresses by L{Multiaddr<twisted_libp2p.address.Multiaddr>} or by its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from zope.interface import Interface

from twisted_libp2p.interfaces.peerinfo import Identification, PeerInfo, Source

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.identity import PeerID, PublicKey

__all__ = [
    "IAddressBook",
    "IKeyBook",
    "IMetadataBook",
    "IPeerStore",
    "IProtocolBook",
]


class IAddressBook(Interface):
    """
    The addresses where peers may be dialed, and the records in which peers have
    signed them.

    Addresses are taken and returned without C{/p2p/...}: it is removed from the end
    of a given address, and an address that ends with the id of another peer is
    ignored.
    """

    def prefer(dialable: Callable[[Multiaddr], bool]) -> None:
        """
        Keep addresses that can be dialed rather than other addresses.

        If more addresses of a peer are known than the store has room for, those that
        cannot be dialed are dropped first.  A node calls this when it is made.

        @param dialable: checks whether a transport of the node dials an address.
        """

    def addresses(peer: PeerID | str) -> list[Multiaddr]:
        """
        Return the addresses where a peer may be dialed, most promising first: those
        that have worked, latest first; then those that have never failed; then those
        whose last attempt failed, latest failure last.
        """

    def addAddresses(
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source = Source.DISCOVERED,
        ttl: float | None = None,
    ) -> None:
        """
        Add addresses where a peer may be dialed.  This never makes a known address
        expire earlier.

        @param source: the source that reports them.
        @param ttl: seconds after which the addresses expire; the default depends on
            the source.  No address of a connected peer expires.
        """

    def setAddresses(
        peer: PeerID | str,
        addresses: Iterable[Multiaddr | str],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Replace all addresses of one source: as L{addAddresses}, but addresses that
        only this source has reported before are dropped.
        """

    def removeAddresses(
        peer: PeerID | str, addresses: Iterable[Multiaddr | str]
    ) -> None:
        """
        Remove addresses of a peer; unknown addresses are ignored.
        """

    def succeeded(peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Record that the peer answered at an address.
        """

    def failed(peer: PeerID | str, address: Multiaddr | str) -> None:
        """
        Record that the peer could not be reached at an address; an unknown address
        stays unknown.
        """

    def lookup(peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Look for addresses of a peer beyond memory, if memory has none.

        @return: fires with the addresses that were found, even if memory has no room
            for them; fails only if it is cancelled.
        """

    def addRecord(
        peer: PeerID | str,
        envelope: bytes,
        usable: Collection[Multiaddr | str] | None = None,
    ) -> bool:
        """
        Store a signed record (libp2p/specs, RFC/0003-routing-records.md).  Its
        addresses replace those of older records.

        @param peer: the peer that should have signed it.
        @param envelope: the record in its envelope.
        @param usable: the addresses of the record that may be stored; all of them by
            default.
        @return: False if the record is ignored, because it belongs to another peer
            or is not newer than the known record.
        @raise twisted_libp2p.errors.InvalidRecord: this is not a record.
        @raise twisted_libp2p.errors.InvalidSignature: the signature is wrong.
        """

    def record(peer: PeerID | str) -> bytes | None:
        """
        Return the envelope of the latest record of a peer, to pass on.
        """

    def certifiedAddresses(peer: PeerID | str) -> list[Multiaddr]:
        """
        Return those of L{addresses} that the peer has signed.
        """


class IKeyBook(Interface):
    """
    The public keys of peers.
    """

    def publicKey(peer: PeerID | str) -> PublicKey | None:
        """
        Return the key of a peer, if it is known.
        """

    def setPublicKey(peer: PeerID | str, key: PublicKey) -> None:
        """
        Store the key of a peer.

        @raise twisted_libp2p.errors.InvalidKey: the key belongs to another peer.
        """


class IProtocolBook(Interface):
    """
    The protocols that peers speak.
    """

    def protocols(peer: PeerID | str) -> tuple[str, ...]:
        """
        Return the protocols that a peer serves; empty if they are not known.
        """

    def dialect(peer: PeerID | str) -> str | None:
        """
        Return how a peer negotiates on a fresh transport: C{"multistream"},
        C{"sequential"} or C{"bootstrap"}; None if that is not known, or was learnt
        too long ago.
        """

    def setDialect(peer: PeerID | str, dialect: str) -> None:
        """
        Store how a peer negotiates.
        """


class IMetadataBook(Interface):
    """
    The application's own notes on peers.
    """

    def tags(peer: PeerID | str) -> dict[str, int]:
        """
        Return the tags of a peer that have not expired.
        """

    def setTag(
        peer: PeerID | str, name: str, value: int = 0, ttl: float | None = None
    ) -> None:
        """
        Tag a peer.

        @param value: the weight of the tag; 32 bits with a sign.
        @param ttl: seconds after which it expires; by default it never does.
        @raise twisted_libp2p.errors.LimitExceeded: the peer has too many tags.
        """

    def removeTag(peer: PeerID | str, name: str) -> None:
        """
        Remove a tag from a peer; an unknown tag is ignored.
        """

    def metadata(peer: PeerID | str) -> dict[str, bytes]:
        """
        Return all metadata of a peer, by name.
        """

    def setMetadata(
        peer: PeerID | str, name: str, value: bytes | None, ttl: float | None = None
    ) -> None:
        """
        Store metadata of a peer under a name.

        @param value: the bytes to store; None to remove them.
        @param ttl: seconds after which they expire; by default they never do.  L{info
            <IPeerStore.info>} leaves out what expires: it is no lasting fact.
        @raise twisted_libp2p.errors.LimitExceeded: the peer has too much metadata.
        """


class IPeerStore(IAddressBook, IKeyBook, IProtocolBook, IMetadataBook):
    """
    Everything that a node knows about peers, whether they are connected or not.

    Every question is answered at once, from memory, except for L{lookup}.  A store
    that keeps its facts elsewhere writes them later, and its memory is incomplete
    until L{whenLoaded} fires.

    The store is bounded.  If it is full, the facts that would expire next are dropped;
    facts about connected and protected peers stay.
    """

    def learn(peer: PeerID | str, identification: Identification) -> None:
        """
        Store everything that a peer reports about itself.

        Its software, its network, its protocols and its addresses replace those that
        it reported before.  If it reports a signed record, signed addresses that it no
        longer reports are dropped; only addresses that it reports are taken from the
        record.

        @raise twisted_libp2p.errors.InvalidRecord: the signed record is not one.
        @raise twisted_libp2p.errors.InvalidSignature: its signature is wrong.
        """

    # Connections

    def connected(peer: PeerID | str, address: Multiaddr | str | None = None) -> None:
        """
        Record one more connection to a peer.

        @param address: the address that was dialed; None for an inbound connection.
        """

    def disconnected(peer: PeerID | str) -> None:
        """
        Record the end of one connection.
        """

    def protect(peer: PeerID | str) -> None:
        """
        Keep all facts about a peer until L{unprotect}, or until the program ends.
        """

    def unprotect(peer: PeerID | str) -> None:
        """
        End L{protect}.
        """

    # All facts at once

    def peers() -> list[PeerID]:
        """
        Return all known peers.
        """

    def recent(count: int) -> list[PeerID]:
        """
        Return peers that were connected before and can be dialed again: first those
        that we have dialed, then those that have stayed connected for a while, then
        the others; each kind latest first.

        @param count: the largest number of peers to return.
        """

    def info(peer: PeerID | str) -> PeerInfo | None:
        """
        Return all facts about a peer; None if nothing is known.
        """

    def merge(info: PeerInfo) -> None:
        """
        Take over the facts of another store about a peer; newer facts win.
        """

    def forget(peer: PeerID | str) -> None:
        """
        Forget a peer, except that it is connected or protected.
        """

    # Storage

    def whenLoaded() -> Deferred[None]:
        """
        Return a Deferred that fires when all stored facts are in memory.  It fails
        with L{ConfigurationError<twisted_libp2p.errors.ConfigurationError>} if they
        cannot be read.
        """

    def flush() -> Deferred[None]:
        """
        Return a Deferred that fires when all current facts are stored, and fails if
        they cannot be.
        """
