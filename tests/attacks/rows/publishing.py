# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a node that has joined a topic.
"""

from __future__ import annotations

import os

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field, varint
from tests.attacks.raw.yamux import Session, Stream

__all__ = ["controls", "forgeries", "frames", "streams", "subscriptions"]

GOSSIPSUB = "/meshsub/1.2.0"

TOPIC = b"news"

# The fields of an RPC, and of its control.
SUBSCRIPTION, MESSAGE, CONTROL = 1, 2, 3
HAVE, WANT, GRAFT, PRUNE, UNWANTED, EXTENSIONS = range(1, 7)


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


def _subscription(topic: bytes, on: int = 1) -> bytes:
    return field(SUBSCRIPTION, field(1, on) + field(2, topic))


def _control(kind: int, content: bytes) -> bytes:
    return delimited(field(CONTROL, field(kind, content)))


def _signed(author: Identity, data: bytes, number: int, right: bool = True) -> bytes:
    """
    Return an RPC with a message.

    @param right: whether its signature is right.
    """
    content = field(1, author.peerID) + field(2, data)
    content += field(3, number.to_bytes(8, "big")) + field(4, TOPIC)
    signature = author.sign(b"libp2p-pubsub:" + content)
    if not right:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return delimited(field(MESSAGE, content + field(5, signature)))


def _heard(arena: Arena) -> int:
    """
    Return the number of messages that the node has delivered.
    """
    heard: int = arena.target.ask("state")["heard"]
    return heard


def _synchronize(session: Session) -> None:
    """
    Wait until the node has handled everything that was sent.
    """
    pingOn(session)


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
        "5001 messages": delimited(field(MESSAGE, b"") * 5001),
        "10,000 empty messages": bytes(10_000),
        "600 KiB of control": delimited(field(CONTROL, field(99, bytes(600 << 10)))),
    }
    for name, data in wrong.items():
        stream = session.open(GOSSIPSUB)
        stream.send(data)
        how = _ended(stream)
        arena.expect(f"a reset for {name}", how == "reset", how)
    _synchronize(session)
    arena.saw(f"{len(wrong)} of {len(wrong)} streams were reset")
    session.close()


def controls(arena: Arena) -> None:
    """
    Play C{pubsub.controls}.
    """
    session = Peer().dial(arena.address)
    stream = session.open(GOSSIPSUB)
    stream.send(delimited(_subscription(TOPIC)))
    ids = b"".join(field(2, os.urandom(20)) for _ in range(500))
    named = field(1, TOPIC)
    topic = _control(GRAFT, named)
    floods = {
        "IHAVE": _control(HAVE, named + ids),
        "IWANT": _control(WANT, ids.replace(b"\x12\x14", b"\x0a\x14")),
        "IDONTWANT": _control(UNWANTED, ids.replace(b"\x12\x14", b"\x0a\x14")),
        "GRAFT": topic,
        "GRAFT of unknown topics": _control(GRAFT, field(1, b"none")),
        "PRUNE": _control(PRUNE, named + field(3, 2**64 - 1)),
        "extensions": _control(EXTENSIONS, b""),
    }
    for data in floods.values():
        for _ in range(100):
            stream.send(data)
    _synchronize(session)
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
        some = (_subscription(b"%d" % number) for number in range(first, first + 1000))
        stream.send(delimited(b"".join(some)))
    for name in (b"", b"\xff\xfe", bytes(1000), bytes(2000)):
        stream.send(delimited(_subscription(name)))
    flapping = _subscription(TOPIC) + _subscription(TOPIC, 0)
    for _ in range(100):
        stream.send(delimited(flapping * 500))
    _synchronize(session)
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
    stream.send(delimited(_subscription(TOPIC)))
    # Large ones: mesh peers would be notified of them.
    for attempt in range(100):
        data = bytes(2000) if attempt else b"genuine"
        stream.send(_signed(author, data, number + attempt, right=False))
    own = bytes.fromhex(arena.target.ask("identity")["peer"])
    pretended = field(1, own) + field(2, b"x") + field(3, bytes(8)) + field(4, TOPIC)
    stream.send(delimited(field(MESSAGE, pretended + field(5, bytes(64)))))
    stream.send(delimited(field(MESSAGE, field(2, b"x") + field(4, TOPIC))))
    _synchronize(session)
    arena.expect("nothing delivered", _heard(arena) == before)
    session.close()
    honest = Peer(author).dial(arena.address)
    stream = honest.open(GOSSIPSUB)
    for attempt in range(10):
        stream.send(_signed(author, b"genuine", number + attempt))
    _synchronize(honest)
    heard = _heard(arena) - before
    arena.expect("10 genuine messages delivered", heard == 10, heard)
    for _ in range(100):
        stream.send(_signed(author, b"genuine", number))
    _synchronize(honest)
    arena.expect("no copy delivered", _heard(arena) - before == heard)
    arena.saw(
        "102 forged messages were dropped, the genuine ones with their ids were not"
    )
    honest.close()


def streams(arena: Arena) -> None:
    """
    Play C{pubsub.streams}.
    """
    session = Peer().dial(arena.address)
    for _ in range(1000):
        stream = session.open(GOSSIPSUB)
        stream.send(delimited(_subscription(TOPIC)))
    _synchronize(session)
    left = arena.target.ask("state")["streams"]
    arena.expect("the newest stream alone", left < 10, left)
    arena.saw(f"of 1000 streams one after the other, {left} streams are left")
    session.close()
