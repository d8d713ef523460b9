# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the first bytes at a port of several transports, and the statements of proxies.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.address import IPv4Address

from tests.fuzz.target import sameHoweverCut, target
from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.transport import TCPTransport
from twisted_libp2p.transport.firstbytes import recognize
from twisted_libp2p.transport.proxies import TrustedProxies
from twisted_libp2p.transport.proxyheader import MAX_HEADER, readProxyHeader

_TCP = TCPTransport(None)
_PROXY = IPv4Address("TCP", "10.0.0.1", 1)
_PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8::/32"])


@target
def proxyHeaders(data: bytes) -> None:
    """
    The header of the PROXY protocol is read once it is whole, or refused; its client
    has a multiaddr.
    """

    def run(pieces: Iterator[bytes]) -> object:
        received = b""
        for piece in pieces:
            received += piece
            try:
                header = readProxyHeader(received)
            except HandshakeFailed:
                return "refused"
            if header is not None:
                assert header.size <= MAX_HEADER
                return header, (received + b"".join(pieces))[header.size :]
        return "more"

    sameHoweverCut(data, run)


@target
def firstBytes(data: bytes) -> None:
    """
    Once the first bytes have decided for a transport, more bytes change nothing.
    """
    for private in (False, True):
        decided = None
        for size in range(1, min(len(data), 8) + 1):
            kind = recognize(data[:size], private)
            assert decided is None or kind is decided
            decided = kind
        assert not data or decided is not None or len(data) < 6


@target
def forwardedFor(data: bytes) -> None:
    """
    The client that proxies state is the proxy itself, or has an address; nobody states
    it for a stranger.
    """
    headers = data.decode("latin-1").split("\n")
    client = _PROXIES.client(_PROXY, headers)
    assert _TCP.toMultiaddr(client) is not None
    stranger = IPv4Address("TCP", "192.0.2.1", 1)
    assert _PROXIES.client(stranger, headers) is stranger
