# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The TCP ports of a node, on each of which several of its transports may listen, as
go-libp2p's C{ShareTCPListener} does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.arrival import Arrival
from twisted_libp2p.connection.stack import AcceptingFactory, Stack
from twisted_libp2p.connection.upgrade import Upgrade
from twisted_libp2p.interfaces import (
    FirstBytes,
    IAddressing,
    IPortEndpoint,
    Role,
)
from twisted_libp2p.pacing import Deadlines

__all__ = ["Ports"]

#: Seconds that a peer has to send its first bytes to a port of several transports.
FIRST_BYTES: Final = 5.0

#: Seconds without first bytes after which a peer of a private network is taken for one
#: over plain TCP: js-libp2p waits for our nonce.
QUIET: Final = 1.0

Accept = Callable[[IAddressing, IAddress | None], Upgrade | None]


class Ports:
    """
    The TCP ports on which the transports of a node listen.
    """

    def __init__(
        self,
        accept: Accept,
        stack: Callable[[Upgrade], Stack],
        clock: IReactorTime,
    ) -> None:
        """
        @param accept: begins the upgrade of an accepted connection; returns None to
            refuse it.
        @param stack: returns the factory of the layers for an upgrade.
        """
        self.accept = accept
        self.stack = stack
        self.deadlines = Deadlines(clock, FIRST_BYTES)
        self.quiet = Deadlines(clock, QUIET)
        self._all: list[_Port] = []

    def listen(
        self, endpoint: IPortEndpoint, transport: IAddressing
    ) -> Deferred[IListeningPort]:
        """
        Listen with a transport on the TCP port of its endpoint.

        A port that is open for other transports is shared.  All requests for port 0 of
        an address share one port, unless their connections begin alike.

        @return: fires with the port.
        """
        for each in self._all:
            if each.admits(endpoint):
                return succeed(each.join(endpoint, transport))
        port = _Port(self, endpoint.port)

        def listening(opened: IListeningPort) -> IListeningPort:
            port.opened = opened
            self._all.append(port)
            return share

        share = port.add(endpoint, transport)
        return endpoint.below.listen(port).addCallback(listening)

    def forget(self, port: _Port) -> None:
        """
        Drop a port that is about to be closed.
        """
        self._all.remove(port)


class _Branch:
    """
    One transport of a port.
    """

    def __init__(
        self,
        endpoint: IPortEndpoint,
        transport: IAddressing,
        stack: Callable[[Upgrade], Stack],
    ) -> None:
        self.transport = transport
        self._stack = stack
        self._factory = endpoint.layers(AcceptingFactory(self._take))
        self._upgrade: Upgrade | None = None

    def build(self, upgrade: Upgrade) -> IProtocol | None:
        """
        Build the layers of the transport for a connection that was accepted.
        """
        upgrade.transport = self.transport
        self._upgrade = upgrade
        return self._factory.buildProtocol(upgrade.peer)  # type: ignore[arg-type]

    def _take(self, addr: IAddress | None) -> Stack:
        """
        Return the layers above those of the transport, which has just asked for them.
        """
        upgrade, self._upgrade = self._upgrade, None
        assert upgrade is not None
        return self._stack(upgrade)


class _Port(Factory):
    """
    One TCP port.

    @ivar opened: the port; None as long as it is being opened.
    """

    noisy = False
    opened: IListeningPort | None = None

    def __init__(self, ports: Ports, address: Multiaddr) -> None:
        """
        @param address: the requested address of the port.
        """
        self._ports = ports
        self._address = address
        self._branches: dict[FirstBytes, _Branch] = {}

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port.
        """
        return "libp2p"

    # The transports

    def admits(self, endpoint: IPortEndpoint) -> bool:
        """
        Return whether an endpoint can listen on this port.
        """
        if endpoint.firstBytes in self._branches or self.opened is None:
            return False
        if endpoint.port == self._address:
            return True
        host = self.opened.getHost()
        return (
            isinstance(host, IPv4Address | IPv6Address)
            and endpoint.port.host == self._address.host
            and endpoint.port.value("tcp") == str(host.port)
        )

    def join(self, endpoint: IPortEndpoint, transport: IAddressing) -> IListeningPort:
        """
        Let one more transport listen on this port.
        """
        assert self.opened is not None
        endpoint.join(self.opened)
        return self.add(endpoint, transport)

    def add(self, endpoint: IPortEndpoint, transport: IAddressing) -> IListeningPort:
        """
        Let a transport listen on this port.
        """
        kind = endpoint.firstBytes
        self._branches[kind] = _Branch(endpoint, transport, self._ports.stack)
        return _Share(self, kind)

    def remove(self, kind: FirstBytes) -> Deferred[Any]:
        """
        Let a transport listen no longer; the last one closes the port.
        """
        del self._branches[kind]
        if self._branches:
            return succeed(None)
        opened, self.opened = self.opened, None
        assert opened is not None
        self._ports.forget(self)
        return maybeDeferred(opened.stopListening)

    # The connections

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Begin the upgrade of an accepted connection: with the layers of its transport,
        or by its first bytes if they have to decide.
        """
        ports, branches = self._ports, self._branches
        first = next(iter(branches.values()))
        upgrade = ports.accept(first.transport, addr)
        if upgrade is None:
            return None
        if len(branches) == 1 and not upgrade.proxied:
            return first.build(upgrade)
        if upgrade.role is Role.CLIENT:
            # A punched hole, which leads to TCP: the peer waits for our first bytes.
            for kind in (FirstBytes.LIBP2P, FirstBytes.RANDOM):
                if kind in branches:
                    return branches[kind].build(upgrade)
        deadlines = ports.quiet if FirstBytes.RANDOM in branches else ports.deadlines
        return Arrival.begin(upgrade, branches, deadlines)


@implementer(IListeningPort)
class _Share:
    """
    A TCP port, as one of its transports sees it.
    """

    def __init__(self, port: _Port, kind: FirstBytes) -> None:
        self._port = port
        self._kind = kind
        self._stopped = False

    def startListening(self) -> NoReturn:
        """
        Refuse: the port listens from its beginning to its end.
        """
        raise NotImplementedError("the port listens already")

    def stopListening(self) -> Deferred[Any]:
        """
        Listen no longer with this transport.
        """
        if self._stopped:
            return succeed(None)
        self._stopped = True
        return self._port.remove(self._kind)

    def getHost(self) -> IAddress:
        """
        Return the address of the port.
        """
        assert self._port.opened is not None
        return self._port.opened.getHost()
