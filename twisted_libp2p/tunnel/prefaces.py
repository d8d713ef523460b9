# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two ways to name the peer of a stream to a server on this machine: the PROXY protocol,
and a header of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.address.scope import ipOf
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.protocols.forward import Preface
from twisted_libp2p.transport.proxyheader import writeProxyHeader
from twisted_libp2p.tunnel.head import HeadReader, writeHead

__all__ = ["HEADER", "PEER_FIELD", "HttpPreface", "ProxyPreface", "naming"]

#: The type of the field of the PROXY protocol that has the peer id, as text: one in the
#: range for applications.
PEER_FIELD: Final = 0xE0

#: The header of HTTP that has the peer id.
HEADER: Final = b"X-Libp2p-Peer"

_SEPARATORS = re.compile(rb"[^0-9a-z]")


class ProxyPreface:
    """
    Begins with a header of the PROXY protocol, version 2: the IP address of the peer,
    if it is known and not that of a relay, and the field L{PEER_FIELD} with its id.
    """

    done = True

    def __init__(self, peer: PeerAddress) -> None:
        self._peer = peer

    def start(self) -> bytes:
        """
        Return the header.
        """
        where, client = self._peer.multiaddr, None
        if where is not None and "p2p-circuit" not in [each.name for each in where]:
            host = ipOf(where)
            client = None if host is None else (str(host), self._peer.port)
        return writeProxyHeader(client, {PEER_FIELD: str(self._peer.peerID).encode()})

    def receive(self, data: bytes) -> bytes:
        """
        Pass on.
        """
        return data


class HttpPreface:
    """
    Puts the header C{X-Libp2p-Peer} into the request, and removes one that the peer
    has sent.  There is one request on a stream: C{Connection: close} makes the server
    ignore any further bytes (RFC 9112, section 9.6).  Upgrades other than those to a
    WebSocket are not passed on.

    It keeps the head of one request.
    """

    def __init__(self, peer: PeerAddress) -> None:
        self.done = False
        self._peer = str(peer.peerID).encode()
        self._reader = HeadReader()

    def start(self) -> bytes:
        """
        Return nothing: the request line comes first.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in the head of the request.

        @return: the changed head, and the bytes after it; nothing before its end.
        @raise ProtocolViolation: it is too long, or malformed.
        """
        head = self._reader.receive(data)
        if head is None:
            return b""
        self.done = True
        upgrade = False
        kept = []
        for name, value in head.fields:
            # Servers of CGI and WSGI make an underscore of any other character.
            plain = _SEPARATORS.sub(b"-", name.lower())
            if plain in (HEADER.lower(), b"connection"):
                continue
            if plain == b"upgrade":
                # Requests follow an upgrade to HTTP/2, whose headers are not seen here.
                if value.strip().lower() != b"websocket":
                    continue
                upgrade = True
            kept.append((name, value))
        closing = b" close, Upgrade" if upgrade else b" close"
        added = [(b"Connection", closing), (HEADER, b" " + self._peer)]
        return writeHead(head.request, [*added, *kept]) + head.rest


_WAYS: Final[dict[str, Callable[[Any], Preface]]] = {
    "proxy": ProxyPreface,
    "http": HttpPreface,
}


def naming(way: str) -> Callable[[Any], Preface]:
    """
    Return the maker of prefaces of a name.

    @param way: C{proxy} or C{http}.
    @raise ConfigurationError: the name is unknown.
    """
    if way not in _WAYS:
        raise ConfigurationError(
            f"no way to name a peer is called {way!r}: choose from {', '.join(_WAYS)}"
        )
    return _WAYS[way]
