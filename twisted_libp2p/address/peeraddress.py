# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The address of either end of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twisted.internet.address import IPv4Address

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID

__all__ = ["PeerAddress"]


@dataclass(frozen=True, init=False)
class PeerAddress(IPv4Address):
    """
    One end of a stream, as C{getPeer} and C{getHost} of its transport return it.

    Servers that know nothing of libp2p read C{host} and C{port}.  The host is the
    peer id, which the handshake has proven.  It is not the IP address, which may be
    that of a relay or of a proxy on this machine: a server that trusts C{127.0.0.1}, as
    Twisted's mail relay does, would then trust every peer that uses the proxy.  Code
    that wants the IP address reads C{multiaddr}.

    It is an C{IPv4Address} because Twisted's access log and its distributed web
    server read the host of no other class.  Nothing of Twisted takes the host of
    a connected transport for four numbers, except in FTP's passive mode.

    @ivar peerID: the peer at this end.
    @ivar multiaddr: the address of the peer; None if it is not known.
    @ivar protocolID: the negotiated protocol of the stream; None until then.
    """

    peerID: PeerID
    multiaddr: Multiaddr | None = None
    protocolID: str | None = None

    def __init__(
        self,
        peerID: PeerID | str,
        multiaddr: Multiaddr | str | None = None,
        protocolID: str | None = None,
    ) -> None:
        """
        Keep the parts of an address; a peer id and an address may be text.
        """
        if not isinstance(peerID, PeerID):
            peerID = PeerID.of(peerID)
        if multiaddr is not None and not isinstance(multiaddr, Multiaddr):
            multiaddr = Multiaddr.of(multiaddr)
        # Each stream has one: this takes half the time of object.__setattr__.
        parts = self.__dict__
        parts["peerID"] = peerID
        parts["multiaddr"] = multiaddr
        parts["protocolID"] = protocolID

    @classmethod
    def of(cls, end: object) -> PeerAddress:
        """
        Return the address of the peer at the other end of a stream.

        @param end: the transport of a protocol, or its C{getPeer()}, or a request of
            the web.
        @raise InvalidInput: the other end is not a libp2p peer.
        """
        ask = getattr(end, "getPeer", None) or getattr(end, "getClientAddress", None)
        address = end if ask is None else ask()
        if not isinstance(address, PeerAddress):
            raise InvalidInput(
                f"{address} is not the address of a libp2p peer: the server is also"
                " reached without libp2p"
            )
        return address

    @property
    def type(self) -> Literal["TCP"]:  # type: ignore[override]
        """
        The kind of transport that a stream resembles.
        """
        return "TCP"

    @property
    def host(self) -> str:  # type: ignore[override]
        """
        The peer id, as text.
        """
        return str(self.peerID)

    @property
    def port(self) -> int:  # type: ignore[override]
        """
        The port of the first transport in C{multiaddr}; 0 if it has none.
        """
        for component in self.multiaddr or ():
            if component.value is not None and component.name in ("tcp", "udp"):
                return int(component.value)
        return 0

    def __str__(self) -> str:
        where = self.multiaddr.withoutPeer() if self.multiaddr else None
        return f"{where or ''}/p2p/{self.peerID}"
