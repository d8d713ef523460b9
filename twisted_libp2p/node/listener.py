# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One address on which a node listens.
"""

from __future__ import annotations

from twisted.internet.interfaces import IListeningPort

from twisted_libp2p.address import Multiaddr, isWildcard, unmapped
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IAddressing
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.endpoint import NOWHERE, NamedEndpoint

__all__ = ["Listener"]


class Listener:
    """
    An address on which a node listens.

    @ivar requested: the address, or the endpoint, as it was asked for.
    @ivar port: the port that accepts connections.
    @ivar addresses: the real addresses, with the peer id.  They may change: those of a
        wildcard with the interfaces of this host, others with their port.
    @ivar wildcard: whether the requested address stands for all of this host.
    @ivar users: the number of users that share it.
    """

    _log = Logger()

    def __init__(
        self,
        requested: Multiaddr | NamedEndpoint,
        port: IListeningPort,
        transport: IAddressing,
        peerID: PeerID,
    ) -> None:
        self.requested = requested
        self.port = port
        self.addresses: list[Multiaddr] = []
        if isinstance(requested, NamedEndpoint):
            self._address: Multiaddr = NOWHERE
            bound = transport.toMultiaddr(port.getHost())
        else:
            self._address = bound = requested
        self.wildcard = bound is not None and isWildcard(unmapped(bound))
        self.users = 1
        self._transport = transport
        self._peerID = peerID
        self._blind = False

    def look(self) -> tuple[list[Multiaddr], list[Multiaddr]]:
        """
        Find out the real addresses.  If the interfaces of this host cannot be listed,
        the known addresses stay.

        @return: the new addresses, and those that are gone.
        """
        try:
            found = self._transport.listeningOn(self._address, self.port)
        except OSError as error:
            if not self._blind:
                self._blind = True
                self._log.warn(
                    "listening on {address}, but at which addresses of this host is"
                    " not known: {error}",
                    address=str(self.requested),
                    error=str(error),
                )
            return [], []
        self._blind = False
        before = self.addresses
        self.addresses = [each.withPeer(self._peerID) for each in found]
        return (
            [each for each in self.addresses if each not in before],
            [each for each in before if each not in self.addresses],
        )
