# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a node that has joined a topic.
"""

from __future__ import annotations

import os

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import Peer
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.topics import (
    CONTROL,
    EXTENSIONS,
    GOSSIPSUB,
    GRAFT,
    HAVE,
    MESSAGE,
    PRUNE,
    TOPIC,
    UNWANTED,
    WANT,
    control,
    signed,
    subscription,
)
from tests.attacks.raw.wire import delimited, field, varint
from tests.attacks.raw.yamux import Stream

__all__ = ["controls", "forgeries", "frames", "streams", "subscriptions"]


def _ended(stream: Stream) -> str:
    """
    Wait for the end of a stream, on which the node never writes.

    @return: how it ended.
    """
    try:
        stream.exactly(1)
    except Ended as end:
        return end.how
    return "data"


def _heard(arena: Arena) -> int:
    """
    Return the number of messages that the node has delivered.
    """
    heard: int = arena.target.ask("state")["heard"]
    return heard


def frames(arena: Arena) -> None:
    """
    Play C{pubsub.frames}.
    """
    session = Peer().dial(arena.address)
    wrong = {
        "a length of 2^31": varint(1 << 31),
        "a length of 1 MiB + 1": varint((1 << 20) + 1),
        "an endless length": b"\x80" * 11,
        "no message": delimited(b"\xff" * 64),
        "groups in groups": delimited(b"\x7b" * 1000),
        "5001 messages": delimited(field(MESSAGE, b"") * 5001),
        "10,000 empty messages": bytes(10_000),
        "600 KiB of control": delimited(field(CONTROL, field(99, bytes(600 << 10)))),
    }
    for name, data in wrong.items():
        stream = session.open(GOSSIPSUB)
        stream.send(data)
        how = _ended(stream)
        arena.expect(f"a reset for {name}", how == "reset", how)
    arena.settle(session)
    arena.saw(f"{len(wrong)} of {len(wrong)} streams were reset")
    session.close()


def controls(arena: Arena) -> None:
    """
    Play C{pubsub.controls}.
    """
    session = Peer().dial(arena.address)
    stream = session.open(GOSSIPSUB)
    stream.send(delimited(subscription(TOPIC)))
    ids = b"".join(field(2, os.urandom(20)) for _ in range(500))
    named = field(1, TOPIC)
    topic = control(GRAFT, named)
    floods = {
        "IHAVE": control(HAVE, named + ids),
        "IWANT": control(WANT, ids.replace(b"\x12\x14", b"\x0a\x14")),
        "IDONTWANT": control(UNWANTED, ids.replace(b"\x12\x14", b"\x0a\x14")),
        "GRAFT": topic,
        "GRAFT of unknown topics": control(GRAFT, field(1, b"none")),
        "PRUNE": control(PRUNE, named + field(3, 2**64 - 1)),
        "extensions": control(EXTENSIONS, b""),
    }
    for data in floods.values():
        for _ in range(100):
            stream.send(data)
    arena.settle(session)
    session.close()
    arena.newcomer()
    arena.saw(f"100 each of {', '.join(floods)}; a new peer is served")


def subscriptions(arena: Arena) -> None:
    """
    Play C{pubsub.subscriptions}.
    """
    session = Peer().dial(arena.address)
    stream = session.open(GOSSIPSUB)
    for first in range(0, 100_000, 1000):
        some = (subscription(b"%d" % number) for number in range(first, first + 1000))
        stream.send(delimited(b"".join(some)))
    for name in (b"", b"\xff\xfe", bytes(1000), bytes(2000)):
        stream.send(delimited(subscription(name)))
    flapping = subscription(TOPIC) + subscription(TOPIC, 0)
    for _ in range(100):
        stream.send(delimited(flapping * 500))
    arena.settle(session)
    known = arena.target.ask("state")["topics"]
    arena.expect("at most 1024 topics of a peer", known <= 1024, known)
    arena.saw(f"of 100,000 topics {known} are known; 50,000 changes of one were taken")
    session.close()


def forgeries(arena: Arena) -> None:
    """
    Play C{pubsub.forgeries}.
    """
    author, number = Identity(), 1 << 40
    before = _heard(arena)
    session = Peer().dial(arena.address)
    stream = session.open(GOSSIPSUB)
    stream.send(delimited(subscription(TOPIC)))
    # Large ones: mesh peers would be notified of them.
    for attempt in range(100):
        data = bytes(2000) if attempt else b"genuine"
        stream.send(signed(author, data, number + attempt, right=False))
    own = bytes.fromhex(arena.target.ask("identity")["peer"])
    pretended = field(1, own) + field(2, b"x") + field(3, bytes(8)) + field(4, TOPIC)
    stream.send(delimited(field(MESSAGE, pretended + field(5, bytes(64)))))
    stream.send(delimited(field(MESSAGE, field(2, b"x") + field(4, TOPIC))))
    # Of another key, a key of the wrong kind, and an author that is no peer.
    stream.send(signed(author, b"x", number, key=field(6, Identity().publicKey)))
    stream.send(signed(author, b"x", number, key=field(6, field(1, 9))))
    stream.send(delimited(field(MESSAGE, pretended.replace(own, b"x" * len(own)))))
    arena.settle(session)
    arena.expect("nothing delivered", _heard(arena) == before)
    session.close()
    honest = Peer(author).dial(arena.address)
    stream = honest.open(GOSSIPSUB)
    for attempt in range(10):
        stream.send(signed(author, b"genuine", number + attempt))
    arena.settle(honest)
    heard = _heard(arena) - before
    arena.expect("10 genuine messages delivered", heard == 10, heard)
    for _ in range(100):
        stream.send(signed(author, b"genuine", number))
    arena.settle(honest)
    arena.expect("no copy delivered", _heard(arena) - before == heard)
    arena.saw(
        "105 forged messages were dropped, the genuine ones with their ids were not"
    )
    honest.close()


def streams(arena: Arena) -> None:
    """
    Play C{pubsub.streams}.
    """
    session = Peer().dial(arena.address)
    for _ in range(1000):
        stream = session.open(GOSSIPSUB)
        stream.send(delimited(subscription(TOPIC)))
    arena.settle(session)
    left = arena.target.ask("state")["streams"]
    arena.expect("the newest stream alone", left < 10, left)
    arena.saw(f"of 1000 streams one after the other, {left} streams are left")
    session.close()
