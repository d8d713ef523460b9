# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on the gossip and the meshes of a node.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import Identity, base58
from tests.attacks.raw.topics import (
    CONTROL,
    EXTENSIONS,
    GRAFT,
    HAVE,
    PRUNE,
    TOPIC,
    UNWANTED,
    WANT,
    Member,
    control,
    pruned,
    signed,
)
from tests.attacks.raw.wire import delimited, field, fields

__all__ = ["answers", "grafts", "promises", "unwanted"]

#: How many messages a peer is asked for in a second, and how often it gets one.
ASKED, ANSWERS = 5000, 3

#: The score below which everything of a peer is ignored.
GRAYLIST = -80

NEWS = field(1, TOPIC)


def idOf(author: Identity, number: int) -> bytes:
    """
    Return the id of a message.
    """
    return author.peerID + number.to_bytes(8, "big")


def member(arena: Arena, peer: Member) -> Any:
    """
    Ask for the score of a peer, and its place in the mesh.
    """
    return arena.target.ask("member", base58(peer.identity.peerID))


def heard(arena: Arena) -> int:
    """
    Return the number of messages of others that the node has delivered.
    """
    number: int = arena.target.ask("state")["heard"]
    return number


def _asked(peer: Member) -> list[bytes]:
    """
    Return the ids for which the node has asked a peer.
    """
    return [
        bytes(value)
        for content in peer.heard(WANT)
        for number, value in fields(content)
        if number == 1 and isinstance(value, bytes)
    ]


def promises(arena: Arena) -> None:
    """
    Play C{pubsub.promises}.
    """
    liar, honest = Member(arena.address), Member(arena.address)
    number = time.time_ns()
    wanted = idOf(honest.identity, number)
    # The liar has it too, so it says, and first.
    liar.say(control(HAVE, NEWS + field(2, wanted)))
    arena.settle(liar.session)
    honest.say(control(HAVE, NEWS + field(2, wanted)))
    asked: list[bytes] = []

    def asks() -> bool:
        asked.extend(_asked(honest))
        return wanted in asked

    arena.expect("the honest peer asked as well", honest.until(asks))
    before = heard(arena)
    honest.say(signed(honest.identity, b"kept", number))
    arena.settle(honest.session)
    arena.expect("the honest message delivered", heard(arena) == before + 1)
    began, count, said, low = time.monotonic(), 0, 0, 0.0
    while low >= GRAYLIST and time.monotonic() < began + 20:
        for _ in range(20):
            ids = b"".join(field(2, os.urandom(20)) for _ in range(500))
            liar.say(control(HAVE, NEWS + ids))
            said += 500
        arena.settle(liar.session)
        count += len(_asked(liar))
        low = min(low, member(arena, liar)["score"])
    beats = int(time.monotonic() - began) + 3
    arena.expect("the node asks", count > 0)
    arena.expect(
        f"at most {ASKED} ids asked in a heartbeat", count <= beats * ASKED, count
    )
    arena.expect("a liar graylisted", low < GRAYLIST, low)
    liar.say(signed(liar.identity, b"late", number))
    arena.settle(liar.session)
    arena.expect("nothing heard of it", heard(arena) == before + 1)
    arena.saw(
        f"thousands of ids a second: at most {ASKED} asked in a heartbeat; the liar is"
        " graylisted when it has sent nothing, and an honest peer is asked as well"
    )
    for each in (liar, honest):
        each.close()


def answers(arena: Arena) -> None:
    """
    Play C{pubsub.answers}.
    """
    author, asking = Member(arena.address), Member(arena.address)
    asking.until(lambda: bool(asking.session.said))
    number = time.time_ns()
    wanted = idOf(author.identity, number)
    author.say(signed(author.identity, b"wanted" * 10, number))
    arena.settle(author.session)
    request = control(WANT, field(1, wanted))
    copies: list[bytes] = []

    def come() -> int:
        copies.extend(asking.messages())
        return len(copies)

    asking.until(lambda: come() > 0)
    first = come()
    for _ in range(20):
        asking.say(request * 10)
        arena.settle(asking.session)
    more = come() - first
    arena.expect(f"{ANSWERS} answers", more == ANSWERS, more)
    for _ in range(50):
        ids = b"".join(field(1, os.urandom(20)) for _ in range(2000))
        asking.say(control(WANT, ids))
    arena.settle(asking.session)
    arena.expect("no answer to unknown ids", come() == first + more)
    arena.saw(
        f"200 requests of one message had {more} answers, those of 100,000 unknown ids"
        " none"
    )
    for each in (author, asking):
        each.close()


def _prunes(peer: Member) -> int:
    """
    Remove the RPCs of the node, and return how many of them are prunes of the topic.
    """
    return sum(dict(fields(each)).get(1) == TOPIC for each in peer.heard(PRUNE))


def grafts(arena: Arena) -> None:
    """
    Play C{pubsub.grafts}.
    """
    graft = control(GRAFT, NEWS)
    longest = Member(arena.address)
    for seconds in (2**64 - 1, 2**63, 2**63 - 1, 0):
        longest.say(graft, pruned(TOPIC, seconds))
    longest.say(*(pruned(b"none %d" % number, 2**64 - 1) for number in range(1000)))
    arena.settle(longest.session)
    arena.expect("no peer of the mesh", not member(arena, longest)["in"])
    flood = Member(arena.address)
    flood.say(graft, pruned(TOPIC, 60))
    arena.settle(flood.session)
    prunes = 0
    flood.heard(PRUNE)
    # All of one RPC is answered by one prune.
    flood.say(delimited(field(CONTROL, field(GRAFT, NEWS) * 500)))

    def answered() -> bool:
        nonlocal prunes
        found = _prunes(flood)
        prunes += found
        return found > 0

    flood.until(answered)
    arena.settle(flood.session)
    found, prunes = member(arena, flood), prunes + _prunes(flood)
    arena.expect("one prune", prunes == 1, prunes)
    arena.expect("kept out of the mesh", not found["in"])
    arena.expect("a bad score for grafts in the time", found["score"] < 0)
    twice = Member(arena.address)
    for announced in (b"", field(10, 1), field(6492434, 1), field(99, b"x")):
        twice.say(control(EXTENSIONS, announced))
    arena.settle(twice.session)
    score = member(arena, twice)["score"]
    arena.expect("a bad score for extensions twice", score < GRAYLIST, score)
    arena.saw(
        "prunes of 2^64-1, 2^63 and 0 s are bounded; 500 grafts in one RPC have one"
        f" prune; a score of {found['score']:.0f} for them, and of {score:.0f} for"
        " extensions four times"
    )
    for each in (longest, flood, twice):
        each.close()


def unwanted(arena: Arena) -> None:
    """
    Play C{pubsub.unwanted}.
    """
    author, number = Identity(), time.time_ns()
    attacker, victim = Member(arena.address), Member(arena.address)
    victim.say(control(GRAFT, NEWS))
    arena.settle(victim.session)
    # Larger than 1 KiB: the mesh is notified of such.
    for attempt in range(100):
        attacker.say(signed(author, bytes(2000), number + attempt, right=False))
    arena.settle(attacker.session)
    arena.settle(victim.session)
    arena.expect("no notice of forged messages", not victim.heard(UNWANTED))
    ids = [field(1, os.urandom(20)) for _ in range(500)]
    flood = control(UNWANTED, b"".join(ids))
    for _ in range(300):
        attacker.say(flood)
    for _ in range(5):
        attacker.say(control(UNWANTED, field(1, bytes(400 << 10))))
    arena.settle(attacker.session)
    honest = Member(arena.address, author)
    honest.say(signed(author, bytes(2000), number))
    arena.settle(honest.session)
    notices = 0

    def noticed() -> bool:
        nonlocal notices
        notices += len(victim.heard(UNWANTED))
        return notices > 0

    arena.expect("a notice of the genuine message", victim.until(noticed))
    arena.saw(
        "forged messages with the next numbers cause no notice, the genuine one does;"
        " 150,000 ids, and some of 400 KiB, cost nothing"
    )
    for each in (attacker, victim, honest):
        each.close()
