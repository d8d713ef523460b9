# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A routing: finds the addresses of peers at a directory, which is a peer as well.

The directory runs L{Directory}, which answers from its peerstore; the others ask it
whenever they dial a peer by an id without a known address::

    directory = Node(reactor, listen=[...], services=[Directory()])
    node = Node(reactor, services=[Phonebook(directory.addresses[0])])
    node.connect("12D3Koo...")
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DialOptions,
    IConnection,
    IHost,
    IHostService,
    IPeerRouting,
)
from twisted_libp2p.protocols.exchange import Exchange

PROTOCOL_ID = "/phonebook/1.0.0"

#: Maximum number of addresses in an answer.
ADDRESSES = 16


@implementer(IHostService)
class Directory(Service):
    """
    Answers a peer id by its addresses, one a line.
    """

    name = "directory"

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol.
        """
        self._host = host
        Exchange(PROTOCOL_ID, host.clock, maximum=64).serve(host.registry, self._answer)

    def _answer(self, connection: IConnection, request: bytes) -> bytes:
        """
        Look up a peer.
        """
        known = self._host.peerstore.addresses(PeerID(request))
        return "\n".join(map(str, known[:ADDRESSES])).encode()


@implementer(IHostService, IPeerRouting)
class Phonebook(Service):
    """
    Asks a directory.
    """

    name = "phonebook"

    def __init__(self, directory: str | Multiaddr) -> None:
        """
        @param directory: the full address of the directory.
        """
        self._directory = Multiaddr.of(directory)
        # A public directory must not lead us into our private networks.
        self.origin = Origin.of(self._directory)

    def attach(self, host: IHost) -> None:
        """
        Keep the node.
        """
        self._host = host
        self._exchange = Exchange(PROTOCOL_ID, host.clock)

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Ask the directory for the addresses of a peer.
        """
        return Deferred.fromCoroutine(self._findPeer(peer))

    async def _findPeer(self, peer: PeerID) -> Sequence[Multiaddr]:
        # Without routings: otherwise we would ask ourselves for the directory.
        connection = await self._host.connect(
            self._directory, DialOptions(routed=False)
        )
        answer = await self._exchange.ask(connection, peer.toBytes())
        lines = answer.decode("utf-8", "replace").splitlines()
        return [Multiaddr(line) for line in lines[:ADDRESSES]]
