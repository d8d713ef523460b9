# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections, the manager that owns those of a node, and the rules that it applies to
them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IProtocol, IProtocolFactory
    from twisted.python.failure import Failure

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.identity import PeerID, PublicKey
    from twisted_libp2p.interfaces.allowance import IAllowance
    from twisted_libp2p.interfaces.direction import Direction, Role
    from twisted_libp2p.interfaces.limits import IConnectionScope
    from twisted_libp2p.interfaces.stream import IMuxedStream, IStream

__all__ = [
    "IConnection",
    "IConnectionManager",
    "IExpendability",
    "IGater",
    "IManagedConnection",
]


class IConnection(Interface):
    """
    A connection to an authenticated peer, as applications, services, gaters and
    subscribers of events use it.
    """

    localPeer: PeerID = Attribute("Our peer id.")
    remotePeer: PeerID = Attribute("The peer id that the handshake has proven.")
    remoteKey: PublicKey = Attribute("The key of the peer.")
    localAddress: Multiaddr | None = Attribute(
        "Our end of the transport; None if it has no address."
    )
    remoteAddress: Multiaddr | None = Attribute(
        "The peer's end of the transport; None if it has no address."
    )
    direction: Direction = Attribute("Which side opened the connection.")
    role: Role = Attribute("The part of our side in the upgrade.")
    limited: bool = Attribute(
        "Whether it leads through a relay, which limits its time and bytes."
    )
    allowance: IAllowance | None = Attribute(
        "What its relay still allows; None without a relay, or if the limits are not"
        " known, or if there are none."
    )
    transport: str = Attribute("The name of the transport, such as C{tcp}.")
    security: str = Attribute("The security protocol.")
    muxer: str = Attribute("The muxer.")
    early: bool = Attribute(
        "Whether the muxer was negotiated inside the security handshake."
    )
    upgradeTime: float = Attribute("Seconds from the transport's connect to readiness.")
    openedAt: float = Attribute(
        "The time at which the connection was ready, in seconds since the epoch."
    )
    roundTrip: float = Attribute("The usual round trip in seconds; 0 if it is unknown.")
    received: int = Attribute(
        "Bytes that the muxer has received; without those of encryption and transport."
    )
    sent: int = Attribute("Bytes that the muxer has sent, counted in the same way.")
    streams: Collection[IStream] = Attribute("The streams that are not closed.")
    connected: bool = Attribute("Whether streams can still be opened.")
    endsApart: bool = Attribute(
        "Whether the end of a stream that the peer opens is kept apart from its first"
        " data, for js-libp2p.  True until identify has the agent of another"
        " implementation."
    )
    reason: Failure | None = Attribute(
        "The side that ended the connection, and why; None before the end."
    )

    def openStream(
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        *,
        allowLimited: bool = False,
    ) -> Deferred[IProtocol]:
        """
        Open a stream and negotiate its protocol.

        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol of the stream.
        @param allowLimited: whether to open the stream on a connection that leads
            through a relay.
        @return: fires with the connected protocol.  Fails with
            L{UnsupportedProtocol<twisted_libp2p.errors.UnsupportedProtocol>} if the
            peer serves none of them.
        """

    def ping() -> Deferred[float]:
        """
        Measure the round trip below the streams.

        @return: fires with seconds.  Fails with C{NotImplementedError} where the
            muxer has no such message.
        """

    def close(code: int = 0) -> Deferred[None]:
        """
        End the connection in order: written bytes are flushed.

        @param code: the reason for the peer; 0 is a normal end.
        @return: fires at the end of the connection, as L{whenClosed} does.
        """

    def abort(reason: Failure) -> None:
        """
        End the connection at once.

        @param reason: the reason that streams and events report.
        """

    def whenClosed() -> Deferred[None]:
        """
        Wait for the end of the connection.

        @return: fires at once if the connection has ended.
        """


class IManagedConnection(IConnection):
    """
    A connection, as its L{IConnectionManager} uses it.
    """

    scope: IConnectionScope = Attribute("The use of all limits by the connection.")
    streams: Collection[IMuxedStream] = Attribute("The streams that are not closed.")
    keepsAlive: bool = Attribute(
        "Whether the muxer notices by itself that the peer is dead."
    )

    def idleGrowth(since: float) -> IMuxedStream | None:
        """
        Return the stream with the largest grown window of which not even half was
        used since a time; None without one.
        """


class IConnectionManager(Interface):
    """
    The owner of the connections of a node.  It approves each step on the way to a
    connection, and is notified of the beginning and the end of the connection.

    A method that refuses the connection raises a
    L{Libp2pError<twisted_libp2p.errors.Libp2pError>}; the peer receives its
    C{wireCode} if the muxer is there by then.
    """

    def dialing(peer: PeerID | None, address: Multiaddr) -> None:
        """
        Approve an address that is about to be dialed.

        @raise Libp2pError: the address must not be dialed.
        """

    def dialed() -> IConnectionScope:
        """
        Return the scope of a connection that our side opens.
        """

    def accepted(
        address: Multiaddr | None,
        drop: Callable[[Exception], None],
        proxied: bool = False,
    ) -> IConnectionScope:
        """
        Approve a transport that was accepted, before anything is read from it.

        @param address: the other end of the transport.
        @param drop: called to end the upgrade, if another connection needs its
            place.
        @param proxied: whether that end is a trusted proxy, whose client is approved by
            L{located} once it is known.
        @return: the scope of the future connection.
        @raise Libp2pError: the transport is to be closed.
        """

    def located(scope: Any, address: Multiaddr | None, counted: bool) -> None:
        """
        Approve the client of a trusted proxy.

        @param scope: the scope of its connection.
        @param address: the address of the client; that of the proxy if it has stated
            none.
        @param counted: whether the limits on networks apply: not to the proxy itself.
        @raise Libp2pError: the transport is to be closed.
        """

    def secured(peer: PeerID, address: Multiaddr | None, direction: Direction) -> None:
        """
        Approve a peer that has proven its id.

        @raise Libp2pError: the peer is refused.
        """

    def admit(scope: Any, peer: PeerID) -> None:
        """
        Count a connection whose peer has proven its identity, and may still refuse us.

        @param scope: the scope of the connection.

        @raise LimitExceeded: the peer, or the node, has too many.
        """

    def opened(connection: IManagedConnection) -> None:
        """
        Take a connection that is ready.

        @raise Libp2pError: the connection is refused; C{closed} is still called and
            may be ignored.
        """

    def closed(connection: IManagedConnection, reason: Failure) -> None:
        """
        Drop a connection that has ended, whether it was refused or not.
        """


class IGater(Interface):
    """
    Decides which peers are dialed and which are let in.

    Each method returns None to go on, or one line with the reason to refuse.
    """

    def beforeDial(peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        Decide about an address that is about to be dialed.

        @param peer: the peer that has to answer there; None if any peer may.
        """

    def accepted(address: Multiaddr | None) -> str | None:
        """
        Decide about an accepted transport.  A refusal at this step is the cheapest:
        the transport is closed before anything is read from it.

        @param address: the other end; None if it has no such form.
        """

    def secured(
        peer: PeerID, address: Multiaddr | None, direction: Direction
    ) -> str | None:
        """
        Decide about a peer that has proven its id.  A refused peer receives the code
        C{GATED} once its muxer is negotiated, if the muxer has a place for a code,
        and no event mentions the connection.

        @param direction: which side opened the connection; equal to C{"inbound"} or
            C{"outbound"}.
        """

    def upgraded(connection: IConnection) -> str | None:
        """
        Decide about a connection that is ready, before its event is published.  A
        refused peer receives the code C{GATED}, if the muxer has a place for it.
        """


class IExpendability(Interface):
    """
    Orders connections by how well the node can do without them.
    """

    def key(connection: IConnection, value: float) -> Any:
        """
        Return the key by which connections are sorted: the one with the smallest key
        is closed first.

        @param value: the sum of the tags of the peer.
        """
