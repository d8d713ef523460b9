# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two endpoints of a node: one serves a protocol, one opens streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, IHost, IRegistration
from twisted_libp2p.node.targets import Target

__all__ = ["ProtocolClient", "ProtocolPort", "ProtocolServer", "hostAddress"]


def hostAddress(host: IHost, protocol: str | None = None) -> PeerAddress:
    """
    Return the address of a node: its peer id and the first address at which it can be
    dialed.

    @param protocol: the protocol that the address names.
    """
    first = next(iter(host.addresses), None)
    return PeerAddress(
        host.peerID, first.withoutPeer() if first is not None else None, protocol
    )


@implementer(IListeningPort)
class ProtocolPort:
    """
    A served protocol: the result of C{listen} of L{ProtocolServer}.
    """

    def __init__(
        self, host: IHost, registration: IRegistration, factory: IProtocolFactory
    ) -> None:
        self._host = host
        self._registration: IRegistration | None = registration
        self._factory = factory

    def startListening(self) -> None:
        """
        Do nothing: it serves since it was made.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Serve no further stream; open streams go on.
        """
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.cancel()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> PeerAddress:
        """
        Return our peer id, an address on which we listen, and the protocol.
        """
        return hostAddress(
            self._host,
            self._registration.protocols[0]
            if self._registration is not None and self._registration.protocols
            else None,
        )


@implementer(IStreamServerEndpoint)
class ProtocolServer:
    """
    Serves a protocol of a node.
    """

    def __init__(
        self, host: IHost, protocols: str | Iterable[str] | Callable[[str], bool]
    ) -> None:
        """
        @param protocols: a protocol id, several, or a function that returns whether
            an id is served.
        """
        self._host = host
        self._protocols = protocols

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Serve from now on.
        """
        try:
            registration = self._host.registry.register(
                self._protocols, protocolFactory
            )
        except ConfigurationError:
            return fail()
        protocolFactory.doStart()
        return succeed(ProtocolPort(self._host, registration, protocolFactory))


@implementer(IStreamClientEndpoint)
class ProtocolClient:
    """
    Opens streams to a peer.
    """

    def __init__(
        self,
        host: IHost,
        target: Target,
        protocols: str | Sequence[str],
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> None:
        """
        @param target: a peer id, or an address.
        @param protocols: a protocol id, or several in order of preference.
        """
        self._host = host
        self._target = target
        self._protocols = protocols
        self._options = options

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer, unless that is done, and open a stream.
        """
        return self._host.openStream(
            self._target, self._protocols, protocolFactory, self._options
        )
