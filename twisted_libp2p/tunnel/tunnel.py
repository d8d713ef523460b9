# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A tunnel: each connection to a port of this machine becomes a stream to a peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IDrainable,
    IHost,
    IHostService,
    ISubscription,
    Source,
)
from twisted_libp2p.node.targets import Target, parse
from twisted_libp2p.protocols.forward import ForwardFactory, Traffic
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.tunnel.opening import PeerEndpoint

__all__ = ["Tunnel"]


@implementer(IDrainable, IHostService)
class Tunnel(LocalService):
    """
    Listens on this machine, and opens a stream for each connection.  Its peer is kept
    connected: it is dialed at the start, and again whenever it is lost.

    Half-closes, back-pressure and resets pass in both directions.

    @ivar local: the description of the port.
    @ivar peer: the peer.
    @ivar protocol: the protocol id.
    @ivar traffic: what has been forwarded so far.
    """

    def __init__(
        self,
        reactor: Any,
        local: str,
        target: Target,
        protocol: str,
        addresses: Iterable[Multiaddr] = (),
        traffic: Traffic | None = None,
    ) -> None:
        """
        @param reactor: the reactor that listens.
        @param local: a server endpoint, on loopback unless it names an C{interface}.
        @param target: the peer: its id, or an address that ends in its id.
        @param protocol: the protocol id.
        @param addresses: further addresses of the peer.
        @param traffic: counts the streams and their bytes, and has their limits.
        @raise ConfigurationError: one of them is malformed.
        """
        super().__init__(reactor, local)
        try:
            peer, known = parse(target)
        except InvalidInput as error:
            raise ConfigurationError(f"a tunnel needs a peer: {error}") from None
        if peer is None:
            raise ConfigurationError(
                f"a tunnel needs the id of its peer: {target} has to end in /p2p/ and"
                " the id"
            )
        self.local = local
        self._addresses = [*known, *addresses]
        self.peer: PeerID = peer
        self.protocol = protocol
        self.traffic = traffic or Traffic()
        self._tag = f"tunnel {local} to {protocol} of {peer}"
        self.setName(self._tag)
        self._target = target
        self._host: IHost | None = None
        self._subscriptions: list[ISubscription] = []
        self._logged = ""

    @property
    def host(self) -> IHost:
        """
        The node.

        @raise ConfigurationError: the tunnel is not attached yet.
        """
        if self._host is None:
            raise ConfigurationError("a tunnel needs a node: node.add(tunnel)")
        return self._host

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host

    def makeFactory(self) -> ForwardFactory:
        """
        Make the factory of the accepted connections.
        """
        endpoint = PeerEndpoint(self.host, self._target, self.protocol)
        return ForwardFactory(endpoint, traffic=self.traffic)

    def startService(self) -> None:
        """
        Listen, and connect with the peer.
        """
        super().startService()
        host = self.host
        if self._addresses:
            host.peerstore.addAddresses(self.peer, self._addresses, Source.CONFIGURED)
        self._subscriptions = [
            host.events.subscribe(kind, self._changed, self.concerns)
            for kind in (OpenedConn, ClosedConn)
        ]
        host.connections.protect(self.peer, self._tag)

    def drain(self) -> None:
        """
        Accept no further connection, and keep the peer no longer; open streams go on.
        """
        self.stopService()

    def stopService(self) -> Deferred[None]:
        """
        Stop to listen, and to keep the peer.
        """
        for each in self._subscriptions:
            each.cancel()
        self._subscriptions = []
        self.host.connections.unprotect(self.peer, self._tag)
        return super().stopService()

    @property
    def state(self) -> str:
        """
        How the peer is connected: C{direct}, C{relayed}, or C{away}.
        """
        open = [each for each in self.host.connections.to(self.peer) if each.connected]
        if not open:
            return "away"
        return "direct" if any(map(isDirect, open)) else "relayed"

    def concerns(self, event: Any) -> bool:
        """
        Check whether an event is about the peer of this tunnel.
        """
        return bool(event.peer == self.peer)

    def _changed(self, event: object) -> None:
        """
        Log a change of the state.
        """
        state = self.state
        if state != self._logged:
            self._logged = state
            self._log.info("{name}: {state}", name=self.name, state=state)
