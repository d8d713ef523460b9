# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport of bytes: the nodes of one machine meet in a folder of Unix sockets.

C{/memory/7} is the socket C{7.sock} of that folder; port 0 takes the first free number.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, IHost, ITransport


@implementer(ITransport)
class Burrow:
    """
    Dials and listens on C{/memory}.
    """

    name = "burrow"
    byteStream = True

    def __init__(self, reactor: Any, folder: str | Path) -> None:
        """
        @param reactor: the reactor that opens the sockets.
        @param folder: the folder of the sockets; its writers can listen.
        """
        self._reactor = reactor
        self._folder = Path(folder)

    @classmethod
    def ofHost(cls, host: IHost) -> Burrow:
        """
        Make the transport of a node, in the folder that C{BURROW} names.
        """
        return cls(host.reactor, os.environ.get("BURROW", Path.home() / ".burrow"))

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address is the number of a socket.
        """
        return address.names == ("memory",)

    canListen = canDial

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects to the socket of an address.
        """
        if options.local is not None:
            raise UnsupportedAddress(f"no dial leaves from {options.local}")
        endpoint: IStreamClientEndpoint = UNIXClientEndpoint(
            self._reactor, str(self._path(int(address.value("memory") or 0)))
        )
        return endpoint

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return an endpoint that listens on the socket of an address.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        number = int(address.value("memory") or 0) or next(
            each for each in count(1) if not self._path(each).exists()
        )
        endpoint: IStreamServerEndpoint = UNIXServerEndpoint(
            self._reactor, str(self._path(number)), wantPID=True
        )
        return endpoint

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the address of a port.
        """
        found = self.toMultiaddr(port.getHost())
        return [] if found is None else [found]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate the address of a socket; that of a dialer has no name.
        """
        if not isinstance(address, UNIXAddress) or not address.name:
            return None
        path = Path(os.fsdecode(address.name))
        if path.suffix != ".sock" or not path.stem.isdigit():
            return None
        return Multiaddr(f"/memory/{path.stem}")

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.sock"
