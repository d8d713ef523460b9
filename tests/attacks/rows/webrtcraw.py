# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by WebRTC-direct, below its streams: STUN, DTLS, SCTP, and the opening of
channels.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable

from tests.attacks.arena import Arena, within
from tests.attacks.raw.rtc import RtcPeer
from tests.attacks.raw.sctp import Chunk, Piece, SctpPeer, chunk
from tests.attacks.rows.quic import DEADLINE, ECHO, address
from tests.attacks.rows.row import NOBODY, Row
from tests.attacks.rows.webrtc import echoes, guest
from twisted_libp2p.quic.halfopen import RETRY_MARK
from twisted_libp2p.webrtc.stun import answered, makeRequest

__all__ = ["WEBRTC_RAW_ROWS"]

#: Networks that each have one peer.
_NETWORKS = 600

#: The seconds in which the kernel and the node handle what has come.
_PAUSE = 0.3

#: Half-open connections more than those after which a cookie is asked for: the honest
#: peers.
_FEW = 8

_PREFIX = b"libp2p+webrtc+v1/"

#: Requests of STUN with names of their own.
_FLOOD = 50_000

#: The pieces of a byte in one packet, and how many of these packets come.
_TINY, _PACKETS = 50, 400

#: Channels that are opened and closed at once, and the seconds in which a peer does so.
_SHUT, _CLOSING = 50, 10.0

#: Kinds of payload: the opening of channels, and text.
_DCEP, _TEXT = 50, 51


def strangers(arena: Arena) -> None:
    """
    Play C{webrtc.strangers}.
    """
    where = address(arena, "/webrtc-direct")
    hosts = [f"127.{2 + each // 200}.{each % 200}.1" for each in range(_NETWORKS)]
    peers = [RtcPeer(where, each) for each in hosts]
    # A request, its answer, and the beginning of DTLS, whose answer nobody hears.
    for number in range(5):
        for each in peers:
            each.deaf = number > 1
            each.turn()
        time.sleep(_PAUSE)
    upgrading = arena.target.ask("state")["upgrading"]
    arena.expect("few places taken", upgrading <= RETRY_MARK + _FEW, upgrading)
    started = time.monotonic()
    guest(arena)
    arena.saw(
        f"{upgrading} of {_NETWORKS} have a place; a newcomer is served after"
        f" {(time.monotonic() - started) * 1000:.0f} ms"
    )
    time.sleep(DEADLINE)
    left = within(5, lambda: not arena.target.ask("state")["upgrading"])
    arena.expect("no upgrade left", left)
    for each in peers:
        each.vanish()


class _Pipe:
    """
    A socket at the node.
    """

    def __init__(self, arena: Arena) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address(arena, "/webrtc-direct"))
        self._socket.setblocking(False)

    def send(self, data: bytes) -> None:
        """
        Send a datagram, unless the kernel has no room for it.
        """
        try:
            self._socket.send(data)
        except BlockingIOError:
            return

    def hear(self, seconds: float = _PAUSE) -> list[bytes]:
        """
        Return the datagrams that come in some time, until there is one.
        """
        select.select([self._socket], [], [], seconds)
        found: list[bytes] = []
        while True:
            try:
                found.append(self._socket.recv(65535))
            except BlockingIOError:
                return found
            except ConnectionRefusedError:
                continue

    def meet(self, ufrag: bytes) -> bool:
        """
        Send a valid request.

        @return: whether it was answered.
        """
        transaction = os.urandom(12)
        self.send(makeRequest(ufrag, transaction, bytes(8)))
        return any(answered(each, ufrag) == transaction for each in self.hear(2))


def _name() -> bytes:
    return _PREFIX + os.urandom(16).hex().encode()


def stun(arena: Arena) -> None:
    """
    Play C{webrtc.stun}.
    """
    pipe = _Pipe(arena)
    good = makeRequest(_name(), bytes(12), bytes(8))
    wrong = {
        "another integrity": good[:-40] + bytes(40),
        "an unknown prefix": makeRequest(b"libp2p+webrtc+v3/aaaaaaaa", bytes(12), b""),
        "a long name": makeRequest(_PREFIX + b"a" * 300, bytes(12), bytes(8)),
        "a cut one": good[:-9],
        "a DTLS without STUN": SctpPeer().out[0],
    }
    for name, data in wrong.items():
        pipe.send(data)
        arena.expect(f"{name}: no answer", not pipe.hear())
    peer = RtcPeer(address(arena, "/webrtc-direct"))
    arena.expect("a peer let in", peer.prove(), peer.ended)
    arena.expect("its name from elsewhere answered", pipe.meet(peer.name))
    sent = heard = 0
    for each in range(_FLOOD):
        data = makeRequest(_name(), bytes(12), bytes(8))
        sent += len(data)
        pipe.send(data)
        if not each % 50:
            heard += sum(map(len, pipe.hear(0)))
    heard += sum(map(len, pipe.hear()))
    arena.expect("answers shorter than requests", heard < sent, heard)
    arena.expect("the peer is still served", echoes(peer, 2), peer.ended)
    peer.close()
    guest(arena)
    arena.saw(
        f"{len(wrong)} of {len(wrong)} without an answer; {heard / sent:.2f} x the"
        f" bytes of {_FLOOD} requests"
    )


class _Raw:
    """
    A peer whose SCTP is written by hand.
    """

    def __init__(self, arena: Arena, peer: SctpPeer | None = None) -> None:
        self.pipe = _Pipe(arena)
        self.peer = peer or SctpPeer()
        arena.expect("a request answered", self.pipe.meet(_name()))
        self.run(5, lambda: self.peer.ready)

    def turn(self, seconds: float = 0.0) -> None:
        """
        Send what is to be sent, and take what comes.
        """
        out, self.peer.out = self.peer.out, []
        for each in out:
            self.pipe.send(each)
        for each in self.pipe.hear(seconds):
            self.peer.receive(each)

    def run(self, seconds: float, until: Callable[[], bool]) -> bool:
        """
        Go on for some time, or until something holds.

        @return: whether it holds.
        """
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            self.turn(0.02)
        return until()

    def close(self) -> None:
        """
        Close the connection.
        """
        self.peer.close()
        self.turn()


def _tiny(raw: _Raw) -> None:
    peer = raw.peer
    for _ in range(_PACKETS):
        parts = [Piece.MIDDLE] * _TINY
        peer.send(*[peer.next(2, 1, b"x", each) for each in parts])
        # Lost ones would not come again.
        raw.turn(0.01)


def _gap(raw: _Raw) -> None:
    peer = raw.peer
    peer.next(2, 1, b"never sent")
    for order in range(20_000):
        peer.send(peer.next(2, 2 + order, bytes(900)))
        if not order % 20:
            raw.turn()


def _stuffed(raw: _Raw) -> None:
    peer = raw.peer
    beat = struct.pack("!HH", 1, 8000) + bytes(7996)
    for _ in range(1000):
        data = peer.next(2, 1, b"x", Piece.MIDDLE)
        peer.send(data, chunk(Chunk.HEARTBEAT, beat))
        raw.turn()


def _openings(raw: _Raw) -> None:
    peer = raw.peer
    for channel, data, kind in (
        (4, b"", _DCEP),
        (6, b"\x03", _DCEP),
        (8, b"\x03\x80" + bytes(10), _DCEP),
        (9, b"\x03" + bytes(11), _DCEP),
        (10, b"text", _TEXT),
        (12, b"data before it is open", 53),
    ):
        if data:
            peer.send(peer.next(channel, 0, data, kind=kind))
    for channel in range(20, 60_000, 2):
        peer.send(peer.next(channel, 0, b"data before it is open"))
        if not channel % 40:
            raw.turn()


def pieces(arena: Arena) -> None:
    """
    Play C{webrtc.pieces}.
    """

    def idle() -> bool:
        return not arena.target.ask("state")["upgrading"]

    ended = []
    attacks = {"tiny": _tiny, "gap": _gap, "stuffed": _stuffed, "openings": _openings}
    for name, attack in attacks.items():
        raw = _Raw(arena)
        arena.expect(f"{name}: SCTP before a proof", raw.peer.ready)
        raw.peer.open(2)
        attack(raw)
        if idle():
            ended.append(name)
        raw.close()
        arena.expect(f"{name}: given back", within(5, idle))
    arena.expect("endless pieces ended", "tiny" in ended, ended)
    arena.expect("too many channels ended", "openings" in ended, ended)
    bare = _Raw(arena, SctpPeer(certified=False))
    arena.expect("refused without a certificate", not bare.peer.ready)
    arena.expect("given back", within(DEADLINE + 5, idle))
    guest(arena)
    arena.saw(f"ended by {' and '.join(ended)}; the others cost nothing")


def _unacknowledged(arena: Arena) -> None:
    """
    Open and close channels without an acknowledgement, until the node ends the
    connection or no numbers are left.
    """
    raw = _Raw(arena)
    arena.expect("SCTP before a proof", raw.peer.ready)
    for first in range(2, 65_000, 2 * _SHUT):
        some = range(first, first + 2 * _SHUT, 2)
        for each in some:
            raw.peer.open(each)
        raw.peer.reset(*some)
        raw.turn(0.01)
        if raw.peer.ended:
            break
    arena.expect("the node ends the connection", raw.peer.ended)
    raw.close()


def _acknowledged(arena: Arena, peer: RtcPeer) -> int:
    """
    Use and close channels, with new numbers each time.

    @return: how many.
    """
    until, count = time.monotonic() + _CLOSING, 0

    def answered() -> bool:
        return all(peer.received[each] for each in some)

    while time.monotonic() < until:
        some = range(2 + 2 * count, 2 + 2 * (count + _SHUT), 2)
        for channel in some:
            peer.machine.open(channel)
            peer.say(channel, ECHO)
        arena.expect("its channels served", peer.run(5, answered), peer.ended)
        for channel in some:
            peer.machine.shut(channel)
        peer.run(0.1)
        count += _SHUT
    return count


def closings(arena: Arena) -> None:
    """
    Play C{webrtc.closed_channels}.
    """
    until, ended = time.monotonic() + _CLOSING, 0
    while time.monotonic() < until:
        _unacknowledged(arena)
        ended += 1
    peer = RtcPeer(address(arena, "/webrtc-direct"))
    arena.expect("a peer let in", peer.prove(), peer.ended)
    count = _acknowledged(arena, peer)
    streams = arena.target.ask("state")["streams"]
    arena.expect("its streams bounded", streams <= _SHUT + _FEW, streams)
    arena.expect("another channel served", echoes(peer, 60_000), peer.ended)
    peer.close()
    guest(arena)
    arena.saw(
        f"{ended} of {ended} ended without acknowledgements; with them {count} channels"
        " are served and closed"
    )


WEBRTC_RAW_ROWS = (
    Row(
        "webrtc.strangers",
        "the beginning of DTLS from 600 networks, where nobody hears the answer",
        strangers,
        memory=32,
        once=True,
        long=15,
        others=NOBODY,
        node=("--rtc",),
    ),
    Row(
        "webrtc.stun",
        "50 000 requests of STUN with new names; wrong ones, DTLS without any, and the"
        " name of another peer",
        stun,
        once=True,
        long=5,
        others=NOBODY,
        node=("--rtc",),
    ),
    Row(
        "webrtc.pieces",
        "20 000 pieces of a byte, 18 MB after a gap, and packets of 8 KiB for a byte,"
        " in messages that never end; 30 000 channels that are not opened; no"
        " certificate",
        pieces,
        once=True,
        long=10,
        others=NOBODY,
        node=("--rtc",),
    ),
    Row(
        "webrtc.closed_channels",
        "connections that open and close channels, and acknowledge nothing in them, one"
        " after the other for 10 s; one that does so for 10 s and acknowledges all",
        closings,
        memory=32,
        once=True,
        long=20,
        others=NOBODY,
        node=("--rtc",),
    ),
)
