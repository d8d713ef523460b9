# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams: the transports of applications, inside of a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet import interfaces as twisted_interfaces
from zope.interface import Attribute, Interface

from twisted_libp2p.interfaces.layer import IHalfCloseable, ISwitchable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

    from twisted_libp2p.interfaces.direction import Direction
    from twisted_libp2p.interfaces.limits import IStreamScope
    from twisted_libp2p.interfaces.muxer import IMuxedConnection

__all__ = ["IMuxedStream", "ISelfDelimiting", "IStream"]


class ISelfDelimiting(twisted_interfaces.IProtocol, Interface):
    """
    A protocol whose messages show their own end, as identify does: its peer does not
    wait for the end of the stream, which may come together with the first data.

    Declare it for a protocol that answers and closes at once.  Any other one may be
    the source of a C{for await} in js-libp2p, which misses an end that comes too early
    (C{endsApart} of the connection).
    """


class IStream(
    twisted_interfaces.ITransport,
    twisted_interfaces.IConsumer,
    twisted_interfaces.IPushProducer,
    IHalfCloseable,
):
    """
    A stream, as an application or a service uses it.

    It is a transport as a TCP connection is.  A protocol that provides
    C{IHalfCloseableProtocol} learns of the end of each half; the stream of any other
    protocol is closed when the peer has ended its half.  C{getPeer} and C{getHost}
    return a L{PeerAddress<twisted_libp2p.address.PeerAddress>}.

    Calling a method of a stream never re-enters the application.
    """

    connection: IMuxedConnection = Attribute("The connection that it belongs to.")
    direction: Direction = Attribute("Which side opened the stream.")
    protocolID: str | None = Attribute(
        "The negotiated protocol; None until then.  Read-only."
    )
    disconnecting: bool = Attribute("Whether our side is closing it, or has.")
    unsentSize: int = Attribute(
        "How many written bytes wait here, as the peer or the transport takes no more."
    )

    def loseWriteConnection() -> None:
        """
        End our half of the stream when all written bytes are sent.
        """

    def abortConnection(code: int = 0) -> None:
        """
        Reset the stream: bytes that wait to be sent or read are dropped, and both
        sides lose the connection.

        @param code: why, an
            L{ErrorCode<twisted_libp2p.errors.ErrorCode>} or an application's own;
            the peer sees it if the muxer has a place for it.
        """


class IMuxedStream(IStream, ISwitchable):
    """
    A stream, as the owner of its connection uses it, who negotiates on it and
    counts it.
    """

    streamID: int = Attribute("Its number: no other stream of that direction has it.")
    protocol: IProtocol | None = Attribute(
        "The protocol that receives; may be replaced at any time.  None after the end."
    )
    negotiating: bool = Attribute(
        "Whether the application is connected although the peer has not confirmed its"
        " protocol.  Until L{negotiated} our half does not end, and the negotiating"
        " protocol receives, even if the application has paused the stream."
    )
    scope: IStreamScope | None = Attribute(
        "The use of all limits by the stream; None if its owner counts nothing."
    )
    disconnected: bool = Attribute("Whether the protocol was notified of the end.")
    unreadSize: int = Attribute("How many received bytes wait for the application.")

    def adopt(scope: IStreamScope) -> None:
        """
        Keep the use of all limits by this stream, which names its protocol.

        @raise RuntimeError: the stream has one already.
        """

    def negotiated() -> None:
        """
        Report that the peer has confirmed the protocol.
        """

    def lend(protocol: IProtocol) -> bool:
        """
        Connect an application before its protocol is confirmed.  The present
        protocol, which negotiates, receives until L{negotiated}, even if the
        application replaces its own protocol meanwhile.

        @return: true.
        """

    def unread(data: bytes) -> None:
        """
        Take back received bytes: they are delivered again, before all others, as
        soon as C{protocol} wants to read.
        """
