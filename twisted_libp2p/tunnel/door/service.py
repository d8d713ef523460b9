# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The door itself: each connection of a program becomes a stream to the peer that it asks
for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    ConfigurationError,
    NegotiationFailed,
    StreamReset,
    UpgradeTimeout,
)
from twisted_libp2p.interfaces import IDrainable, IHost, IHostService
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.protocols.forward import Inbound, Pipe, Traffic
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.tunnel.door.http import HttpRequest
from twisted_libp2p.tunnel.door.places import Place, Places
from twisted_libp2p.tunnel.door.request import DoorRequest, Refusal, Refused
from twisted_libp2p.tunnel.door.socks import VERSION, SocksRequest
from twisted_libp2p.tunnel.opening import PeerEndpoint

__all__ = ["Door", "DoorFactory"]

#: Seconds that a program has for its request.
REQUEST_TIME: Final = 30.0

#: Number of places whose endpoints are kept.  An endpoint knows whether a relay is
#: needed.
MAX_PLACES: Final = 64


@implementer(IDrainable, IHostService)
class Door(LocalService):
    """
    A proxy for the programs of this machine, which reaches peers and nothing else.
    Both SOCKS5 and HTTP are spoken on its port.

    @ivar local: the description of the port.
    @ivar traffic: what has been forwarded so far.
    """

    def __init__(
        self,
        reactor: Any,
        local: str,
        places: Places,
        traffic: Traffic | None = None,
    ) -> None:
        """
        @param reactor: the reactor that listens.
        @param local: a server endpoint, on loopback unless it names an C{interface}.
        @param places: finds the peers, and their protocols.
        @param traffic: counts the streams and their bytes, and has their limits.
        @raise ConfigurationError: the endpoint is malformed.
        """
        super().__init__(reactor, local)
        self.setName("door for SOCKS5 and HTTP")
        self.local = local
        self.places = places
        self.traffic = traffic or Traffic()
        self._host: IHost | None = None
        self._kept = lru_cache(MAX_PLACES)(self._endpointOf)

    @property
    def host(self) -> IHost:
        """
        The node.

        @raise ConfigurationError: the door is not attached yet.
        """
        if self._host is None:
            raise ConfigurationError("a door needs a node: node.add(door)")
        return self._host

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host

    def drain(self) -> None:
        """
        Accept no further program; open streams go on.
        """
        self.stopService()

    def makeFactory(self) -> DoorFactory:
        """
        Make the factory of the accepted connections.
        """
        return DoorFactory(self)

    def endpoint(self, place: Place) -> PeerEndpoint:
        """
        Return the endpoint of a place, the same one each time.
        """
        if place.addresses:
            # Those of the last time may have expired.
            self.host.peerstore.addAddresses(place.peer, place.addresses)
        return self._kept(place)

    def _endpointOf(self, place: Place) -> PeerEndpoint:
        return PeerEndpoint(self.host, place.peer, place.protocol)


class DoorFactory(Factory):
    """
    Builds the protocol for each program.
    """

    noisy = False

    def __init__(self, door: Door) -> None:
        self._door = door

    def buildProtocol(self, addr: IAddress | None) -> _Visitor:
        """
        Serve one more program.
        """
        return _Visitor(self._door)


class _Visitor(Inbound):
    """
    The accepted end, which reads the request of its program first.
    """

    def __init__(self, door: Door) -> None:
        super().__init__(door.traffic)
        self._door = door
        self._request: DoorRequest | None = None
        self._deadline: Deadline | None = None

    def connectionMade(self) -> None:
        """
        Wait for the request.
        """
        super().connectionMade()
        self._deadline = Deadline(self._door.host.clock, REQUEST_TIME, self._late)

    def dataReceived(self, data: bytes) -> None:
        """
        Read the request; pass on later bytes.
        """
        if self._deadline is None:
            super().dataReceived(data)
            return
        if self._request is None:
            socks = data[0] == VERSION
            self._request = SocksRequest() if socks else HttpRequest()
        try:
            answer = self._request.receive(data)
            if answer:
                self.transport.write(answer)
            if self._request.wanted is not None:
                place = self._door.places.find(self._request.wanted)
                self._asked()
                self.reach(self._door.endpoint(place))
        except Refused:
            self._asked()
            self.refuse(Failure())

    def _asked(self) -> None:
        """
        Stop the clock: there is nothing more to read of the request.
        """
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()

    def _late(self) -> None:
        self._deadline = None
        self.transport.abortConnection()

    def join(self, other: Pipe) -> None:
        """
        Answer the program, join the two ends, and pass on the bytes that came with the
        request.
        """
        request, self._request = self._request, None
        super().join(other)
        if request is not None:
            self.transport.write(request.accept())
            if request.trailing:
                self.dataReceived(request.trailing)

    def refuse(self, failure: Failure) -> None:
        """
        Log the reason, and answer the program.
        """
        self.logReason(failure)
        request, self._request = self._request, None
        if request is not None:
            error: Any = failure.value
            if not isinstance(error, Refused):
                error = Refused(_kindOf(failure), failure.getErrorMessage())
            self.transport.write(request.refuse(error))
        self.transport.loseConnection()

    def readConnectionLost(self) -> None:
        """
        Pass the end on; end a program that has ended before its request.
        """
        if self._deadline is not None:
            self.transport.loseConnection()
        super().readConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Stop the clock, and end the other end.
        """
        self._asked()
        super().connectionLost(reason)


def _kindOf(failure: Failure) -> Refusal:
    """
    Return the kind of refusal after an attempt to reach a peer.
    """
    if failure.check(UpgradeTimeout):
        return Refusal.LATE
    if failure.check(NegotiationFailed, StreamReset):
        return Refusal.NOT_SERVED
    return Refusal.UNREACHABLE
