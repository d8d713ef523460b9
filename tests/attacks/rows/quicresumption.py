# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by QUIC that resume a session of TLS, on a node that has turned tickets on.
"""

from __future__ import annotations

import time

from aioquic import tls

from tests.attacks.arena import Arena
from tests.attacks.raw.certificates import Shown, shown
from tests.attacks.raw.quic import Dialer, hello
from tests.attacks.rows.quic import address
from twisted_libp2p.identity import Identity

__all__ = ["resumption"]

#: Seconds until a certificate expires, whose session is resumed after that.
_VALID = 4.0


def _dial(
    arena: Arena, given: Shown, ticket: tls.SessionTicket | None = None
) -> tuple[Dialer, tls.SessionTicket | None]:
    """
    Connect, wait for a ticket, and close.

    @return: the dialer, and the ticket.
    """
    kept: list[tls.SessionTicket] = []
    dialer = Dialer(address(arena), hello(given, ticket=ticket, keep=kept.append))
    dialer.run(5, lambda: dialer.confirmed and bool(kept))
    # A refusal comes after the end of a resumed handshake.
    dialer.run(0.5)
    dialer.close()
    return dialer, kept[-1] if kept else None


def _resumes(arena: Arena, name: str, given: Shown) -> tls.SessionTicket | None:
    """
    Expect that a peer gets a ticket and resumes its session, and return a new ticket.
    """
    first, ticket = _dial(arena, given)
    arena.expect(f"{name} connected", first.ended is None, first.ended)
    arena.expect(f"a ticket for {name}", ticket is not None)
    again, ticket = _dial(arena, given, ticket)
    arena.expect(f"{name} resumed", again.resumed is True, again.resumed)
    arena.expect(f"{name} served when it resumes", again.ended is None, again.ended)
    return ticket


def resumption(arena: Arena) -> None:
    """
    Play C{quic.resumption}.
    """
    honest, gated, late = (Identity.generate() for _ in range(3))
    until = time.time() + _VALID
    expiring = shown("expiring", late, until)
    tickets: dict[str, tuple[Shown, tls.SessionTicket | None]] = {
        "one whose certificate expires": (expiring, None),
        "one that is gated": (shown("good", gated), None),
    }
    for name, (given, _) in tickets.items():
        tickets[name] = given, _resumes(arena, name, given)
    opened = arena.target.opened
    arena.target.ask("gate", gated.peerID)
    time.sleep(max(0.0, until + 1 - time.time()))
    for name, (given, ticket) in tickets.items():
        dialer, _ = _dial(arena, given, ticket)
        # Some listeners judge the certificate before the end of the handshake.
        arena.expect(f"{name} resuming", dialer.resumed is not False, "it did not")
        arena.expect(f"{name} refused", dialer.ended is not None)
    arena.expect("no connection of either", arena.target.opened == opened)
    _resumes(arena, "an honest peer", shown("good", honest))
    arena.saw(f"{len(tickets)} of {len(tickets)} refused after a resumed handshake")
