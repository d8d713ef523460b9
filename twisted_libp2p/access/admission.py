# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The admission of peers with tickets: who is put on the list of paired peers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.invites import Invites
from twisted_libp2p.access.ticket import SECRET_SIZE
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Allowance
from twisted_libp2p.printable import printable

__all__ = ["LOGGED", "LOG_INTERVAL", "Admission"]

#: Number of wrong tickets that are logged one by one, and the seconds after which one
#: more is.
LOGGED, LOG_INTERVAL = 5, 60.0

#: The reason of a refusal that is a fault of our own: a stranger is not given the path
#: of a file.
_NOT_WRITTEN: Final = (
    "the list of peers cannot be written; it takes another ticket then"
)


class Admission:
    """
    Makes the secrets of tickets, each of which admits one peer.

    @ivar book: the paired peers.
    """

    _log = Logger()

    def __init__(
        self,
        book: PeerBook,
        seconds: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param seconds: returns the time.
        @param random: returns secrets.
        """
        self.book = book
        self._seconds = seconds
        self._random = random
        self._invites = Invites()
        self._logged = Allowance(LOGGED, LOG_INTERVAL, 0.0)
        self._unlogged = 0

    def make(self) -> bytes:
        """
        Return the secret of another ticket.

        @raise ConfigurationError: there are too many.
        """
        secret = self._random(SECRET_SIZE)
        self._invites.make(secret, self._seconds())
        return secret

    def knows(self, secret: bytes) -> bool:
        """
        Check whether a secret is that of a ticket, which may be used or too old.
        """
        return secret in self._invites

    def admit(self, peer: PeerID, secret: bytes, name: str) -> str | None:
        """
        Check a secret, and put the peer on the list.

        @param name: the name that the peer suggests.
        @return: None if the peer is paired; otherwise the reason of the refusal.
        """
        # A peer that the user has removed must not come back by its old ticket.
        refusal = self._invites.use(
            secret, peer, self._seconds(), again=peer in self.book
        )
        if refusal is not None:
            self._logRefusal(peer, refusal)
            return refusal
        try:
            entry = self.book.add(peer, printable(name, 64))
        except (OSError, ConfigurationError) as error:
            self._log.error("{peer} was not paired: {error}", peer=peer, error=error)
            return _NOT_WRITTEN
        self._log.info("{peer} is paired, as {name}", peer=peer, name=entry.name)
        return None

    def _logRefusal(self, peer: PeerID, refusal: str) -> None:
        """
        Log that a peer was not paired, unless that has happened often just now.
        """
        if not self._logged.take(self._seconds()):
            self._unlogged += 1
            return
        others, self._unlogged = self._unlogged, 0
        self._log.warn(
            "{peer} was not paired: {refusal}{others}",
            peer=peer,
            refusal=refusal,
            others=f"; {others} others were not either" if others else "",
        )
