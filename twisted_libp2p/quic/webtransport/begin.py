# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a connection of QUIC goes on over HTTP/3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted_libp2p.interfaces import Handshake, IQuicConnections

if TYPE_CHECKING:
    from twisted_libp2p.quic.webtransport.endpoint import WebTransportEndpoint

__all__ = ["BeginWeb", "WebDial"]

#: Begins HTTP/3 on a connection: its endpoint, its handle there, what the handshake of
#: Noise needs, and the events so far.
BeginWeb = Callable[
    [IQuicConnections, int, Handshake, Sequence[tuple[object, ...]]],
    "WebTransportEndpoint",
]


@dataclass(frozen=True, slots=True)
class WebDial:
    """
    How a dial goes on over HTTP/3.

    @ivar pins: the digests of the certificates that the listener may show, joined.
    @ivar begin: begins HTTP/3.
    """

    pins: bytes
    begin: BeginWeb
