# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contracts between the rooms of twisted_libp2p::

    ITransport          a multiaddr becomes Twisted endpoints
    ISecurity           wraps a factory: bytes in, authenticated bytes out
    ISecureTransport    what such a wrapper is to the protocol above it
    IMuxer              wraps a factory: one connection in, many streams out
    IMuxerSession       the muxer of one connection, as its owner uses it
    IMuxedConnection    the owner: a factory of protocols for inbound streams
    IPeerStore          what is known of peers, whether connected or not
    IProvider           a plugin that provides one of these by its name

Everything else that passes between rooms is Twisted's own: C{IProtocol},
C{IProtocolFactory}, C{ITransport}, endpoints, producers and consumers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    from twisted_libp2p.identity import PeerID
    from twisted_libp2p.muxer.stream import Stream
    from twisted_libp2p.security import Handshake, Secured

__all__ = [
    "IMuxedConnection",
    "IMuxer",
    "IMuxerProvider",
    "IMuxerSession",
    "IPeerStore",
    "IProvider",
    "ISecureTransport",
    "ISecurity",
    "ISecurityProvider",
    "ITransport",
    "ITransportProvider",
]


class ITransport(Interface):
    """
    A way to reach peers: turns multiaddrs into Twisted endpoints.

    The addresses given to a transport never end in C{/p2p/...}.
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
        has ended; C{sessionLost} once, after all of these.

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

    def openStream(protocol: IProtocol) -> Stream:
        """
        Open a stream and connect the protocol to it.

        @raise twisted_libp2p.errors.ConnectionClosing: the session is ending.
        @raise twisted_libp2p.errors.LimitExceeded: too many streams are open.
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

    def streamClosed(stream: Stream, reason: Failure) -> None:
        """
        Both directions of the stream have ended, and its protocol was told.
        """

    def sessionLost(reason: Failure) -> None:
        """
        The session is over, and so is every stream of it.
        """


class IPeerStore(Interface):
    """
    What is known of peers, whether they are connected or not.
    """

    def addresses(peer: PeerID) -> list[Multiaddr]:
        """
        @return: where the peer may be dialed, without C{/p2p/...}, the most
            promising first.
        """

    def addAddresses(peer: PeerID, addresses: Iterable[Multiaddr]) -> None:
        """
        Learn where a peer may be dialed.
        """

    def removeAddresses(peer: PeerID, addresses: Iterable[Multiaddr]) -> None:
        """
        Learn where a peer may not be dialed any more; it does not matter
        whether these addresses were known.
        """

    def dialect(peer: PeerID) -> str | None:
        """
        @return: how the peer negotiates on a fresh transport,
            C{"multistream"} or C{"bootstrap"}; None if it is not known, or
            not known recently enough.
        """

    def setDialect(peer: PeerID, dialect: str) -> None:
        """
        Learn how the peer negotiates.
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
