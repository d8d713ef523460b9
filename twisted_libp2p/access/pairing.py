# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Pairing: a peer with a ticket, and the node that has made the ticket, put each other on
their lists.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from zope.interface import implementer

from twisted_libp2p.access.book import BookEntry, PeerBook
from twisted_libp2p.access.invites import Invites
from twisted_libp2p.access.ticket import SECRET_SIZE, Ticket
from twisted_libp2p.errors import ConfigurationError, PairingRefused, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DialOptions,
    IConnection,
    IHost,
    IHostService,
    IRegistration,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Allowance
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.exchange import Exchange

__all__ = ["PROTOCOL_ID", "PairingService"]

PROTOCOL_ID: Final = "/twisted-libp2p/pair/1.0.0"

#: Maximum size of a message, in bytes.
MAX_MESSAGE: Final = 256

#: Number of wrong tickets that are logged one by one, and the seconds after which one
#: more is.
LOGGED, LOG_INTERVAL = 5, 60.0

_ACCEPTED, _REFUSED = b"\0", b"\1"

#: The reason of a refusal that is a fault of our own: a stranger is not given the path
#: of a file.
_NOT_WRITTEN = b"the list of peers cannot be written; it takes another ticket then"


@implementer(IHostService)
class PairingService(Service):
    """
    Makes tickets, and uses the tickets of other nodes.

    The protocol is served from the first ticket on.  A request is the secret and a name
    for the peer, an answer is a zero and the name of the node, or a one and the reason
    of a refusal.

    @ivar book: the paired peers.
    """

    name = "pairing"
    _log = Logger()

    def __init__(
        self,
        book: PeerBook,
        title: str = "peer",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param title: the name of this node that it suggests to paired peers.
        @param random: returns secrets.
        """
        self.book = book
        self._title = title
        self._random = random
        self._invites = Invites()
        self._host: IHost | None = None
        self._exchange: Exchange | None = None
        self._registration: IRegistration | None = None
        self._logged = Allowance(LOGGED, LOG_INTERVAL, 0.0)
        self._unlogged = 0

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._exchange = Exchange(PROTOCOL_ID, host.clock, maximum=MAX_MESSAGE)

    def invite(self) -> Ticket:
        """
        Make a ticket, with the addresses of the node.

        @raise ConfigurationError: the node cannot be dialed, or has made too many.
        """
        assert self._host is not None and self._exchange is not None
        addresses = [each.withoutPeer() for each in self._host.addresses]
        if not addresses:
            raise ConfigurationError(
                "nobody could use a ticket: this node listens nowhere"
            )
        secret = self._random(SECRET_SIZE)
        self._invites.make(secret, self._host.clock.seconds())
        if self._registration is None:
            self._registration = self._exchange.serve(self._host.registry, self._answer)
        return Ticket(self._host.peerID, secret, tuple(addresses))

    async def accept(self, ticket: Ticket, name: str) -> BookEntry:
        """
        Use the ticket of another node, and put that node on our list.

        @param name: our name, which we suggest to the node.
        @return: the entry of the node in the book.
        @raise PairingRefused: the node refuses.
        @raise Exception: the node cannot be reached.
        """
        assert self._host is not None and self._exchange is not None
        if ticket.addresses:
            self._host.peerstore.addAddresses(ticket.peer, ticket.addresses)
        connection: IConnection = await self._host.connect(
            ticket.peer, DialOptions(allowLimited=True)
        )
        answer = await self._exchange.ask(
            connection, ticket.secret + name.encode(), allowLimited=True
        )
        code, text = answer[:1], answer[1:].decode(errors="replace")
        if code == _REFUSED:
            raise PairingRefused(text)
        if code != _ACCEPTED:
            raise ProtocolViolation(PROTOCOL_ID, "an unknown answer")
        return self.book.add(ticket.peer, text, ticket.addresses)

    def _answer(self, connection: IConnection, request: bytes) -> bytes:
        """
        Check a ticket of ours, and put the peer on our list.
        """
        assert self._host is not None
        peer = connection.remotePeer
        secret, name = request[:SECRET_SIZE], request[SECRET_SIZE:]
        # A peer that the user has removed must not come back by its old ticket.
        refusal = self._invites.use(
            secret, peer, self._host.clock.seconds(), again=peer in self.book
        )
        if refusal is not None:
            self._logRefusal(peer, refusal)
            return _REFUSED + refusal.encode()
        try:
            entry = self.book.add(peer, printable(name.decode(errors="replace"), 64))
        except (OSError, ConfigurationError) as error:
            self._log.error("{peer} was not paired: {error}", peer=peer, error=error)
            return _REFUSED + _NOT_WRITTEN
        self._log.info("{peer} is paired, as {name}", peer=peer, name=entry.name)
        return _ACCEPTED + self._title.encode()[:64]

    def _logRefusal(self, peer: PeerID, refusal: str) -> None:
        """
        Log that a peer was not paired, unless that has happened often just now.
        """
        assert self._host is not None
        if not self._logged.take(self._host.clock.seconds()):
            self._unlogged += 1
            return
        others, self._unlogged = self._unlogged, 0
        self._log.warn(
            "{peer} was not paired: {refusal}{others}",
            peer=peer,
            refusal=refusal,
            others=f"; {others} others were not either" if others else "",
        )
