# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS tickets: those of peers, for our next dials, and those that we have issued.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from aioquic.tls import SessionTicket

__all__ = ["MAX_ISSUED", "MAX_KEPT", "Known", "Tickets"]

#: The most peers of which a ticket is kept for the next dial.
MAX_KEPT = 256

#: The most issued tickets that a listener remembers.
MAX_ISSUED = 1024


class Known(NamedTuple):
    """
    A session that may be resumed.

    @ivar ticket: its ticket and secret.
    @ivar leaf: the certificate of the peer, in DER: a resumed handshake shows none.
    """

    ticket: SessionTicket
    leaf: bytes


class Tickets:
    """
    The sessions of one socket that may be resumed; each is used once, and the oldest
    ones are forgotten.  The lifetime of a ticket is a day.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Known] = OrderedDict()
        self._issued: OrderedDict[bytes, Known] = OrderedDict()

    def keep(self, peer: bytes, known: Known) -> None:
        """
        Keep the ticket of a peer.

        @param peer: the bytes of its peer id.
        """
        self._kept[peer] = known
        self._kept.move_to_end(peer)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def recall(self, peer: bytes | None) -> Known | None:
        """
        Return the session for a dial; None without one.
        """
        known = None if peer is None else self._kept.pop(peer, None)
        return known if known is not None and known.ticket.is_valid else None

    def issue(self, known: Known) -> None:
        """
        Remember a ticket that was sent.
        """
        self._issued[known.ticket.ticket] = known
        if len(self._issued) > MAX_ISSUED:
            self._issued.popitem(last=False)

    def redeem(self, identity: bytes) -> Known | None:
        """
        Return the session of a ticket that a peer shows; None for an unknown one.
        """
        return self._issued.pop(identity, None)
