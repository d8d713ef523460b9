# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How both sides of a connection are started: addresses, and the certificates of the
WebSockets that have TLS below them.
"""

from __future__ import annotations

import tempfile
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.interop.matrix import Cell
from tests.quic.native import requireNative
from tests.transport.websocket.authority import Authority
from twisted_libp2p.node import Node
from twisted_libp2p.quic.backends import BACKENDS
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

__all__ = ["LISTEN", "LISTEN_QUIC", "Sides", "hasBackend", "requireBackend"]

LISTEN = "/ip4/127.0.0.1/tcp/0"
LISTEN_QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"

# The names of a transport in addresses.
_PATHS = {"tcp": "", "ws": "/ws", "wss": "/wss", "tls/ws": "/tls/ws"}


def hasBackend(name: str) -> bool:
    """
    Return whether a backend of QUIC is installed.

    @param name: its name; empty for none.
    """
    return not name or find_spec(BACKENDS[name][1]) is not None


def requireBackend(name: str) -> None:
    """
    Skip a test whose backend of QUIC is not installed.

    @raise SkipTest: it is not.
    """
    if name == "native":
        requireNative()


class Sides:
    """
    Starts both sides.  One authority signs the certificates of all.
    """

    @cached_property
    def _authority(self) -> Authority:
        # The folder goes with this object.
        self._folder = tempfile.TemporaryDirectory(prefix="interop-")
        return Authority(Path(self._folder.name))

    @cached_property
    def certificate(self) -> Path:
        return self._authority.server("127.0.0.1")

    def node(self, reactor: Any, cell: Cell) -> Node:
        """
        Make our side, which listens if the other one dials: a WebSocket on a port that
        it shares with TCP.
        """
        place = LISTEN_QUIC if cell.native else LISTEN + _PATHS[cell.transport]
        listen = [place] if cell.direction == "they dial" else []
        if cell.native:
            provider = QuicProvider(cell.backend)
            return Node(reactor, listen=listen, transports=[provider])
        if listen and cell.transport == "ws":
            listen.append(LISTEN)
        if not cell.certified:
            return Node(reactor, listen=listen)
        transport = SecureWebSockets(self._authority.roots, self.certificate)
        return Node(reactor, listen=listen, transports=[transport])

    def options(self, cell: Cell) -> list[str]:
        """
        Return the options of the foreign peer.
        """
        options = cell.options
        if cell.certified:
            options += ["--tls-certificate", str(self.certificate)]
            options += ["--tls-roots", str(self._authority.roots)]
        return options

    def target(self, cell: Cell, hello: dict[str, Any]) -> str:
        """
        Return the address to dial, from the first line of a listener, with the name
        that the cell has for its transport.
        """
        address: str = hello["addrs"][0]
        if cell.certified:
            address = address.replace(_PATHS["wss"], _PATHS["tls/ws"])
            return address.replace(_PATHS["tls/ws"], _PATHS[cell.transport])
        return address
