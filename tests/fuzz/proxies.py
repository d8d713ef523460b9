# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the answers of proxies.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.target import sameHoweverCut, target
from twisted_libp2p.errors import ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.connect import MAX_HEAD, ConnectOpening
from twisted_libp2p.transport.proxy.opening import Credentials
from twisted_libp2p.transport.proxy.socks import SocksOpening

#: The maximum size of a message of SOCKS5 in bytes.
_LARGEST_REPLY = 262


def _opened(
    opening: ConnectOpening | SocksOpening, limit: int, pieces: Iterator[bytes]
) -> tuple[object, ...]:
    """
    Feed the answers of a proxy.

    @return: our requests and the bytes of the peer, or the error.
    """
    sent = opening.start()
    for piece in pieces:
        try:
            sent += opening.receive(piece)
        except (ProxyFailed, ProxyRefused) as error:
            return (str(error),)
        if opening.opened:
            return sent, opening.trailing + b"".join(pieces)
        assert len(opening._buffer) <= limit
    return sent, None


@target
def socksAnswers(data: bytes) -> None:
    """
    The answers of a SOCKS5 proxy lead to a connection or to one error, and little of
    them is kept.
    """
    sameHoweverCut(
        data,
        lambda pieces: _opened(
            SocksOpening("h", 1, Credentials("u", "p")), _LARGEST_REPLY, pieces
        ),
    )


@target
def connectAnswers(data: bytes) -> None:
    """
    The same of an HTTP proxy.
    """
    sameHoweverCut(
        data, lambda pieces: _opened(ConnectOpening("h", 1), MAX_HEAD, pieces)
    )
