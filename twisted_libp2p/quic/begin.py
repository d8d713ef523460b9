# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a connection goes on whose peer is proven by a handshake of Noise inside: over
HTTP/3 in WebTransport, and in WebRTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from zope.interface import Attribute, Interface

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.interfaces import Handshake, IQuicConnections, Secured

__all__ = ["PROVEN_INSIDE", "BeginWeb", "IProvenInside", "WebDial"]

#: The application protocols whose peers are proven by a handshake inside: HTTP/3, and
#: WebRTC.
PROVEN_INSIDE = (b"h3", b"webrtc-direct")


class IProvenInside(IQuicConnections, Interface):
    """
    The streams of one connection, whose peer proves its identity inside.  The event
    C{CONNECTED} reports the proof to a listener, C{CONFIRMED} to a dialer.
    """

    secured: Secured | None = Attribute("The proven peer; None so far.")
    refusal: HandshakeFailed | None = Attribute(
        "Why the peer has not been accepted; None so far."
    )

    def feed(events: Sequence[tuple[object, ...]]) -> None:
        """
        Take events that came before this object.
        """

    def named(address: IAddress) -> IAddress:
        """
        Return the address of an end of the connection, by that of UDP.
        """


#: Begins the handshake on a connection: its endpoint, its handle there, the inputs of
#: the handshake, and the events so far.
BeginWeb = Callable[
    [IQuicConnections, int, Handshake, Sequence[tuple[object, ...]]], IProvenInside
]


@dataclass(frozen=True, slots=True)
class WebDial:
    """
    How a dial goes on.

    @ivar pins: the digests of the certificates that the listener may show, joined.
    @ivar begin: begins the handshake.
    """

    pins: bytes
    begin: BeginWeb
