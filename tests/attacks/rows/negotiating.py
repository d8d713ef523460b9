# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by streams that never get a protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.attacks.arena import Arena
from tests.attacks.raw import multistream
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.yamux import DATA, FIN, SYN, WINDOW, Session, frame
from tests.attacks.rows.places import ATTACKER, NEWCOMER

__all__ = ["endedStreams", "oneNetwork", "refusedProposals"]

#: Streams that are tried, and how many of these a node may take.
TRIED, MOST = 20_000, 8_000


def endedStreams(arena: Arena) -> None:
    """
    Play C{negotiation.ended_streams}.
    """
    _wear(arena, "SYN with FIN", lambda each: frame(WINDOW, SYN | FIN, each, 0))
    _wear(
        arena,
        "SYN, then FIN",
        lambda each: frame(WINDOW, SYN, each, 0) + frame(WINDOW, FIN, each, 0),
    )
    _wear(
        arena,
        "half a proposal with FIN",
        lambda each: frame(DATA, SYN | FIN, each, body=multistream.HEADER),
    )


def refusedProposals(arena: Arena) -> None:
    """
    Play C{negotiation.refused_proposals}.
    """
    proposal = multistream.HEADER + multistream.message("/none")
    _wear(
        arena,
        "a proposal, then FIN",
        lambda each: (
            frame(DATA, SYN, each, body=proposal) + frame(WINDOW, FIN, each, 0)
        ),
    )
    _wear(
        arena,
        "a proposal with FIN",
        lambda each: frame(DATA, SYN | FIN, each, body=proposal),
    )


def _wear(arena: Arena, name: str, make: Callable[[int], bytes]) -> None:
    """
    Open streams that end at once, until the node has had enough.
    """
    session = Peer().dial(arena.address)
    taken, cpu = 0, arena.target.cpu
    try:
        while taken < TRIED:
            session.send(*(make(each) for each in session.take(500)))
            taken += 500
            session.synchronize()
    except Ended:
        pass
    cost = (arena.target.cpu - cpu) / taken * 1e6
    end = "taken" if taken == TRIED else f"ended by {taken}"
    arena.saw(f"{name}: {end}, {cost:.0f} µs each")
    if arena.ours:
        arena.expect(f"tired of {name} by {MOST}", taken <= MOST, taken)
    session.close()
    arena.newcomer()


def oneNetwork(arena: Arena) -> None:
    """
    Play C{connmanager.one_network_share}.
    """
    sessions = [Peer(source=ATTACKER).dial(arena.address) for _ in range(8)]
    served = tried = 0
    worst = 0.0
    began = time.monotonic()
    while time.monotonic() < began + 6:
        for session in sessions:
            _hoard(session)
        tried += 1
        try:
            honest = Peer(source=NEWCOMER).dial(arena.address)
            worst = max(worst, pingOn(honest))
            honest.close()
            served += 1
        except Ended:
            pass
        # Or the honest peer would be a crowd itself.
        time.sleep(0.7)
    arena.saw(f"{served} of {tried} newcomers served, within {worst * 1000:.0f} ms")
    arena.expect("open to every newcomer", served == tried, f"{served} of {tried}")
    for session in sessions:
        session.close()


def _hoard(session: Session) -> None:
    """
    Hold as many silent streams as the node lets one connection have.
    """
    try:
        session.send(*(frame(WINDOW, SYN, each, 0) for each in session.take(160)))
        session.synchronize()
    except Ended:
        # The node has had enough of this connection, which is fine.
        pass
