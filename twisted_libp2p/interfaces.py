# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contracts between the rooms of twisted_libp2p::

    ITransport          a multiaddr becomes Twisted endpoints
    ISecurity           wraps a factory: bytes in, authenticated bytes out
    ISecureTransport    what such a wrapper is to the protocol above it
    IMuxer              wraps a factory: one connection in, many streams out
    IMuxerSession       the muxer of one connection, as its owner uses it
    IMuxedConnection    the owner: a factory of protocols for inbound streams
    IConnectionManager  is asked before there is a connection, and owns it then
    IConnectionScope    what one connection may have, and has, of all limits
    IStreamScope        the use of all limits by one stream
    IGater              says who is dialed and who is let in
    IExpendability      says which connections can be done without
    IPeerStore          what is known of peers, whether connected or not
    IProvider           a plugin that provides one of these by its name

Everything else that passes between rooms is Twisted's own: C{IProtocol},
C{IProtocolFactory}, C{ITransport}, endpoints, producers and consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from twisted.internet import interfaces as twisted_interfaces
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import (
        IAddress,
        IListeningPort,
        IProtocol,
        IProtocolFactory,
        IStreamClientEndpoint,
        IStreamServerEndpoint,
    )
    from twisted.python.failure import Failure

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.connection import Connection
    from twisted_libp2p.errors import LimitExceeded
    from twisted_libp2p.identity import PeerID, PublicKey
    from twisted_libp2p.muxer.stream import Stream
    from twisted_libp2p.peerstore import PeerInfo
    from twisted_libp2p.security import Handshake, Secured

__all__ = [
    "IConnectionManager",
    "IConnectionScope",
    "IExpendability",
    "IGater",
    "IMuxedConnection",
    "IMuxer",
    "IMuxerProvider",
    "IMuxerSession",
    "IPeerStore",
    "IProvider",
    "ISecureTransport",
    "ISecurity",
    "ISecurityProvider",
    "IStreamScope",
    "ITransport",
    "ITransportProvider",
    "Source",
]


class ITransport(Interface):
    """
    A way to reach peers: turns multiaddrs into Twisted endpoints.

    The addresses given to a transport never end in C{/p2p/...}.

    The dialer resolves the names of hosts, C{/dns}, C{/dns4} and C{/dns6}, and gives
    the IP addresses to a transport that dials these: so that what was judged is what
    is dialed.  Only a transport that dials names alone gets names.
    """

    name: str = Attribute("A short name for events and logs, such as C{tcp}.")

    def canDial(address: Multiaddr) -> bool:
        """
        Tell whether L{clientEndpoint} takes this address.
        """

    def canListen(address: Multiaddr) -> bool:
        """
        Tell whether L{serverEndpoint} takes this address.
        """

    def clientEndpoint(address: Multiaddr) -> IStreamClientEndpoint:
        """
        @return: an endpoint that connects to the address.
        """

    def serverEndpoint(address: Multiaddr) -> IStreamServerEndpoint:
        """
        @return: an endpoint that listens on the address.
        """

    def listeningOn(address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        @param address: what was asked for, with port 0 or a wildcard maybe.
        @param port: what the endpoint's C{listen} gave.
        @return: the real addresses on which peers reach the port.
        """

    def toMultiaddr(address: IAddress) -> Multiaddr | None:
        """
        @param address: C{getPeer()} or C{getHost()} of a connection.
        @return: the same as a multiaddr; None where it has no such form.
        """


class ISecurity(Interface):
    """
    A security protocol: Noise, TLS, and whatever third parties add.
    """

    protocolID: str = Attribute("What is proposed on the wire, such as C{/noise}.")
    insecure: bool = Attribute(
        "Whether it protects from nobody: such are proposed last, whatever the"
        " order in which they are given."
    )

    def wrap(
        handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> IProtocolFactory:
        """
        Give a factory whose protocols shake hands on their transport.

        When the handshake has succeeded the protocol builds one from
        C{wrappedFactory}, and makes its connection with itself as the
        transport: an L{ISecureTransport}.  Nothing reaches the wrapped
        protocol before the peer is authenticated; bytes that came with the
        last handshake message are handed on after its C{connectionMade}.

        A handshake that fails, or that loses its transport, tells
        C{handshake.failed} once and drops the transport.  Later ends reach
        the wrapped protocol's C{connectionLost}, with a typed reason.
        """


class ISecureTransport(twisted_interfaces.ITransport, Interface):
    """
    An authenticated byte transport.
    """

    secured: Secured = Attribute("What the handshake has proven and agreed.")
    announced: bool = Attribute(
        "Whether the peer has announced the end of the transport, in a way that nobody"
        " in the middle can forge."
    )

    def flush() -> None:
        """
        Send at once what was written, instead of at the end of the read or of the
        reactor's turn.  A producer may be resumed before it returns.
        """


class IMuxer(Interface):
    """
    A stream multiplexer: yamux, mplex, and whatever third parties add.
    """

    protocolID: str = Attribute("What is proposed on the wire.")

    def wrap(initiator: bool, connection: IMuxedConnection) -> IProtocolFactory:
        """
        Give a factory whose protocol is the L{IMuxerSession} of one
        connection.

        The session tells the connection, in this order: C{sessionStarted}
        once from its C{makeConnection}; C{buildProtocol} for every inbound
        stream; C{streamClosed} for every stream, inbound or outbound, that
        has ended; C{sessionLost} once, after all of these.  Only C{streamClosed} of a
        paused stream whose peer has ended its half may come later: when the
        application has read what came, or leaves.

        @param initiator: whether our side opened the connection.
        """


class IMuxerSession(Interface):
    """
    The muxer of one connection, as its owner uses it.
    """

    streams: Collection[Stream] = Attribute("The streams that are not closed yet.")
    ended: bool = Attribute(
        "Whether the session has ended; its transport may still be closing."
    )
    full: LimitExceeded | None = Attribute(
        "The error of C{openStream} while our side has as many streams open as it may"
        " have; None while it may open more."
    )
    exhausted: bool = Attribute(
        "Whether our side can never open another stream, although the session goes on."
    )
    keepsAlive: bool = Attribute("Whether it notices by itself that the peer is dead.")
    budget: IConnectionScope | None = Attribute(
        "Whom it asks for memory; set by the owner in C{sessionStarted}."
    )

    def openStream(protocol: IProtocol) -> Stream:
        """
        Open a stream and connect the protocol to it.

        @raise twisted_libp2p.errors.ConnectionClosing: the session is ending.
        @raise twisted_libp2p.errors.LimitExceeded: too many streams are open.
        """

    def idleGrowth(since: float) -> Stream | None:
        """
        @return: the stream with the largest grown window of which not even half
            was used since a time; None if there is none.
        """

    def ping() -> Deferred[float]:
        """
        Measure the round trip below the streams.

        @return: fires with seconds, or fails with C{NotImplementedError}
            where the muxer has no such message.
        """

    def close(code: int = 0) -> None:
        """
        End the session: streams are told, the peer is told, what was written
        is flushed, the transport is closed.
        """

    def abort(reason: Failure) -> None:
        """
        End the session at once; every stream is lost for this reason.  A
        close that is under way is cut short.
        """


class IMuxedConnection(twisted_interfaces.IProtocolFactory, Interface):
    """
    The owner of a muxer's session: C{buildProtocol} is called with the
    L{Stream} for every inbound stream, and gives its protocol, or None to
    refuse (the stream is reset).
    """

    localPeer: PeerID = Attribute("Who we are.")
    remotePeer: PeerID = Attribute("Who the handshake has proven the peer to be.")
    localAddress: Multiaddr | None = Attribute("Our end of the transport.")
    remoteAddress: Multiaddr | None = Attribute("The peer's end of it.")

    def sessionStarted(session: IMuxerSession) -> None:
        """
        The session is connected; streams may be opened.
        """

    def streamRefused() -> None:
        """
        The session has refused a stream of the peer without asking, since too
        many are open.
        """

    def streamClosed(stream: Stream, reason: Failure) -> None:
        """
        Both directions of the stream have ended, and its protocol was told.
        """

    def sessionLost(reason: Failure) -> None:
        """
        The session is over, and so is every stream of it but those in C{streams},
        whose applications have paused them and may still read what came.
        """


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


class IConnectionManager(Interface):
    """
    Who owns the connections of a node: it is asked on the way to each of them,
    and told of its beginning and its end.

    What it raises is a L{Libp2pError<twisted_libp2p.errors.Libp2pError>}: the
    connection is not to be, and the peer is told its C{wireCode} if it can be
    told anything by then.
    """

    def dialing(peer: PeerID | None, address: Multiaddr) -> None:
        """
        An address is about to be dialed.

        @raise Libp2pError: it must not be.
        """

    def dialed() -> IConnectionScope:
        """
        @return: the scope of a connection that our side opens.
        """

    def accepted(
        address: Multiaddr | None, drop: Callable[[Exception], None]
    ) -> IConnectionScope:
        """
        A transport was accepted, and nothing was read from it.

        @param address: where it comes from.
        @param drop: gives the upgrade up, if another one needs its place.
        @return: the scope of the connection that may come of it.
        @raise Libp2pError: it is to be closed.
        """

    def secured(peer: PeerID, address: Multiaddr | None, direction: str) -> None:
        """
        A peer has proven who it is.

        @raise Libp2pError: it is not wanted.
        """

    def opened(connection: Connection) -> None:
        """
        A connection is ready.

        @raise Libp2pError: it is refused, and C{closed} will not be of interest.
        """

    def closed(connection: Connection, reason: Failure) -> None:
        """
        A connection has ended, were it refused or not.
        """


class IConnectionScope(Interface):
    """
    What one connection may have, and has, of all limits, from the first byte of
    its transport to the last.
    """

    room: int = Attribute("How many more bytes the windows may have.")

    def claim() -> int:
        """
        Ask for more memory for windows.  If little is left, peers that hold much
        have to give some back.

        @return: how many more bytes the windows may have; negative if so many
            are to be given back as far as that can be done.
        """

    admitted: bool = Attribute("Whether the connection is counted for its peer.")

    def openStream(inbound: bool) -> IStreamScope:
        """
        Count a stream that is about to be opened, by the peer or by us.

        @return: the use of the limits by this stream, which has to be closed.
        @raise twisted_libp2p.errors.LimitExceeded: there are too many.
        @raise twisted_libp2p.errors.ConnectionClosing: the connection is not
            admitted, or has ended.
        """

    def hold(size: int) -> None:
        """
        Windows have grown by so many bytes, of those that C{room} tells.
        """

    def free(size: int) -> None:
        """
        So many bytes are needed no more.
        """

    def close(kept: bool = False) -> None:
        """
        Give back everything.  Calling it again does nothing.

        @param kept: whether streams have unread bytes, which stay counted until they
            are given back by C{free}.
        """


class IStreamScope(Interface):
    """
    The use of all limits by one stream, from its beginning to its end.
    """

    closed: bool = Attribute("Whether the stream has given everything back.")
    protocol: str | None = Attribute("The negotiated protocol; None so far.")

    def agree(protocol: str) -> None:
        """
        Count the stream as one of the negotiated protocol.

        @raise twisted_libp2p.errors.LimitExceeded: too many streams speak it.
        @raise twisted_libp2p.errors.ConnectionClosing: the stream has ended.
        """

    def hold(size: int) -> None:
        """
        Count bytes that are kept for the stream; they are given back with it.

        @param size: how many more; negative when they are no longer kept.
        """

    def close() -> None:
        """
        Give everything back.  Calling it again does nothing.
        """


class IGater(Interface):
    """
    Says who is dialed and who is let in.

    Each method gives None to go on, or one line that tells why not.
    """

    def beforeDial(peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        An address is about to be dialed.

        @param peer: who has to answer there; None if anybody may.
        """

    def accepted(address: Multiaddr | None) -> str | None:
        """
        A transport was accepted.  To refuse it costs least: it is closed, and
        no byte of it was read.

        @param address: where it comes from; None if that has no such form.
        """

    def secured(peer: PeerID, address: Multiaddr | None, direction: str) -> str | None:
        """
        The peer has proven who it is.  A refused peer gets the code C{GATED}
        when its muxer is agreed, if the muxer has a place for a code, and
        nobody here hears of the connection.

        @param direction: C{"inbound"} or C{"outbound"}.
        """

    def upgraded(connection: Connection) -> str | None:
        """
        The connection is ready, and nobody has been told.  A peer that is
        refused learns that it was (code C{GATED}), if the muxer can tell.
        """


class IExpendability(Interface):
    """
    Says which connections can be done without.
    """

    def key(connection: Connection, value: float) -> Any:
        """
        @param value: what the tags of the peer add up to.
        @return: what connections are sorted by: the one with the least goes
            first.
        """


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


class IProvider(Interface):
    """
    A plugin that provides a security, a muxer or a transport by its name; see
    L{twisted_libp2p.plugin}.
    """

    name: str = Attribute("What users call it; one word.")
    description: str = Attribute("One line for users.")

    def provide(reactor: Any) -> Any:
        """
        Make one, for the nodes that run on a reactor.
        """


class ISecurityProvider(IProvider):
    """
    Provides an L{ISecurity}.
    """


class IMuxerProvider(IProvider):
    """
    Provides an L{IMuxer}.
    """


class ITransportProvider(IProvider):
    """
    Provides an L{ITransport}.  All that are there are used by nodes that are
    not told which.
    """
