# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by WebRTC-direct.
"""

from __future__ import annotations

import time
from functools import partial

from tests.attacks.arena import Arena, within
from tests.attacks.raw.rtc import RtcPeer
from tests.attacks.rows.quic import DEADLINE, ECHO, address
from tests.attacks.rows.row import NOBODY, Row
from twisted_libp2p.quic.halfopen import MAX_OF_NETWORK
from twisted_libp2p.quic.session import MAX_STREAMS

__all__ = ["WEBRTC_ROWS", "echoes", "guest"]

#: Ways to break the messages of a stream: lengths that do not end, or are too large; a
#: field that is cut, and one of an unknown kind.
_BROKEN = (
    b"\xff" * 64,
    b"\x81\x80\x01" + bytes(64),
    b"\x02\x12\x7f",
    b"\x01\x0f",
)

#: The bytes of the messages that are not read.
_PIECE = 4000

#: Streams of the honest peer, and of the services of the node.
_FEW = 32

#: How many channels a flood opens, with even numbers.
_FLOOD = 800


def _peer(arena: Arena) -> RtcPeer:
    """
    Expect that a peer can connect.
    """
    peer = RtcPeer(address(arena, "/webrtc-direct"))
    arena.expect("open to a newcomer by WebRTC", peer.prove(), peer.ended)
    return peer


def echoes(peer: RtcPeer, channel: int) -> bool:
    """
    Check whether a word on a new channel comes back.
    """
    peer.machine.open(channel)
    peer.say(channel, ECHO + b"word")
    return peer.run(5, lambda: peer.received[channel].endswith(b"word"))


def guest(arena: Arena) -> None:
    """
    Expect that an honest peer is served.
    """
    peer = _peer(arena)
    arena.expect("a newcomer served by WebRTC", echoes(peer, 2), peer.ended)
    peer.close()


def hellos(arena: Arena) -> None:
    """
    Play C{webrtc.hellos}.
    """
    where = address(arena, "/webrtc-direct")
    peers = [RtcPeer(where) for _ in range(500)]
    # Requests of STUN, their answers, and the beginnings of DTLS.
    for _ in range(5):
        for each in peers:
            each.turn()
        time.sleep(0.3)
    upgrading = arena.target.ask("state")["upgrading"]
    arena.expect("half-open ones bounded", upgrading <= MAX_OF_NETWORK, upgrading)
    time.sleep(DEADLINE)
    for each in peers:
        each.hear()
    sent, answered = (
        sum(getattr(each, name) for each in peers) for name in ("sent", "answered")
    )
    arena.expect("answers shorter than questions", answered <= sent, answered)
    left = within(5, lambda: not arena.target.ask("state")["upgrading"])
    arena.expect("no upgrade left", left)
    for each in peers:
        each.vanish()
    guest(arena)
    arena.saw(f"{upgrading} of 500 let in; {answered / sent:.2f} x the bytes")


def channels(arena: Arena) -> None:
    """
    Play C{webrtc.channels}.
    """
    early = RtcPeer(address(arena, "/webrtc-direct"))
    arena.expect("DTLS and SCTP before a proof", early.run(5, lambda: early.ready))
    for channel in range(2, _FLOOD, 2):
        early.machine.open(channel)
        early.say(channel, ECHO + bytes(1000))
    early.run(2)
    arena.expect("nothing served before a proof", set(early.received) <= {0})
    peer = _peer(arena)
    for number, data in enumerate(_BROKEN):
        channel = 2 * number + 2
        arena.expect("a stream served", echoes(peer, channel), peer.ended)
        peer.machine.write(channel, data)
        reset = peer.run(5, partial(peer.resets.__contains__, channel))
        arena.expect(f"{data[:4].hex()} broke its stream", reset, peer.ended)
    arena.expect("another channel served", echoes(peer, 100), peer.ended)
    # A message of which nothing comes but its length.
    peer.machine.open(102)
    peer.machine.write(102, b"\x80\x80\x01")
    for channel in range(200, 1000, 2):
        peer.machine.open(channel)
        peer.say(channel, ECHO)
    peer.run(3)
    streams = arena.target.ask("state")["streams"]
    arena.expect("its streams bounded", streams <= MAX_STREAMS + _FEW, streams)
    arena.expect("it is served", peer.ended is None, peer.ended)
    _reopened(peer)
    flood = _peer(arena)
    for channel in range(2, 2 * _FLOOD, 2):
        flood.machine.open(channel)
    flood.run(3)
    early.run(DEADLINE, lambda: early.ended is not None)
    arena.expect("no proof: ended at the deadline", early.ended is not None)
    for each in (early, flood, peer):
        each.close()
    guest(arena)
    arena.saw(
        f"{len(_BROKEN)} of {len(_BROKEN)} reset, and other channels served;"
        f" {streams} streams of 400 channels"
    )


def _reopened(peer: RtcPeer) -> None:
    """
    Close channels, and use their numbers again, as often as the node lets us.
    """
    for _ in range(20):
        for channel in range(1000, 1100, 2):
            peer.machine.shut(channel)
        peer.run(0.2)
        for channel in range(1000, 1100, 2):
            peer.machine.open(channel)
            peer.say(channel, ECHO)
        peer.run(0.2)


def unread(arena: Arena) -> None:
    """
    Play C{webrtc.unread}.
    """
    greedy = _peer(arena)
    greedy.reads = False
    some = range(2, 2 * MAX_STREAMS, 2)
    for channel in some:
        greedy.machine.open(channel)
        greedy.say(channel, ECHO)
    for _ in range(64):
        for channel in some:
            greedy.say(channel, bytes(_PIECE))
        greedy.run(0.05)
    early = RtcPeer(address(arena, "/webrtc-direct"))
    early.run(5, lambda: early.ready)
    early.machine.open(2)
    for _ in range(50):
        for _ in range(1000):
            early.machine.write(2, b"\0")
        early.run(0.05)
    arena.expect("a flood before the proof ended", early.ended is not None)
    guest(arena)
    greedy.run(5)
    arena.saw(f"the messages ended their connection; {len(some)} echoes wait")
    for each in (greedy, early):
        each.close()
    guest(arena)


WEBRTC_ROWS = (
    Row(
        "webrtc.hellos",
        "500 requests of STUN, the beginning of DTLS after each, and nothing more",
        hellos,
        memory=32,
        once=True,
        long=15,
        others=NOBODY,
        node=("--rtc",),
    ),
    Row(
        "webrtc.channels",
        "400 channels before the proof, 400 and 800 after it; broken messages, one that"
        " never ends; numbers of channels that are used again",
        channels,
        memory=32,
        once=True,
        long=12,
        others=NOBODY,
        node=("--rtc",),
    ),
    Row(
        "webrtc.unread",
        "echoes of 255 channels that nobody takes; 50 000 messages of a byte before the"
        " proof, which are not read",
        unread,
        memory=80,
        once=True,
        long=10,
        others=NOBODY,
        node=("--rtc",),
    ),
)
