# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: multistream-select beside that of rust-libp2p.

Both are told the same and agree on the same, or on nothing.  Where they are known
to differ, the difference has a name and a reason here; what comes before it is
compared, and where ours is the stricter one, it has to be strict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.fuzz.machines import Record, machines
from tests.fuzz.target import differential
from twisted_libp2p.errors import NegotiationFailed, ProtocolViolation
from twisted_libp2p.negotiation import multistream
from twisted_libp2p.wire import varint

_SPOKEN = ("/noise", "/tls/1.0.0", "/a")
_ERRORS = (NegotiationFailed, ProtocolViolation)

_HEADER = b"/multistream/1.0.0\n"

#: What most messages are, of the one who answers and of the one who asks.
_ANSWERS = (b"na\n", b"na\n", b"na\n", b"/noise\n", b"/tls/1.0.0\n", b"/a\n")
_PROPOSALS = (b"/b\n", b"/noise/\n", b"/\xc3\xb6\n", b"ls\n", b"/\n", *_ANSWERS[3:])

#: What some are.
_ODD = (
    *(
        _HEADER,
        b"/multistream/1.0.1\n",
        b"/multistream/1.0.0",
        b"/multistream/1.0.0\r\n",
    ),
    *(b"/a", b"/a\n/b\n", b"/a\r\n", b"a\n", b"na", b"NA\n", b"na\n", b"ls\n"),
    *(b"", b"\n", b"/\xff\n", b"\xff\n", b"\x07/noise\n\n", b"/noise\n"),
)

#: Lengths at which something changes, of messages that are otherwise in order.
_LENGTHS = (127, 128, 1023, 1024, 1025, 2048, 16383, 16384)

#: From which byte of an input on there is something odd, and what stands for the
#: bytes of a message, for one of a length, and for anything.
_RARE, _OWN, _LONG, _RAW = 0xE0, 0xFD, 0xFE, 0xFF


class _Known(NamedTuple):
    """
    What may differ.

    @ivar strict: whether ours refuses it, whatever rust does.
    """

    name: str
    strict: bool


#: rust takes messages of up to 16383 bytes, we of up to 1024 as go and js.
_LONGER = _Known("longer than 1024 bytes", True)

#: rust's dialer does without the header, and takes any number of them; its listener
#: wants one, at the beginning.
_HEADERLESS = _Known("a header is missing, or comes again", True)

#: rust answers as long as somebody asks.
_TOO_MANY = _Known("more than 100 proposals in vain", True)

#: To us any other text is a proposal that nobody speaks; rust knows no proposal
#: without a slash or with a newline, takes C{na} for an answer at the wrong place, and
#: a second header too.
_NO_PROPOSAL = _Known("a text that rust takes for no proposal", False)


def _wire(data: bytes, usual: Sequence[bytes]) -> bytes:
    """
    Make of an input what mostly looks like messages, behind the header.

    @param usual: what most of them are.
    """
    rest = iter(data)
    begin = b"" if next(rest, 0) >= _RARE else _HEADER
    wire = bytearray(begin and bytes([len(begin)]) + begin)
    for byte in rest:
        if byte == _RAW:
            size = next(rest, 0) % 8
            wire += bytes(next(rest, 0) for _ in range(size))
            continue
        if byte == _LONG:
            size = _LENGTHS[next(rest, 0) % len(_LENGTHS)]
            body = b"/" + b"l" * (size - 2) + b"\n"
        elif byte == _OWN:
            size = next(rest, 0) % 12
            body = bytes(next(rest, 0) for _ in range(size)) + b"\n"
        elif byte >= _RARE:
            body = _ODD[byte % len(_ODD)]
        else:
            body = usual[byte % len(usual)]
        wire += varint.encode(len(body)) + body
    return bytes(wire)


def _messages(wire: bytes) -> Iterator[tuple[int, bytes | None, int]]:
    """
    Cut what looks like messages: this is no part of what is tested.

    @return: where each ends, its body, and its length; the last may have no body
        yet, or no length that makes sense.
    """
    offset = 0
    while offset < len(wire):
        length = wire[offset]
        start = offset + 1
        if length >= 0x80:
            if start == len(wire):
                return
            length = (length & 0x7F) | (wire[start] << 7)
            start += 1
        offset = start + length
        body = wire[start:offset] if offset <= len(wire) else None
        yield min(offset, len(wire)), body, length


def _outcome(machine: Any, wire: bytes) -> tuple[object, ...]:
    """
    Feed one of ours.

    @return: what was agreed on, what is sent and what comes behind; or that it has
        failed.
    """
    sent = machine.start()
    try:
        sent += machine.receive(wire)
    except _ERRORS:
        # Answers to what came in the same read as the violation are not sent.
        return ("failed",)
    return machine.agreed, sent, machine.trailing


def _theirs(kind: bytes, wire: bytes) -> tuple[object, ...]:
    """
    Feed one of theirs.

    @return: as L{_outcome}.
    """
    steps = [Record(b"f", 0, wire)]
    (outcome,) = machines().run(Record(kind, 0, "\n".join(_SPOKEN).encode()), steps)
    told = {record.kind: record.payload for record in outcome}
    if b"q" in told:
        return ("failed",)
    agreed = told[b"a"].decode() if b"a" in told else None
    return agreed, told[b"s"], told.get(b"t", b"")


def _compare(
    wire: bytes,
    kind: bytes,
    build: Callable[[], Any],
    known: Callable[[Any, bytes | None, int], _Known | None],
) -> None:
    """
    Feed both, as far as they should not differ.

    @param kind: which of the machines.
    @param build: makes one of ours.
    @param known: tells whether a message may make a difference, by what our
        machine is in front of it.
    """
    compared = len(wire)
    machine = build()
    machine.start()
    offset = 0
    for end, body, length in _messages(wire):
        difference = known(machine, body, length)
        if difference is not None:
            if difference.strict:
                assert _outcome(build(), wire[:end]) == ("failed",), difference
            compared = offset
            break
        try:
            machine.receive(wire[offset:end])
        except _ERRORS:
            break
        if machine.agreed is not None:
            break
        offset = end
    ours, theirs = _outcome(build(), wire[:compared]), _theirs(kind, wire[:compared])
    if ours != theirs:
        raise AssertionError(f"ours: {ours!r}; theirs: {theirs!r}")


def _isTooLong(length: int) -> bool:
    return multistream.MAX_MESSAGE < length < 1 << 14


@differential
def multistreamDialers(data: bytes) -> None:
    """
    The side that proposes, beside rust's.
    """

    def known(machine: Any, body: bytes | None, length: int) -> _Known | None:
        if _isTooLong(length):
            return _LONGER
        if body is not None and machine._headerDue != (body == _HEADER):
            return _HEADERLESS
        return None

    wire = _wire(data, _ANSWERS)
    _compare(wire, b"D", lambda: multistream.Initiator(_SPOKEN), known)


@differential
def multistreamListeners(data: bytes) -> None:
    """
    The side that answers, beside rust's.
    """

    def known(machine: Any, body: bytes | None, length: int) -> _Known | None:
        if _isTooLong(length):
            return _LONGER
        if machine._headerDue or not body or body[-1:] != b"\n":
            return None
        text = body[:-1]
        if _isGarbled(text):
            return None
        named = text[:1] == b"/" and b"\n" not in text and body != _HEADER
        if not named and text != b"ls":
            return _NO_PROPOSAL
        spoken = text.decode() in _SPOKEN
        if machine._proposals == multistream.MAX_PROPOSALS and not spoken:
            return _TOO_MANY
        return None

    _compare(
        _wire(data, _PROPOSALS),
        b"L",
        lambda: multistream.Responder(_SPOKEN.__contains__, lambda: _SPOKEN),
        known,
    )


def _isGarbled(text: bytes) -> bool:
    """
    Whether it is no UTF-8, which both refuse.
    """
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
