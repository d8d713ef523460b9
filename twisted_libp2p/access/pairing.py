# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Pairing: a peer with a ticket, and the node that has made the ticket, put each other on
their lists.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from twisted.application.service import Service
from zope.interface import implementer

from twisted_libp2p.access.admission import Admission
from twisted_libp2p.access.book import BookEntry, PeerBook
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
from twisted_libp2p.protocols.exchange import Exchange

__all__ = ["PROTOCOL_ID", "PairingService"]

PROTOCOL_ID: Final = "/twisted-libp2p/pair/1.0.0"

#: Maximum size of a message, in bytes.
MAX_MESSAGE: Final = 256

_ACCEPTED, _REFUSED = b"\0", b"\1"

#: Decides about a peer with a secret and the name that it suggests, as
#: L{Admission.admit} does.
Admit = Callable[[PeerID, bytes, str], Awaitable[str | None]]


@implementer(IHostService)
class PairingService(Service):
    """
    Makes tickets, and uses the tickets of other nodes.

    The protocol is served from the first ticket on, or from the beginning if the
    tickets are made elsewhere.  A request is the secret and a name for the peer, an
    answer is a zero and the name of the node, or a one and the reason of a refusal.

    @ivar book: the paired peers.
    """

    name = "pairing"

    def __init__(
        self,
        book: PeerBook,
        title: str = "peer",
        random: Callable[[int], bytes] = os.urandom,
        admit: Admit | None = None,
    ) -> None:
        """
        @param title: the name of this node that it suggests to paired peers.
        @param random: returns secrets.
        @param admit: decides about peers, and writes the book, if another process
            makes the tickets.
        """
        self.book = book
        self._title = title
        self._random = random
        self._admit = admit
        self._admission: Admission | None = None
        self._host: IHost | None = None
        self._exchange: Exchange | None = None
        self._registration: IRegistration | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self._exchange = Exchange(PROTOCOL_ID, host.clock, maximum=MAX_MESSAGE)
        self._admission = Admission(self.book, host.clock.seconds, self._random)
        if self._admit is not None:
            self._registration = self._exchange.serve(host.registry, self._answer)

    def invite(self) -> Ticket:
        """
        Make a ticket, with the addresses of the node.

        @raise ConfigurationError: the node cannot be dialed, or has made too many.
        """
        assert self._host is not None and self._exchange is not None
        assert self._admission is not None
        addresses = [each.withoutPeer() for each in self._host.addresses]
        if not addresses:
            raise ConfigurationError(
                "nobody could use a ticket: this node listens nowhere"
            )
        secret = self._admission.make()
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

    async def _answer(self, connection: IConnection, request: bytes) -> bytes:
        """
        Check a ticket, and put the peer on our list.
        """
        assert self._admission is not None
        peer = connection.remotePeer
        secret = request[:SECRET_SIZE]
        name = request[SECRET_SIZE:].decode(errors="replace")
        if self._admit is None:
            refusal = self._admission.admit(peer, secret, name)
        else:
            refusal = await self._admit(peer, secret, name)
        if refusal is not None:
            return _REFUSED + refusal.encode()
        return _ACCEPTED + self._title.encode()[:64]
