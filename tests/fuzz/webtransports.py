# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the streams of HTTP/3 and WebTransport, and its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from tests.fuzz.target import sameHoweverCut, target
from tests.quic.webtransport.script import Script
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import FIN, Handshake, QuicEvent, Role
from twisted_libp2p.quic.webtransport.dialing import WebTransportDialer
from twisted_libp2p.quic.webtransport.endpoint import (
    MAX_HELD_SIZE,
    WebTransportEndpoint,
)
from twisted_libp2p.quic.webtransport.http3 import (
    CONTROL,
    MAX_HEAD,
    FrameType,
    TypedParts,
    readHead,
    readSettings,
)
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey

#: The streams that an input chooses from: of one direction, of both, and ours.
_STREAMS = ((2, 6, 10, 14, 0, 4, 8, 12), (3, 7, 11, 15, 1, 5, 0, 4))


@cache
def _static() -> tuple[Handshake, StaticKey]:
    identity = Identity.generate()
    handshake = Handshake(identity, Role.SERVER, None, (), lambda reason: None)
    return handshake, StaticKey.sign(identity)


def _endpoint(below: Script, dials: bool) -> WebTransportEndpoint:
    handshake, static = _static()

    def noise() -> NoiseHandshake:
        role = Role.CLIENT if dials else Role.SERVER
        return NoiseHandshake(replace(handshake, role=role), static)

    early = [(QuicEvent.CONNECTED,)]
    if dials:
        return WebTransportDialer(below, 1, noise, early, frozenset())  # type: ignore[arg-type]
    return WebTransportEndpoint(below, 1, noise, early)  # type: ignore[arg-type]


@target
def webTransports(data: bytes) -> None:
    """
    Bytes, ends and resets on any streams, to a listener and to a dialer: nobody is
    taken for proven, little is kept, and the end is reported once.
    """
    dials = bool(data[:1] and data[0] & 1)
    below = Script()
    below.streams = [2, 0, 4] if dials else [3, 1, 5]
    endpoint = _endpoint(below, dials)
    endpoint.poll(1, 0.0)
    if data[:1] and data[0] & 2:
        below.says(_STREAMS[dials][0], CONTROL)
    opened: set[int] = {0, 4} if dials else set()
    lost = 0
    offset = 1
    while offset + 2 <= len(data):
        choice, size = data[offset], data[offset + 1]
        number = _STREAMS[dials][choice & 7]
        piece = data[offset + 2 : offset + 2 + size]
        offset += 2 + size
        if choice >> 3 & 7 == 7:
            below.events.append((QuicEvent.RESET, number, size))
        else:
            end = {5: FIN, 6: size}.get(choice >> 3 & 7)
            below.says(number, piece, number not in opened, end)
            opened.add(number)
        _, events, _, _ = endpoint.poll(1, 0.0)
        lost += sum(each[0] == QuicEvent.LOST for each in events)
        held = sum(len(each.data) for each in endpoint._held.values())
        assert held <= MAX_HELD_SIZE
        assert endpoint.secured is None
        assert lost <= 1
    assert lost or below.closed is None


def _parts(pieces: Iterator[bytes]) -> list[object]:
    """
    Split frames, and read them.
    """
    frames = TypedParts({FrameType.HEADERS: MAX_HEAD, FrameType.SETTINGS: 1024})
    found: list[object] = []
    try:
        for piece in pieces:
            for kind, body in frames.split(piece):
                read = readHead if kind == FrameType.HEADERS else readSettings
                found.append(read(body))
            assert len(frames._buffer) <= MAX_HEAD + 16
    except InvalidInput:
        found.append(None)
    return found


@target
def httpFrames(data: bytes) -> None:
    """
    Frames of HTTP/3 are the same however they are cut, and little of them is kept.
    """
    sameHoweverCut(data, _parts)
