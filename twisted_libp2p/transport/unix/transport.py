# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Unix sockets as a transport: C{/unix/run/node.sock}.

The clients of a Unix socket have no address, so the addresses of a connection are the
path of the socket.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.reflect import requireModule
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidMultiaddr,
    UnsupportedAddress,
)
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    IKeepsToProxy,
    IOpaqueDials,
    IOpaqueListeners,
    ITransport,
    ITransportProvider,
)
from twisted_libp2p.transport.unix.access import MODE, fileMode, fileOwner

__all__ = ["MAX_PATH", "UnixSockets", "UnixTransport", "pathOf", "unixServer"]

#: The maximum size of a path in bytes, as the kernels have it (C{sun_path}).
MAX_PATH: Final = 107 if sys.platform == "linux" else 103

# Endpoints take it, although their types do not say so: they start no timer then.
_UNTIMED: Any = None


def pathOf(address: IAddress) -> Multiaddr | None:
    """
    Translate the address of a Unix socket.

    @return: None for any other address, and for a socket that has no absolute path.
    """
    if not isinstance(address, UNIXAddress) or not address.name:
        return None
    name = os.fsencode(address.name)
    if not name.startswith(b"/"):
        return None
    try:
        return Multiaddr("/unix/" + quote(name, safe=""))
    except InvalidMultiaddr:
        return None


@implementer(IStreamClientEndpoint)
class _Client:
    """
    Connects to a socket.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._endpoint = UNIXClientEndpoint(reactor, path, _UNTIMED)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, as the endpoint does.
        """

        def connected(protocol: Any) -> IProtocol:
            # The endpoint has put something around the protocol, which has reported
            # that it is connected: no byte needs to go through it.
            protocol.transport.protocol = protocol
            found: IProtocol = protocol
            return found

        connecting: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connecting.addCallback(connected)


@implementer(ITransport, IKeepsToProxy, IOpaqueDials, IOpaqueListeners)
class UnixTransport:
    """
    Dials and listens on C{/unix/PATH}.
    """

    name = "unix"
    byteStream = True

    def __init__(
        self, reactor: Any, mode: int = MODE, owner: tuple[int, int] | None = None
    ) -> None:
        """
        @param reactor: what connects and listens.
        @param mode: the mode of the sockets on which it listens: the users who may
            write to a socket may connect.
        @param owner: their user and group; None for those of the process.
        """
        self._reactor = reactor
        self._mode = mode
        self._owner = owner

    @classmethod
    def ofHost(cls, host: IHost) -> UnixTransport:
        """
        Make the transport of a node.
        """
        return cls(host.reactor)

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether an address is a path, and no more.
        """
        return address.names == ("unix",)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether an address is a path, and no more.
        """
        return self.canDial(address)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to a socket.

        @raise UnsupportedAddress: the path is too long, or C{options.local} is given.
        """
        path = self._path(address)
        if options.local is not None:
            raise UnsupportedAddress(
                f"cannot dial from {options.local} here: Unix sockets have no addresses"
                " to dial from"
            )
        _port()
        return _Client(self._reactor, path)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on a socket.

        @raise UnsupportedAddress: the path is too long.
        """
        return unixServer(self._reactor, self._path(address), self._mode, self._owner)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the requested address.
        """
        return [address]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate the address of a socket.
        """
        return pathOf(address)

    def _path(self, address: Multiaddr) -> str:
        path = address.value("unix")
        if path is None or len(address) > 1:
            raise UnsupportedAddress(
                f"{address} is not a path: /unix/run/node.sock is one"
            )
        size = len(os.fsencode(path))
        if size > MAX_PATH:
            raise UnsupportedAddress(
                f"{address}: the path of a socket has at most {MAX_PATH} bytes,"
                f" and this one has {size}"
            )
        return path


def _port() -> Any:
    """
    Import the part that needs a system with Unix sockets.

    @raise UnsupportedAddress: this system has none.
    """
    found = requireModule("twisted_libp2p.transport.unix.port")
    if found is None:
        raise UnsupportedAddress("this system has no Unix sockets")
    return found


def unixServer(
    reactor: Any, path: str, mode: int, owner: tuple[int, int] | None = None
) -> IStreamServerEndpoint:
    """
    Return the endpoint that listens on the path of a socket.

    @raise UnsupportedAddress: this system has no Unix sockets.
    """
    endpoint: IStreamServerEndpoint = _port().UnixServerEndpoint(
        reactor, path, mode, owner
    )
    return endpoint


@implementer(ITransportProvider)
@dataclass(frozen=True)
class UnixSockets:
    """
    Provides the transport C{unix} with access rights of its own:
    C{Node(transports=["tcp", UnixSockets(mode="660", owner="www-data:adm")])}.

    @ivar mode: the mode of the sockets, in octal digits.
    @ivar owner: their owner, C{USER}, C{USER:GROUP} or C{:GROUP}, or the numbers of
        both; None for that of the process.
    """

    mode: str | int = MODE
    owner: str | tuple[int, int] | None = None

    name = "unix"
    description = "Unix sockets, with access rights of their own"

    def provide(self, host: IHost) -> UnixTransport:
        """
        Make the transport for a node.

        @raise ConfigurationError: there is no such mode or owner.
        """
        mode, owner = self.mode, self.owner
        try:
            return UnixTransport(
                host.reactor,
                fileMode(mode) if isinstance(mode, str) else mode,
                fileOwner(owner) if isinstance(owner, str) else owner,
            )
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
