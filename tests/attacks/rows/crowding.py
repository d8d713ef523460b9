# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a node of topics by very many peers, and by very many messages.
"""

from __future__ import annotations

from itertools import islice

from tests.attacks.arena import Arena, within
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.topics import GRAFT, TOPIC, Member, control, signed
from tests.attacks.raw.wire import delimited, field
from tests.attacks.rows.gossiping import GRAYLIST, heard, member
from tests.attacks.rows.places import PLACES

__all__ = ["crowd", "million"]

#: The peers of one address.
CROWD = 100

#: The addresses of a peer that changes its own.
MOVES = 10

#: The messages of a flood, those in one RPC, and how many of them are known for sure.
MESSAGES, PACKED, KNOWN = 1_000_000, 500, 131_000


def crowd(arena: Arena) -> None:
    """
    Play C{pubsub.crowd}.
    """
    many = [Member(arena.address, source=PLACES[0]) for _ in range(CROWD)]
    graft = control(GRAFT, field(1, TOPIC))
    for each in many:
        each.say(graft)
        arena.settle(each.session)
    honest = Member(arena.address, source=PLACES[1])
    honest.say(graft)
    arena.settle(honest.session)

    def alone() -> bool:
        found = member(arena, honest)
        return bool(found["in"] and found["mesh"] == 1)

    arena.expect("the honest peer alone in the mesh", within(20, alone))
    score = member(arena, many[0])["score"]
    arena.expect("all of the crowd graylisted", score < GRAYLIST, score)
    before = heard(arena)
    many[0].say(signed(many[0].identity, b"x", 1))
    arena.settle(many[0].session)
    arena.expect("no message of the crowd", heard(arena) == before)
    honest.say(signed(honest.identity, b"x", 1))
    arena.settle(honest.session)
    arena.expect("the message of the honest peer", heard(arena) == before + 1)
    for each in (*many, honest):
        each.close()
    moved = _moved(arena)
    arena.saw(
        f"{CROWD} peers of one address have a score of {score:.0f} each, are in no"
        f" mesh, and are not heard; a score of {moved[0]:.0f} is {moved[-1]:.0f} after"
        f" {len(moved) - 1} changes of the address"
    )


def _moved(arena: Arena) -> list[float]:
    """
    Let a peer forge messages, and come again from one address after the other.

    @return: its score at each.
    """
    who = Identity()
    scores: list[float] = []
    for place in islice(PLACES, 2, 2 + MOVES):
        peer = Member(arena.address, who, place)
        if not scores:
            for number in range(3):
                peer.say(signed(who, b"x", number + 1, right=False))
        arena.settle(peer.session)
        scores.append(member(arena, peer)["score"])
        peer.close()
    kept = scores[-1] <= scores[0] / 2 < 0
    arena.expect("the score kept of a peer that moves", kept, scores)
    return scores


def _numbered(numbers: range) -> bytes:
    """
    Return an RPC with unsigned messages of these numbers.
    """
    message = b"\x12\x10\x12\x08%08d\x22\x04news"
    return delimited(b"".join(message % each for each in numbers))


def _handled(arena: Arena, count: int) -> int:
    """
    Wait until so many messages have come.

    @return: how many there are.
    """
    within(120, lambda: heard(arena) >= count)
    return heard(arena)


def million(arena: Arena) -> None:
    """
    Play C{pubsub.million}.
    """
    peer = Member(arena.address)
    for first in range(0, MESSAGES, PACKED):
        peer.say(_numbered(range(first, first + PACKED)))
    count = _handled(arena, MESSAGES)
    arena.expect("every message delivered once", count == MESSAGES, count)
    for first in range(MESSAGES - KNOWN, MESSAGES, PACKED):
        peer.say(_numbered(range(first, first + PACKED)))
    # A last one, which comes after them.
    peer.say(_numbered(range(MESSAGES, MESSAGES + 1)))
    again = _handled(arena, count + 1) - count - 1
    arena.expect("none of the last ones delivered again", again == 0, again)
    logged = within(10, lambda: "known as seen" in arena.target.log())
    lines = arena.target.log().count("known as seen")
    arena.expect("one line in the log", logged and lines == 1, lines)
    arena.saw(
        f"{count} messages are delivered once, and the last {KNOWN} of them not again;"
        " that older ones were forgotten is logged once"
    )
    peer.close()
