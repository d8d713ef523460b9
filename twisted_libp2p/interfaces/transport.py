# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ways to reach peers: multiaddrs become Twisted endpoints, or secured sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

from twisted_libp2p.interfaces.dialing import DEFAULT_OPTIONS, DialOptions

if TYPE_CHECKING:
    from socket import socket

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import (
        IAddress,
        IListeningPort,
        IProtocolFactory,
        IStreamClientEndpoint,
        IStreamServerEndpoint,
    )
    from twisted.python.failure import Failure

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.identity import PeerID
    from twisted_libp2p.interfaces.muxer import IMuxedConnection
    from twisted_libp2p.interfaces.security import Handshake, Secured

__all__ = [
    "AnyTransport",
    "FirstBytes",
    "IAddressing",
    "IBackedTransport",
    "IInheritsPorts",
    "IMuxedTransport",
    "INativeSession",
    "IOpaqueDials",
    "IOpaqueListeners",
    "IPacketPunching",
    "IPeerTransport",
    "IPortEndpoint",
    "IReloadable",
    "ITransport",
    "ITrustedProxies",
    "IUpgrade",
]


class IAddressing(Interface):
    """
    The multiaddrs of a transport: the part that all kinds of transports share.

    The addresses given to a transport never end in C{/p2p/...}.

    The dialer resolves the names of hosts, C{/dns}, C{/dns4} and C{/dns6}, and gives
    the IP addresses to a transport that dials these: so that the judged address is the
    dialed address.  Only a transport that dials names alone gets names.
    """

    name: str = Attribute("A short name for events and logs, such as C{tcp}.")
    byteStream: bool = Attribute(
        "Whether its connections are plain streams of bytes, which encrypt nothing by"
        " themselves.  Private networks need such transports."
    )

    def canDial(address: Multiaddr) -> bool:
        """
        Check whether the transport dials this address.
        """

    def canListen(address: Multiaddr) -> bool:
        """
        Check whether the transport listens on this address.
        """

    def listeningOn(address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses on which peers reach a port.

        @param address: the requested address, possibly with port 0 or a wildcard.
        @param port: the port that listens on it.
        """

    def toMultiaddr(address: IAddress) -> Multiaddr | None:
        """
        Translate C{getPeer()} or C{getHost()} of a connection.

        @return: None for an address that has no such form.
        """


class ITransport(IAddressing):
    """
    A way to reach peers with bytes: turns multiaddrs into Twisted endpoints.
    """

    def clientEndpoint(
        address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects to an address.

        @param options: of these a transport heeds C{local} and C{host}.
        @raise twisted_libp2p.errors.UnsupportedAddress: the transport cannot dial
            from C{options.local}, or cannot dial the address.
        """

    def serverEndpoint(address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return an endpoint that listens on an address.  If it provides
        L{IPortEndpoint}, a node lets several transports listen on the same port.
        """


class IInheritsPorts(Interface):
    """
    A reactor with sockets that another program has opened and bound for this process.
    """

    def datagramSocket(host: str, port: int) -> socket | None:
        """
        Return the UDP socket of an address; None if no other program has opened one.

        @return: a non-blocking socket of the caller's own.
        """


class FirstBytes(Enum):
    """
    The kinds of first bytes by which the transports of one TCP port are told apart.
    """

    #: multistream-select, or the draft's bootstrap.
    LIBP2P = "libp2p"
    #: The request that opens a WebSocket.
    HTTP = "HTTP"
    #: The handshake of the TLS below a WebSocket.
    TLS = "TLS"
    #: The nonce of a private network.
    RANDOM = "a private network"


class IPortEndpoint(Interface):
    """
    A server endpoint that consists of a TCP port and the layers of a transport above
    it.  Its C{listen} stacks both.
    """

    port: Multiaddr = Attribute("The address of the TCP port alone.")
    below: IStreamServerEndpoint = Attribute("The endpoint of the TCP port alone.")
    firstBytes: FirstBytes = Attribute("The kind of its connections' first bytes.")

    def join(port: IListeningPort) -> None:
        """
        Note that the endpoint shares a TCP port which another one has opened.
        """

    def layers(factory: IProtocolFactory) -> IProtocolFactory:
        """
        Put the layers of the transport between a TCP connection and the protocols of a
        factory.
        """


class IReloadable(Interface):
    """
    A transport, or a gater, that depends on files which others may change.
    """

    def reload() -> None:
        """
        Read the files again.  If they cannot be used, that is logged, and the content
        read before stays in use.
        """


class IBackedTransport(Interface):
    """
    A transport whose protocol is implemented by one of several libraries.
    """

    backendName: str | None = Attribute(
        "The name and version of the library; None as long as it was not used."
    )


class ITrustedProxies(Interface):
    """
    The proxies that are believed when they state the address of their client.
    """

    def trusts(address: IAddress | None) -> bool:
        """
        Return whether an address is that of a proxy that is believed.
        """

    def client(peer: IAddress, forwarded: Sequence[str]) -> IAddress:
        """
        Return the address of the client whose request has come through proxies.

        @param peer: the other end of the transport.
        @param forwarded: the values of the headers C{X-Forwarded-For}, in order.
        """


class IPeerTransport(ITransport):
    """
    A transport whose connections depend on the peer, not only on the address: a relay
    has to be asked for the peer, and names the peer that it connects with us.
    """

    def clientEndpointTo(
        address: Multiaddr, peer: PeerID | None, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects to a peer at an address.

        @param peer: the peer that has to answer.
        @raise twisted_libp2p.errors.UnsupportedAddress: as for C{clientEndpoint}, or
            the transport has to know the peer.
        """

    def expectedPeer(address: IAddress | None) -> PeerID | None:
        """
        Return the peer that has to prove its identity on an accepted connection.

        @param address: the address for which the factory of the listener has to build
            a protocol.
        """


class IMuxedTransport(IAddressing):
    """
    A way to reach peers that secures and multiplexes by itself, such as QUIC.

    Its connections skip the stack of negotiation, security and muxer.  The transport
    proves the peer's identity, and hands the session to an L{IUpgrade}, which applies
    the same deadline, limits and gater as to any other connection.
    """

    def dial(
        address: Multiaddr, upgrade: IUpgrade, options: DialOptions = DEFAULT_OPTIONS
    ) -> None:
        """
        Begin to connect to an address.

        The transport calls C{upgrade.begin} at once, and then C{upgrade.upgraded} or
        C{upgrade.fail}.

        @param options: of these a transport heeds C{local}, C{fromListener} and
            C{role}.
        @raise twisted_libp2p.errors.UnsupportedAddress: the transport cannot dial
            from C{options.local} or from a listener, or cannot dial the address.
        """

    def listen(
        address: Multiaddr, accept: Callable[[IAddress | None], IUpgrade | None]
    ) -> Deferred[IListeningPort]:
        """
        Listen on an address.

        @param accept: called with the address of each peer that begins to connect,
            before any other byte of it is read.  It returns the upgrade of this
            connection, or None to refuse the peer.
        """


class IPacketPunching(Interface):
    """
    A transport on which the server does not dial in hole punching, such as QUIC.  Its
    packets without meaning make the router of the server let in the dial of the client.
    On all other transports both sides dial.
    """

    def sendPunch(address: Multiaddr) -> None:
        """
        Send a packet without meaning to an address, from a port on which the node
        listens.

        @raise twisted_libp2p.errors.UnsupportedAddress: no such port leads there.
        """

    def awaitPunches(
        address: Multiaddr, sighted: Callable[[Multiaddr], object]
    ) -> Callable[[], None]:
        """
        Report the addresses from which the packets without meaning of a peer come: its
        router may have chosen another port for us than for those who have told us.

        @param address: an address of the peer; only its IP address counts.
        @param sighted: called with the source of each packet.
        @return: a function that ends this.
        @raise twisted_libp2p.errors.UnsupportedAddress: no such port leads there.
        """


class IOpaqueDials(Interface):
    """
    A transport whose dials do not show the peer's address: a proxy is at the other end
    of the socket, or a Unix socket, which gives its clients no address.

    C{remoteAddress} of such a connection is the dialed address, and C{localAddress} is
    None.  The dialer leaves the names of hosts to the transport: a proxy resolves them.
    """


class IOpaqueListeners(Interface):
    """
    A transport whose listeners do not see the addresses of peers, such as Unix sockets.

    Both addresses of an inbound connection are those of its listener.
    """


#: A transport of either kind.
AnyTransport = ITransport | IMuxedTransport


class INativeSession(Interface):
    """
    A session that is secure and multiplexed by the nature of its transport, before it
    has an owner: a L{IMuxerSession}, or an object that starts one.
    """

    def getHost() -> IAddress:
        """
        Return the address of our end.
        """

    def getPeer() -> IAddress:
        """
        Return the address of the peer's end.
        """

    def start(connection: IMuxedConnection) -> None:
        """
        Connect the session with its owner, and call C{sessionStarted} there.  The
        session keeps streams of the peer that arrive earlier until then.
        """

    def abort(reason: Failure) -> None:
        """
        Drop a session that is not wanted, at once.
        """


class IUpgrade(Interface):
    """
    One connection on its way, as a natively muxed transport sees it.
    """

    handshake: Handshake = Attribute(
        "Our identity, our role and the expected peer: the inputs of the handshake."
    )

    def begin(drop: Callable[[], object]) -> bool:
        """
        Start the deadline of the upgrade.

        @param drop: drops the transport at once; called if the upgrade is cancelled,
            refused, or too slow.  A transport that is gone ignores it.
        @return: False if nobody wants the connection any longer: the transport gives
            it up.
        """

    opensEarly: bool = Attribute(
        "Whether a stream may be opened before the peer has accepted us."
    )

    def early(secured: Secured, session: INativeSession) -> None:
        """
        Open the stream for which the peer is dialed, if C{opensEarly}: the peer has
        proven its identity, and may still refuse us.  C{upgraded} or C{fail} follows.
        The transport hands no event to the session before C{upgraded}, and ends it
        after C{fail}.
        """

    def upgraded(secured: Secured, session: INativeSession) -> None:
        """
        Take over a session whose peer has proven its identity.  It is started here,
        unless C{early} has done so, or aborted if the peer is not wanted.
        """

    def fail(reason: Failure) -> None:
        """
        Report the typed error with which the connection has failed.
        """
