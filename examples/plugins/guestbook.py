# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A service of a node: peers leave each other a greeting.

Whenever a peer is identified that has a guestbook too, the two exchange one message
each, and write it down::

    node = Node(reactor, services=[Guestbook("Greetings from Rome")])
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.logger import Logger
from zope.interface import implementer

from twisted_libp2p.events import Identified
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection, IHost, IHostService
from twisted_libp2p.protocols.exchange import Exchange

PROTOCOL_ID = "/guestbook/1.0.0"

#: Maximum size of a greeting in bytes, and number of greetings in a book.
LONGEST = 256
PAGES = 1000


@implementer(IHostService)
class Guestbook(Service):
    """
    Speaks C{/guestbook/1.0.0}.

    @ivar greetings: the greeting of each peer, the last one last.
    """

    name = "guestbook"
    _log = Logger()

    def __init__(self, greeting: str) -> None:
        """
        @param greeting: the greeting that peers get.
        """
        self._greeting = greeting.encode()
        self.greetings: dict[PeerID, str] = {}

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol, and greet the peers that serve it.
        """
        self._exchange = Exchange(PROTOCOL_ID, host.clock, maximum=LONGEST)
        self._exchange.serve(host.registry, self._answer)
        host.events.subscribe(
            Identified, self._met, lambda event: PROTOCOL_ID in event.protocols
        )

    def _met(self, event: Identified) -> None:
        """
        Greet a peer, unless that is done.
        """
        if event.peer in self.greetings:
            return
        asking = self._exchange.ask(event.connection, self._greeting)
        asking.addCallback(lambda answer: self._write(event.peer, answer))
        asking.addErrback(
            lambda reason: self._log.info(
                "{peer} did not answer our greeting: {reason}",
                peer=event.peer,
                reason=reason.getErrorMessage(),
            )
        )

    def _answer(self, connection: IConnection, greeting: bytes) -> bytes:
        """
        Write a greeting down, and return ours.
        """
        self._write(connection.remotePeer, greeting)
        return self._greeting

    def _write(self, peer: PeerID, greeting: bytes) -> None:
        """
        Write a greeting down; the oldest one leaves a full book.
        """
        self.greetings.pop(peer, None)
        if len(self.greetings) == PAGES:
            del self.greetings[next(iter(self.greetings))]
        self.greetings[peer] = greeting.decode("utf-8", "replace")
