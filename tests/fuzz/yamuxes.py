# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: a session of yamux beside one of rust-libp2p.

An input is read as a script: frames of the peer, most of which make sense, between
things that the application does.  Both sessions play it, and after each step the
same has come of it: streams, their bytes in order, their ends and resets, what is
sent on them, the credit of their windows, the answers to pings, and whether the
session has ended, and how.

Where both are known to differ, the difference has a name and a reason here.  The
script ends with it; where ours is the stricter one, it has to be strict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.fuzz.machines import Record, machines
from tests.fuzz.muxers import failures
from tests.fuzz.target import differential
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Role
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.testing.muxer import HalfCloseCollector, MuxedConnectionDouble

_ALICE, _BOB = PeerID(b"\x00\x01a"), PeerID(b"\x00\x01b")

# The wire once more: nothing of what is tested reads or writes these frames.
_HEAD = Struct("!BBHII")
_DATA, _UPDATE, _PING, _AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_WINDOW = 256 * 1024

#: The largest body that rust takes.
_LARGEST = 1 << 20

#: The most that the application writes at once: what waits for credit is as good as
#: much more of it, and takes less time.
_WRITTEN = _WINDOW + _WINDOW // 4

_KINDS = (*[_DATA] * 8, *[_UPDATE] * 6, _PING, None)
_FLAGS = (
    *(0, 0, 0, 0, 0, _ACK, _FIN, _FIN, _RST),
    *(_SYN, _SYN, _SYN, _SYN, _SYN | _FIN, _SYN | _ACK, _ACK | _FIN),
)

#: Sizes and credits at which something changes.
_SIZES = (
    *(_WINDOW // 2, _WINDOW // 2 - 1, _WINDOW // 2, _WINDOW // 4, _WINDOW // 4),
    *(_WINDOW, _WINDOW - 1, _WINDOW + 1, 1 << 16, 65280, 65281, 1 << 15, 1 << 14),
    *(_LARGEST, _LARGEST + 1, (1 << 24) + 1, (1 << 31) - 1, (1 << 32) - 1),
    *((1 << 32) - 1 - _WINDOW, (1 << 32) - _WINDOW),
)

#: Bytes of an input from here on ask for what makes no sense, as a rule.
_ODD = 0xFA

#: What any piece of the bytes differs from the next one in.
_PATTERN = memoryview(b"".join(number.to_bytes(3, "big") for number in range(1 << 19)))


class _Known(NamedTuple):
    """
    What may differ.

    @ivar strict: whether ours ends the session, whatever rust does.
    """

    name: str
    strict: bool


#: rust does not look at flags that nobody has defined.
_FLAGGED = _Known("unknown flags", True)

#: To rust 0 is the id of a stream, which a server may even open.
_ZERO = _Known("stream 0 with data or credit", True)

#: rust answers such a ping while there is that stream.
_NAMED = _Known("a ping or go-away that names a stream", True)

#: rust hands on what comes behind an end.
_BEHIND = _Known("data behind an end", True)

#: rust looks for RST before SYN, and does what it can with that.
_BOTH = _Known("SYN and RST of a stream that the peer may not open", True)

#: rust sends one ping at a time and insists on its answer; ours may have several, and
#: ignores answers to none.  The round trip, which it measures by the machine's clock,
#: would let its windows grow too.
_PONG = _Known("an answer to a ping", False)

#: rust answers a ping that does not say SYN.
_PLAIN = _Known("a ping without a flag", False)

#: rust stores bodies, and so bounds them; to us a body is as good as its window.
_LARGE = _Known("a body of more than 1 MiB", False)

#: Of a stream that has ended on both sides we look at nothing any more, rust as long
#: as the application has not read the end.
_UNREAD = _Known("a frame for a stream that has ended, and is not read", False)

#: To us the id of such a stream is free again, to rust only when the application has
#: read the end.
_REUSED = _Known(
    "a stream opened with the id of one that is not read to its end", False
)

#: rust does not tell the application of a reset behind its own end from an end, and
#: lets it read what came before, which we drop.
_DROPPED = _Known("a reset behind our end of a stream that is not read", False)


class _Bytes(dict[int, bytearray]):
    """
    Bytes by stream, that are told by their number and their first ones.
    """

    def add(self, number: int, data: bytes | bytearray) -> None:
        """
        More bytes of a stream.
        """
        self.setdefault(number, bytearray()).extend(data)

    def __repr__(self) -> str:
        return repr({key: (len(data), data[:6].hex()) for key, data in self.items()})


@dataclass
class _Outcome:
    """
    What has come of one step.

    @ivar opened: the streams that were opened, by any side.
    @ivar received: the bytes that the application was given, by stream.
    @ivar ended: the streams that the peer has ended.
    @ivar reset: those that it has reset.
    @ivar sent: the bytes that were sent, by stream.
    @ivar flags: the flags that were sent, by stream.  But ACK: rust lets it wait
        for the first frame that it sends on a stream.
    @ivar credit: by how much windows were raised.
    @ivar pongs: the pings that were answered.
    @ivar over: whether the session has ended, and how.
    """

    opened: list[int] = field(default_factory=list)
    received: _Bytes = field(default_factory=_Bytes)
    ended: list[int] = field(default_factory=list)
    reset: list[int] = field(default_factory=list)
    sent: _Bytes = field(default_factory=_Bytes)
    flags: dict[int, int] = field(default_factory=dict)
    credit: dict[int, int] = field(default_factory=dict)
    pongs: list[int] = field(default_factory=list)
    over: str = ""

    def read(self, wire: bytes) -> None:
        """
        Note what was sent, which is always made of whole frames.
        """
        offset = 0
        while offset < len(wire):
            version, kind, flags, number, length = _HEAD.unpack_from(wire, offset)
            assert version == 0
            offset += _HEAD.size
            if kind == _PING:
                if flags & _ACK:
                    self.pongs.append(length)
                continue
            if kind == _AWAY:
                if length:
                    self.over = "error"
                continue
            if kind == _DATA and length:
                self.sent.add(number, wire[offset : offset + length])
                offset += length
            elif kind == _UPDATE and length and not flags & _RST:
                self.credit[number] = self.credit.get(number, 0) + length
            if flags & ~_ACK:
                self.flags[number] = self.flags.get(number, 0) | flags & ~_ACK
        assert offset == len(wire)


class _End(HalfCloseCollector):
    """
    The application's end of a stream, and what was told of it.
    """

    endTold = resetTold = False

    def outcome(self, outcome: _Outcome) -> None:
        """
        Tell what is new.
        """
        if not (self.data or self.ends or self.reasons):
            return
        number = self.stream.streamID
        if self.data:
            outcome.received.add(number, self.data)
            self.data.clear()
        ended = "read" in self.ends
        reset = any(reason.check(StreamReset) for reason in self.reasons)
        if reset and "write" in self.ends:
            # Behind our own end rust cannot tell a reset from an end.
            ended, reset = True, False
        if ended and not self.endTold:
            self.endTold = True
            outcome.ended.append(number)
        if reset and not self.resetTold:
            self.resetTold = True
            outcome.reset.append(number)


class _Ours:
    """
    Our session, and its application.
    """

    def __init__(self, initiator: bool) -> None:
        failures.clear()
        self.initiator = initiator
        self._clock = Clock()
        self._owner = MuxedConnectionDouble(_ALICE, _BOB)
        self._owner.build = self._build
        self._ends: list[_End] = []
        muxer = Yamux(self._clock, keepAlive=None)
        factory = muxer.wrap(Role.CLIENT if initiator else Role.SERVER, self._owner)
        self._layer: Any = factory.buildProtocol(PeerAddress(_BOB))
        self.session = self._layer.session
        self._transport = StringTransport()
        self._layer.makeConnection(self._transport)

    def _build(self) -> _End:
        self._ends.append(_End())
        return self._ends[-1]

    @property
    def streams(self) -> dict[int, Any]:
        """
        The streams, by their ids.
        """
        return {stream.streamID: stream for stream in self.session.streams}

    def do(self, step: Record) -> _Outcome:
        """
        Do one step.
        """
        before = len(self._ends)
        stream: Any = self.streams.get(step.number)
        match step.kind:
            case b"f":
                self._layer.dataReceived(step.payload)
            case b"o":
                self.session.openStream(self._build()).write(step.payload)
            case b"w":
                stream.write(step.payload)
            case b"c":
                stream.loseWriteConnection()
            case b"r":
                stream.abortConnection()
            case b"p":
                stream.pauseProducing()
            case b"u":
                stream.resumeProducing()
        self._clock.advance(0)
        outcome = _Outcome(opened=[end.stream.streamID for end in self._ends[before:]])
        for end in self._ends:
            end.outcome(outcome)
        if self.session.ended:
            outcome.over = "closed"
        outcome.read(self._transport.value())
        self._transport.clear()
        return outcome

    def lose(self) -> None:
        """
        Lose the transport: nothing is left when those that had paused read on.
        """
        self._layer.connectionLost(Failure(ConnectionLost()))
        for stream in list(self.session.streams):
            stream.resumeProducing()
        self._clock.advance(0)
        assert not self.session.streams
        assert all(len(end.reasons) == 1 for end in self._ends)
        assert not self._clock.calls, self._clock.calls
        assert not failures, failures


def _theirs(records: list[Record]) -> _Outcome:
    """
    Read what has come of a step at theirs.
    """
    outcome = _Outcome()
    for kind, number, payload in records:
        match kind:
            case b"a" | b"o":
                outcome.opened.append(number)
            case b"d":
                outcome.received.add(number, payload)
            case b"e":
                outcome.ended.append(number)
            case b"x":
                outcome.reset.append(number)
            case b"q":
                outcome.over = "error" if number else "closed"
            case b"s":
                outcome.read(payload)
            case _:
                raise AssertionError(f"stream {number}: theirs says {kind!r}")
    return outcome


class _Script:
    """
    Reads an input as what the peer and the application do.
    """

    def __init__(self, data: bytes, ours: _Ours) -> None:
        self._bytes: Iterator[int] = iter(data)
        self._ours = ours
        self._place = 0

    def next(self) -> tuple[Record, _Known | None]:
        """
        @return: the next step, and the difference that it may make.

        @raise StopIteration: the script has ended.
        """
        while True:
            head = next(self._bytes)
            action = head >> 4
            if action < 10:
                return self._frame(head & 15)
            if action == 10:
                return Record(b"o", 0, self._text()), None
            step = self._application(action)
            if step is not None:
                return step, None

    def _application(self, action: int) -> Record | None:
        """
        @return: what the application does, if it can be done to a stream.
        """
        number = self._stream()
        stream = self._ours.streams.get(number)
        if stream is None or stream.state.closed:
            return None
        match action:
            case 11 | 12 if not stream.state.shut:
                return Record(b"w", number, self._text())
            case 13 if not stream.state.shut:
                return Record(b"c", number)
            case 14 if not (stream.state.sent or stream.state.peerEnded):
                # With one half ended, rust sends no reset of what is dropped.
                return Record(b"r", number)
            case 15:
                return Record(b"u" if stream._paused else b"p", number)
        return None

    def _frame(self, low: int) -> tuple[Record, _Known | None]:
        """
        @return: a frame of the peer.
        """
        kind = _KINDS[low]
        byte = next(self._bytes)
        flags = _FLAGS[byte & 15]
        if kind is None:
            kind, flags = byte & 7, byte >> 3 & 15
        number = 0
        if kind in (_DATA, _UPDATE):
            number = self._new() if flags & _SYN else self._stream(kind == _DATA)
        elif kind == _PING and byte < _ODD:
            flags = _SYN
        length = self._size()
        if byte >= _ODD:
            # Once in a while anything.
            flags ^= next(self._bytes)
            number ^= next(self._bytes) & 7
        elif kind == _DATA and length > _LARGEST:
            length &= 0xFFFF
        wire = _HEAD.pack(int(kind == 7), kind, flags, number, length)
        known = self._known(kind, flags, number, length)
        if kind == _DATA and length <= _LARGEST:
            wire = b"".join((wire, self._pattern(length)))
        return Record(b"f", 0, wire), known

    def _known(self, kind: int, flags: int, number: int, length: int) -> _Known | None:
        """
        @return: the difference that a frame may make.
        """
        if kind > _AWAY:
            return None
        if flags > _SYN | _ACK | _FIN | _RST:
            return _FLAGGED
        if kind in (_PING, _AWAY):
            if number:
                return _NAMED
            if kind == _AWAY or flags & (_SYN | _ACK) == _SYN:
                return None
            return _PONG if flags & _ACK else _PLAIN
        if not number:
            return _ZERO
        if kind == _DATA and length > _LARGEST:
            return _LARGE
        stream = self._ours.streams.get(number)
        if flags & _SYN:
            theirs = (number & 1 == 1) != self._ours.initiator
            if theirs and stream is not None and stream.state.closed:
                return _REUSED
            if flags & _RST and (stream is not None or not theirs):
                return _BOTH
            return None
        if stream is None:
            return None
        if stream.state.closed:
            return _UNREAD
        if flags & _RST:
            held = stream.state.sent and stream._paused
            return _DROPPED if held else None
        if kind == _DATA and length and stream.state.peerEnded:
            return _BEHIND
        return None

    def _new(self) -> int:
        """
        @return: the id of a stream that the peer may open; or, seldom, any.
        """
        byte = next(self._bytes)
        if byte >= _ODD:
            return byte & 7
        number = 2 if self._ours.initiator else 1
        while number in self._ours.streams:
            number += 2
        return number + 2 * (byte & 1)

    def _stream(self, open: bool = False) -> int:
        """
        @param open: whether it should be one that the peer has not ended.
        @return: the id of a stream that there is; or, seldom, any.
        """
        byte = next(self._bytes)
        numbers = sorted(
            number
            for number, stream in self._ours.streams.items()
            if not open or not stream.state.peerEnded
        )
        if byte >= _ODD or not numbers:
            return byte % 7 + 1
        return numbers[byte % len(numbers)]

    def _size(self) -> int:
        byte = next(self._bytes)
        return byte if byte < 0xE4 else _SIZES[byte % len(_SIZES)]

    def _text(self) -> bytes:
        return bytes(self._pattern(min(self._size() or 1, _WRITTEN)))

    def _pattern(self, size: int) -> memoryview:
        """
        @return: bytes of which no two pieces look the same.
        """
        place = self._place = (self._place + 3 * 641) % (len(_PATTERN) - _LARGEST)
        return _PATTERN[place : place + size]


@differential
def yamuxes(data: bytes) -> None:
    """
    A session of yamux, beside rust's.
    """
    ours = _Ours(bool(data[:1]) and data[0] & 1 == 1)
    script = _Script(data[1:], ours)
    steps: list[Record] = []
    outcomes: list[_Outcome] = []
    known: _Known | None = None
    while known is None and not ours.session.ended:
        try:
            step, known = script.next()
        except StopIteration:
            break
        outcome = ours.do(step)
        if known is None:
            steps.append(step)
            outcomes.append(outcome)
        elif known.strict:
            assert outcome.over == "error", known
    told = machines().run(Record(b"Y", int(ours.initiator)), steps)
    for number, (mine, records) in enumerate(zip(outcomes, told, strict=True)):
        theirs = _theirs(records)
        # What else came of the last step depends on when its frame is judged.
        over = mine.over or theirs.over
        if mine.over != theirs.over or not (over or mine == theirs):
            step = steps[number]
            raise AssertionError(
                f"{number}: {step.kind!r} {step.number} {step.payload[:12].hex()}:"
                f" ours {mine!r}; theirs {theirs!r}"
            )
    ours.lose()
