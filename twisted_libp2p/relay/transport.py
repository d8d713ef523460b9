# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transport of circuits: dials C{.../p2p/R/p2p-circuit/p2p/A}, and listens on
C{.../p2p/R/p2p-circuit}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    IKeepsToProxy,
    IPeerTransport,
)
from twisted_libp2p.relay.circuit import CIRCUIT, CircuitAddress
from twisted_libp2p.relay.client import RelayClient
from twisted_libp2p.relay.port import CircuitPort

__all__ = ["CircuitTransport"]


@implementer(IStreamClientEndpoint)
class _Client:
    """
    Opens a circuit.
    """

    def __init__(
        self, client: RelayClient, relay: PeerID, address: Multiaddr, peer: PeerID
    ) -> None:
        self._client = client
        self._relay = relay
        self._address = address
        self._peer = peer

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the relay, unless that is done, and ask it for the peer.
        """
        return Deferred.fromCoroutine(
            self._client.open(self._relay, self._address, self._peer, protocolFactory)
        )


@implementer(IStreamServerEndpoint)
class _Server:
    """
    Listens at a relay.
    """

    def __init__(self, client: RelayClient, address: Multiaddr, relay: PeerID) -> None:
        self._client = client
        self._address = address
        self._relay = relay

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen at once: the addresses of the port follow when the relay has granted a
        reservation.  A relay that is away causes no error.
        """
        return maybeDeferred(
            self._client.listen, self._address, self._relay, protocolFactory
        )


@implementer(IPeerTransport, IKeepsToProxy)
class CircuitTransport:
    """
    Reaches peers, and is reached, through relays.

    A node listens at a relay by C{/ip4/.../p2p/R/p2p-circuit}; for a known relay
    C{/p2p/R/p2p-circuit} is enough.
    """

    name = "relay"
    byteStream = True

    def __init__(self, client: RelayClient) -> None:
        """
        @param client: opens circuits and holds the reservations.
        """
        self.client = client

    @classmethod
    def ofHost(cls, host: IHost) -> CircuitTransport:
        """
        Make the transport of a node.
        """
        return cls(RelayClient(host))

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address leads through one relay, whose id it names.
        """
        return _relayOf(address) is not None

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether the address is a place at one relay, whose id it names.
        """
        return self.canDial(address)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Refuse: a relay has to be asked for a peer.

        @raise UnsupportedAddress: in any case.
        """
        return self.clientEndpointTo(address, None, options)

    def clientEndpointTo(
        self,
        address: Multiaddr,
        peer: PeerID | None,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to a peer through a relay.

        @raise UnsupportedAddress: no peer is named, the address leads through no relay
            or through two of them, or C{options.local} is given.
        """
        relay = _relayOf(address)
        if relay is None:
            raise UnsupportedAddress(f"{address} does not lead through one relay")
        if peer is None:
            raise UnsupportedAddress(
                f"{address} needs /p2p/ and the id of the peer at its end: a relay has"
                " to know whom to connect with"
            )
        if options.local is not None:
            raise UnsupportedAddress(
                f"cannot dial {address} from {options.local}: it leads through a relay"
            )
        known = address.decapsulate(CIRCUIT).withoutPeer()
        return _Client(self.client, relay, known, peer)

    def expectedPeer(self, address: IAddress | None) -> PeerID | None:
        """
        Return the peer that a relay has announced.
        """
        return address.peer if isinstance(address, CircuitAddress) else None

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens at a relay.
        """
        relay = _relayOf(address)
        if relay is None:
            raise UnsupportedAddress(f"{address} does not lead to a relay")
        return _Server(self.client, address, relay)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the addresses that the reservations of a port give, which may be none.
        """
        return port.addresses if isinstance(port, CircuitPort) else []

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Return the address that leads through the relay.
        """
        return address.multiaddr if isinstance(address, CircuitAddress) else None


def _relayOf(address: Multiaddr) -> PeerID | None:
    """
    Return the relay of an address that leads through one relay, and no further.

    @return: None for any other address.
    """
    names = address.names
    if names[-2:] != ("p2p", "p2p-circuit") or names.count("p2p") != 1:
        return None
    return address.decapsulate(CIRCUIT).peerID
