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
    from twisted_libp2p.interfaces.connections import IConnectionScope
    from twisted_libp2p.interfaces.direction import Role
    from twisted_libp2p.interfaces.stream import IMuxedStream

__all__ = ["IMuxedConnection", "IMuxer", "IMuxerSession"]


class IMuxer(Interface):
    """
    A stream multiplexer: yamux, mplex, and whatever third parties add.
    """

    protocolID: str = Attribute("What is proposed on the wire.")

    def wrap(role: Role, connection: IMuxedConnection) -> IProtocolFactory:
        """
        Give a factory whose protocol is the L{IMuxerSession} of one
        connection.

        The session tells the connection, in this order: C{sessionStarted}
        once from its C{makeConnection}; C{buildProtocol} for every inbound
        stream; C{streamClosed} for every stream, inbound or outbound, that
        has ended; C{sessionLost} once, after all of these.  Only C{streamClosed} of a
        paused stream whose peer has ended its half may come later: when the
        application has read what came, or leaves.

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
    budget: IConnectionScope | None = Attribute(
        "Whom it asks for memory; set by the owner in C{sessionStarted}."
    )

    def openStream(protocol: IProtocol) -> IMuxedStream:
        """
        Open a stream and connect the protocol to it.

        @raise twisted_libp2p.errors.ConnectionClosing: the session is ending.
        @raise twisted_libp2p.errors.LimitExceeded: too many streams are open.
        """

    def idleGrowth(since: float) -> IMuxedStream | None:
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
    stream for every inbound stream, and gives its protocol, or None to
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

    def streamClosed(stream: IMuxedStream, reason: Failure) -> None:
        """
        Both directions of the stream have ended, and its protocol was told.
        """

    def sessionLost(reason: Failure) -> None:
        """
        The session is over, and so is every stream of it but those in C{streams},
        whose applications have paused them and may still read what came.
        """
