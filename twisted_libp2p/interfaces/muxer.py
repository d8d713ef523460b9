# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Stream multiplexers: one connection in, many streams out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from twisted.internet import interfaces as twisted_interfaces
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import (
        IProtocol,
        IProtocolFactory,
    )
    from twisted.python.failure import Failure

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.errors import LimitExceeded
    from twisted_libp2p.identity import PeerID
    from twisted_libp2p.interfaces.direction import Role
    from twisted_libp2p.interfaces.limits import IConnectionScope
    from twisted_libp2p.interfaces.stream import IMuxedStream

__all__ = ["IMuxedConnection", "IMuxer", "IMuxerSession"]


class IMuxer(Interface):
    """
    A stream multiplexer: yamux, mplex, or that of a third party.
    """

    protocolID: str = Attribute(
        "The protocol id that is proposed on the wire, such as C{/yamux/1.0.0}."
    )

    def wrap(role: Role, connection: IMuxedConnection) -> IProtocolFactory:
        """
        Return a factory whose protocol runs the L{IMuxerSession} of one
        connection.

        The session calls the connection in this order: C{sessionStarted}
        once from its C{makeConnection}; C{buildProtocol} for every inbound
        stream; C{streamClosed} for every stream, inbound or outbound, that
        has ended; C{sessionLost} once, after all of these.  Only C{streamClosed} of a
        paused stream whose peer has ended its half may come later: when the
        application has read the rest, or leaves.

        @param role: the part of our side in the upgrade of the connection.
        """


class IMuxerSession(Interface):
    """
    The muxer of one connection, as its owner uses it.
    """

    streams: Collection[IMuxedStream] = Attribute(
        "The streams that are not closed yet."
    )
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
    roundTrip: float = Attribute("The usual round trip in seconds; 0 if it is unknown.")
    received: int = Attribute(
        "Received bytes: of the streams, with the frames around them if these are the"
        " muxer's own."
    )
    sent: int = Attribute("Sent bytes, counted in the same way.")
    budget: IConnectionScope | None = Attribute(
        "Grants the memory for windows and unread bytes; set by the owner in"
        " C{sessionStarted}."
    )

    def openStream(protocol: IProtocol) -> IMuxedStream:
        """
        Open a stream and connect the protocol to it.

        @raise twisted_libp2p.errors.ConnectionClosing: the session is ending.
        @raise twisted_libp2p.errors.LimitExceeded: too many streams are open.
        """

    def idleGrowth(since: float) -> IMuxedStream | None:
        """
        Return the stream with the largest grown window that its peer has used by less
        than half since a time; None if no window has grown.
        """

    def ping() -> Deferred[float]:
        """
        Measure the round trip below the streams.

        @return: fires with seconds, or fails with C{NotImplementedError}
            if the muxer has no such message.
        """

    def close(code: int = 0) -> None:
        """
        End the session: send the written bytes, announce the end to the peer, lose
        all streams and close the transport.

        @param code: the reason, for the peer, if the muxer has a place for it; 0 is a
            normal end.
        """

    def abort(reason: Failure) -> None:
        """
        End the session at once; every stream is lost for this reason.  A
        close that is under way is cut short.
        """


class IMuxedConnection(twisted_interfaces.IProtocolFactory, Interface):
    """
    The owner of a muxer's session: C{buildProtocol} is called with every inbound
    L{IMuxedStream}, and returns its protocol, or None to refuse the stream, which is
    reset then.
    """

    localPeer: PeerID = Attribute("Our own peer id.")
    remotePeer: PeerID = Attribute("The peer id that the handshake has proven.")
    localAddress: Multiaddr | None = Attribute("Our end of the transport.")
    remoteAddress: Multiaddr | None = Attribute("The peer's end of it.")
    upgradeTime: float = Attribute("Seconds from the transport's connect to readiness.")
    endsApart: bool = Attribute(
        "Whether the end of a stream that the peer opens is kept apart from its first"
        " data, for js-libp2p.  True until the peer is known to be another"
        " implementation."
    )

    def sessionStarted(session: IMuxerSession) -> None:
        """
        Note that the session is connected: streams may be opened.
        """

    def streamRefused() -> None:
        """
        Note that the session has refused a stream of the peer without asking, since
        too many are open.
        """

    def streamClosed(stream: IMuxedStream, reason: Failure) -> None:
        """
        Note that both halves of a stream have ended, and that its protocol was
        notified.
        """

    def sessionLost(reason: Failure) -> None:
        """
        Note that the session is over, and so is every stream of it but those in
        C{streams}: their applications have paused them, and may still read received
        bytes.
        """
