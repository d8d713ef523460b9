# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of a node for its services, and of a service for its node.

A service of a third party needs these contracts and nothing else of this package::

    @implementer(IHostService)
    class Greeter(Service):
        name = "greeter"

        def attach(self, host):
            host.registry.register("/greeter/1.0.0", GreeterFactory())

    node.add(Greeter())
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from zope.interface import Attribute, Interface

from twisted_libp2p.interfaces.dialing import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.interfaces.direction import Role

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import (
        IProtocol,
        IProtocolFactory,
        IReactorTime,
    )

    from twisted_libp2p.address import Multiaddr, Origin
    from twisted_libp2p.identity import Identity, PeerID
    from twisted_libp2p.interfaces.addressfilter import IAddressFilter
    from twisted_libp2p.interfaces.connections import IConnection
    from twisted_libp2p.interfaces.ownaddresses import IOwnAddresses
    from twisted_libp2p.interfaces.peerstore import IPeerStore
    from twisted_libp2p.interfaces.proxy import IProxy
    from twisted_libp2p.interfaces.transport import ITrustedProxies

__all__ = [
    "IConnections",
    "IDrainable",
    "IEventBus",
    "IHost",
    "IHostService",
    "IRegistration",
    "IRegistry",
    "ISubscription",
]


class ISubscription(Interface):
    """
    One subscriber of one type of event.
    """

    def cancel() -> None:
        """
        Receive no further event.  Calling it again does nothing.
        """


class IEventBus(Interface):
    """
    The events of a node; L{twisted_libp2p.events} defines them and their order.
    """

    def subscribe(
        type: type[Any],
        callback: Callable[[Any], object],
        where: Callable[[Any], bool] | None = None,
    ) -> ISubscription:
        """
        Call a function for each event of a type.

        @param type: an event class; a base class stands for all classes below it.
        @param callback: called with the event; its exceptions are logged.
        @param where: returns whether an event is wanted; None for all of them.
        """

    def next(
        type: type[Any], where: Callable[[Any], bool] | None = None
    ) -> Deferred[Any]:
        """
        Wait for the next event of a type.

        @param where: returns whether an event is wanted; None for all of them.
        @return: fires with the event; cancelling it ends the wait.
        """

    def publish(*events: Any) -> None:
        """
        Deliver events, which have happened together, to all subscribers.
        """


class IRegistration(Interface):
    """
    A factory that serves protocols.
    """

    protocols: tuple[str, ...] = Attribute(
        "The ids that it serves; empty where a function matches them."
    )

    def cancel() -> None:
        """
        Serve no further stream; open streams go on.
        """


class IRegistry(Interface):
    """
    The protocols that a node serves on inbound streams.
    """

    def register(
        protocols: str | Iterable[str] | Callable[[str], bool],
        factory: IProtocolFactory,
        *,
        allowLimited: bool = False,
        allow: Iterable[PeerID | str] | Callable[[PeerID], bool] | None = None,
    ) -> IRegistration:
        """
        Serve a protocol.

        @param protocols: an id; several ids, which one factory serves; or a function
            that returns whether an id is served.
        @param factory: builds a protocol for each inbound stream.
        @param allowLimited: whether our side may open streams of these ids on a
            connection that leads through a relay, with its limits on time and bytes.
        @param allow: the peers that may open streams: their ids, or a function that
            decides about each; None for all peers.  The streams of others are reset
            with the code C{GATED}.
        @raise twisted_libp2p.errors.ConfigurationError: an id is served already, or
            is not a valid protocol id.
        """

    def lookup(protocol: str) -> IProtocolFactory | None:
        """
        Return the factory that serves an id; None if the id is not served.
        """

    def protocols() -> tuple[str, ...]:
        """
        Return the ids that are registered literally.
        """

    def watch(changed: Callable[[], None]) -> None:
        """
        Call a function after each change of the served protocols.
        """


class IConnections(Interface):
    """
    The connections of a node, as services use them.
    """

    def __iter__() -> Iterator[IConnection]:
        """
        Iterate over all connections.
        """

    def __len__() -> int:
        """
        Return the number of connections.
        """

    def to(peer: PeerID | str) -> Sequence[IConnection]:
        """
        Return the connections to a peer, the preferred one for new streams first.
        """

    def protect(peer: PeerID | str, tag: str, redial: bool = True) -> None:
        """
        Keep a peer: never trim its connections.

        @param tag: the name of the protector, which has to L{unprotect} the peer
            again.
        @param redial: whether to dial the peer whenever it is not connected.
        """

    def unprotect(peer: PeerID | str, tag: str) -> bool:
        """
        End L{protect}.

        @return: whether another protector still keeps the peer.
        """


class IHost(Interface):
    """
    The part of a node that a service, or a transport that needs streams, may use.
    """

    identity: Identity = Attribute("The private key of the node.")
    peerID: PeerID = Attribute("The peer id of the node.")
    reactor: Any = Attribute(
        "The reactor, for sockets and names; its time is C{clock}."
    )
    clock: IReactorTime = Attribute("The time, and the timers.")
    events: IEventBus = Attribute("The events of the node.")
    registry: IRegistry = Attribute("The protocols that the node serves.")
    peerstore: IPeerStore = Attribute("The known peers.")
    connections: IConnections = Attribute("The connections of the node.")
    proxy: IProxy | None = Attribute(
        "The proxy through which all dials over networks go; None without one."
    )
    addresses: list[Multiaddr] = Attribute(
        "The addresses at which peers can dial the node now, with its peer id."
    )
    ownAddresses: IOwnAddresses = Attribute(
        "The owner of these addresses, to which services add others."
    )
    addressFilter: IAddressFilter = Attribute(
        "The filter of all addresses that peers name."
    )
    proxies: ITrustedProxies = Attribute(
        "The proxies that may state the address of their client."
    )
    limits: Any = Attribute(
        "The limits of the node: L{Limits<twisted_libp2p.limits.Limits>}."
    )

    def connect(
        target: str | Multiaddr | PeerID, options: DialOptions = DEFAULT_OPTIONS
    ) -> Deferred[Any]:
        """
        Return an existing connection to a peer, or open one.

        @param target: a peer id, or an address of the peer.
        @param options: how to dial.
        @return: fires with an L{IConnection}.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>},
            L{NoAddresses<twisted_libp2p.errors.NoAddresses>},
            L{DialToSelf<twisted_libp2p.errors.DialToSelf>} or
            L{NodeStopping<twisted_libp2p.errors.NodeStopping>}.
        """

    def openStream(
        target: str | Multiaddr | PeerID,
        protocols: str | Sequence[str],
        factory: IProtocolFactory,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> Deferred[IProtocol]:
        """
        Connect to a peer, unless that is done, and open a stream.

        @param target: as for L{connect}.
        @param protocols: a protocol id, or several in order of preference.
        @param factory: builds the protocol of the stream.
        @param options: how to dial, and whether the stream may run over a relay.
        @return: fires with the connected protocol.  Fails as L{connect} and
            L{IConnection.openStream} do.
        """

    def whenDirect(peer: PeerID, seconds: float) -> Deferred[IConnection | None]:
        """
        Wait until a peer that is connected through a relay is also connected directly,
        as it is after a hole was punched.

        @param seconds: the longest wait.
        @return: fires with a connection that leads through no relay; with None when the
            time is over.  Fails with
            L{NodeStopping<twisted_libp2p.errors.NodeStopping>} after a stop.
        """

    def punch(
        peer: PeerID,
        addresses: Iterable[Multiaddr],
        role: Role,
        roundTrip: float | None,
        seconds: float,
        origin: Origin,
    ) -> Deferred[Any]:
        """
        Dial a peer at all given addresses at once, from a port on which the node
        listens, whether or not there is a connection to it.  Dials that fail are
        repeated at random intervals.

        @param role: our part in the upgrade, whichever side opens the connection.
        @param roundTrip: seconds to the peer and back; None if the peer does not dial
            us at the same time: each address is tried once then.
        @param seconds: how long to try.
        @param origin: the place of the peer that names the addresses.
        @return: fires with an L{IConnection}.  Fails with
            L{DialFailed<twisted_libp2p.errors.DialFailed>}.
        """

    def dialBack(peer: PeerID, address: Multiaddr) -> Deferred[Any]:
        """
        Dial one address of a peer as a stranger: with another identity, from a port of
        its own, and although there is a connection to the peer.

        The other identity has no listener, no services of this node, and does not use
        its limits; it asks the same gater.

        @param address: an IP address, without a peer id.
        @return: fires with an L{IConnection}, which the caller has to close.  Fails as
            L{connect} does, and with
            L{UnsupportedAddress<twisted_libp2p.errors.UnsupportedAddress>} if the node
            dials through a proxy.
        """

    def dialsBack(address: Multiaddr) -> bool:
        """
        Check whether L{dialBack} can dial an address.
        """

    def listenOn(address: str | Multiaddr) -> Deferred[Any]:
        """
        Listen on one more address.

        @return: fires with the full addresses to dial, which may be none so far.
        """

    def stopListeningOn(address: str | Multiaddr) -> Any:
        """
        Stop to listen on an address; its connections go on.

        @param address: the address that was given to L{listenOn}.
        @return: a coroutine.
        """


class IHostService(IService, Interface):
    """
    A service of a node, such as identify: C{Node(services=[...])} and C{node.add}
    take it.

    It starts after the node has begun to start, and before the node listens.  When
    the node stops, its services are stopped before the connections are closed.
    """

    def attach(host: IHost) -> None:
        """
        Take the node: subscribe to its events and register protocols.

        It is called once, before the service is started.  The node may not be
        complete by then: it has no addresses, and refuses to connect.
        """


class IDrainable(Interface):
    """
    A service that a draining node asks to begin nothing new, some time before it is
    stopped.  A service without this goes on as before.
    """

    def drain() -> None:
        """
        Announce this node no longer, dial no further peer, and serve no further
        stream, as far as the service does any of this; open streams go on.  It may
        be called once between start and stop.
        """
