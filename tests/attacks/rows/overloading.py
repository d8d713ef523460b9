# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a node of topics by peers that are slow, many, or expensive, and by the peers
that they recommend.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from tests.attacks.arena import Arena, within
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.topics import GRAFT, TOPIC, Member, control, pruned, signed
from tests.attacks.raw.wire import field
from tests.attacks.rows.gossiping import heard, member
from tests.attacks.rows.places import ATTACKER, PLACES

__all__ = ["churn", "exchange", "replays", "sybils", "unread", "validators"]

#: The messages that are published beside a peer that reads nothing, and their size.
PUBLISHED, SIZE = 1000, 32 << 10

#: The streams that a node opens to a peer that resets each of them.
OPENED = 5

NEWS = field(1, TOPIC)


def unread(arena: Arena) -> None:
    """
    Play C{pubsub.unread}.
    """
    deaf, reader = Member(arena.address), Member(arena.address)
    deaf.session.reads = False
    for each in (deaf, reader):
        each.until(lambda each=each: bool(each.session.said))  # type: ignore[misc]
    arena.target.tell("publish", PUBLISHED, SIZE)
    count, deadline = 0, time.monotonic() + 90
    # The deaf peer answers pings meanwhile.
    while time.monotonic() < deadline:
        if count >= PUBLISHED and deaf.session.ended:
            break
        _readMore(reader)
        count += len(reader.messages())
        deaf.until(lambda: deaf.session.ended > 0, 0.01)
    arena.target.hear()
    arena.expect("all messages for the other peer", count == PUBLISHED, count)
    arena.expect("the stream reset in the end", deaf.session.ended > 0)
    arena.saw(
        f"a peer that reads nothing loses its stream after 30 s; the other one has got"
        f" all of {PUBLISHED * SIZE >> 20} MiB"
    )
    for each in (deaf, reader):
        each.close()


def _readMore(peer: Member) -> None:
    """
    Read something, if anything comes.
    """
    size = len(peer.session.said) + SIZE
    peer.until(lambda: len(peer.session.said) > size, 0.1)


def churn(arena: Arena) -> None:
    """
    Play C{pubsub.churn}.
    """
    peer = Member(arena.address, refuses=True)
    peer.until(lambda: peer.session.opened > OPENED, 10)
    opened = peer.session.opened
    arena.expect(f"{OPENED} streams", opened == OPENED, opened)
    arena.saw(f"a peer that resets each stream of the node gets {opened} of them")
    peer.close()


def sybils(arena: Arena) -> None:
    """
    Play C{pubsub.sybils}.
    """
    many: list[Member] = []
    with suppress(Ended):
        while len(many) < 30:
            many.append(Member(arena.address, source=PLACES[0]))
    arena.expect("some connections of one address", 1 < len(many) < 10, len(many))
    honest = Member(arena.address, source=PLACES[1])
    for each in (*many, honest):
        each.say(control(GRAFT, NEWS))
        arena.settle(each.session)
    arena.expect("the honest peer in the mesh", member(arena, honest)["in"])
    for each in many:
        each.close()
    # One that has a bad score, leaves, and comes from another address.
    bad = Member(arena.address, source=PLACES[2])
    for number in range(5):
        bad.say(signed(bad.identity, b"x", number + 1, right=False))
    arena.settle(bad.session)
    before = member(arena, bad)["score"]
    bad.close()
    again = Member(arena.address, bad.identity, PLACES[3])
    arena.settle(again.session)
    after = member(arena, again)["score"]
    arena.expect("the same score after a return", after <= before / 2 < 0, after)
    arena.saw(
        f"{len(many)} of 30 peers of one address are let in, and leave room in meshes;"
        f" a score of {before:.0f} is {after:.0f} after a return from another address"
    )
    for each in (honest, again):
        each.close()


def validators(arena: Arena) -> None:
    """
    Play C{pubsub.validators}.
    """
    busy = Member(arena.address, topics=(b"slow",))
    other = Member(arena.address)
    number = time.time_ns()
    flood = [
        signed(busy.identity, b"x", number + count, topic=b"slow")
        for count in range(1000)
    ]
    busy.say(*flood)
    before, began = heard(arena), time.monotonic()
    for count in range(10):
        other.say(signed(other.identity, b"x", number + count))
    arena.settle(other.session)
    seconds = time.monotonic() - began
    arena.expect("10 messages of another topic", heard(arena) == before + 10)
    arena.expect("they come at once", seconds < 5, seconds)
    arena.saw(
        "beside 1000 messages that take a second each, those of another topic come at"
        " once"
    )
    for each in (busy, other):
        each.close()


def replays(arena: Arena) -> None:
    """
    Play C{pubsub.replays}.
    """
    author, peer = Identity(), Member(arena.address)
    number, before = time.time_ns(), heard(arena)
    rpcs = [signed(author, b"x", number + each) for each in range(3000)]
    for _ in range(3):
        peer.say(*rpcs)
        arena.settle(peer.session)
        # Longer than the node knows that it has seen them.
        time.sleep(0.6)
    found = heard(arena) - before
    arena.expect("each of them once", found == len(rpcs), found)
    arena.saw(
        f"{len(rpcs)} messages, three times, each after the node has forgotten them:"
        f" {found} are delivered"
    )
    peer.close()


def _recommended(peer: Identity, record: bytes = b"") -> bytes:
    return field(2, field(1, peer.peerID) + (field(2, record) if record else b""))


def exchange(arena: Arena) -> None:
    """
    Play C{pubsub.exchange}.
    """
    traps = {}
    for host in ("127.0.0.1", ATTACKER):
        traps[host] = socket.create_server((host, 0))
        traps[host].setblocking(False)
    inside, outside = (
        [multiaddr(host, trap.getsockname()[1])] for host, trap in traps.items()
    )
    attacker = Member(arena.address, source=ATTACKER)
    attacker.say(control(GRAFT, NEWS))
    arena.settle(attacker.session)
    one, other = Identity(), Identity()
    lies = [
        _recommended(one),
        _recommended(one, b"garbage" * 20),
        _recommended(one, other.record(1, outside)),
        _recommended(one, other.record(1, outside, about=one)),
        _recommended(one, one.record(1, inside)),
        field(2, field(1, bytes.fromhex(arena.target.ask("identity")["peer"]))),
        field(2, field(1, b"no peer")),
    ]
    # Before it is trusted, nothing is dialed; then, nothing of these.
    honest = _recommended(other, other.record(1, outside))
    attacker.say(pruned(TOPIC, 60, honest))
    arena.settle(attacker.session)
    arena.target.ask("judge", base58(attacker.identity.peerID), 100)
    for each in lies:
        attacker.say(pruned(TOPIC, 60, each))
    many = [Identity() for _ in range(200)]
    attacker.say(pruned(TOPIC, 60, b"".join(_recommended(each) for each in many)))
    arena.settle(attacker.session)
    arena.expect("no lie dialed", not any(map(_dials, traps.values())))
    attacker.say(pruned(TOPIC, 60, honest))
    dialed = within(10, lambda: _dials(traps[ATTACKER]) > 0)
    arena.expect("a peer with a right record dialed", dialed)
    arena.expect("nobody inside dialed", not _dials(traps["127.0.0.1"]))
    arena.saw(
        f"{len(lies)} lies of a trusted peer, and 200 peers without records, are not"
        " dialed; one with a right record is"
    )
    attacker.close()
    for trap in traps.values():
        trap.close()


def _dials(trap: socket.socket) -> int:
    """
    Return the number of the connections that have come.
    """
    count = 0
    with suppress(BlockingIOError):
        while True:
            trap.accept()[0].close()
            count += 1
    return count
