# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: STUN, the messages in channels of WebRTC, and the streams that they make.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.fuzz.target import sameHoweverCut, target
from tests.webrtc.fake import FakeMachine
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, QuicEvent, Role, Secured
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.webrtc.association import Association
from twisted_libp2p.webrtc.channel import BUFFER
from twisted_libp2p.webrtc.messages import LARGEST, Message, MessageReader, encode
from twisted_libp2p.webrtc.native import RtcEvent
from twisted_libp2p.webrtc.streams import RtcStreams
from twisted_libp2p.webrtc.stun import answered, readRequest, respond

_UFRAG = b"libp2p+webrtc+v1/" + b"a" * 24

#: The events of a channel that an input chooses from.
_EVENTS = (
    *(RtcEvent.READABLE, RtcEvent.READABLE, RtcEvent.OPENED, RtcEvent.WRITABLE),
    *(RtcEvent.CLOSED, RtcEvent.FREED, RtcEvent.READABLE, RtcEvent.OPENED),
)


@cache
def _static() -> tuple[Handshake, StaticKey]:
    identity = Identity.generate()
    handshake = Handshake(identity, Role.CLIENT, None, (), lambda reason: None)
    return handshake, StaticKey.sign(identity)


@target
def stunMessages(data: bytes) -> None:
    """
    A request has an answer that is shorter, or none; nothing else is one.
    """
    request = readRequest(data)
    if request is not None:
        answer = respond(request, "2001:db8::1", 4001)
        assert len(answer) <= len(data)
        assert answered(answer, request.server) == request.transaction
    answered(data, _UFRAG)


@target
def webRtcMessages(data: bytes) -> None:
    """
    Messages of a stream are the same however they are cut, and bounded.
    """

    def read(pieces: Iterator[bytes]) -> list[Message | str]:
        reader = MessageReader()
        found: list[Message | str] = []
        try:
            for each in pieces:
                found += reader.feed(each)
        except InvalidInput:
            found.append("broken")
        return found

    for each in sameHoweverCut(data, read):
        if isinstance(each, Message):
            assert len(each.data) <= LARGEST
            if each.data and len(each.data) < LARGEST - 20:
                again = b"".join(encode(*each))
                assert list(MessageReader().feed(again)) == [each]


@target
def webRtcStreams(data: bytes) -> None:
    """
    Events and messages on any channels, before and after the proof: nobody is taken for
    proven, little is kept, and the end is reported once.
    """
    machine = FakeMachine()
    association = Association(machine, b"", "192.0.2.1", 5, 0.0)
    handshake, static = _static()
    streams = RtcStreams(association, NoiseHandshake(handshake, static), ())
    proven = bool(data[:1] and data[0] & 1)
    if proven:
        key = handshake.identity.publicKey
        streams.secured = Secured("/noise", handshake.identity.peerID, key)
    lost, now, offset = 0, 0.0, 1
    while offset + 2 <= len(data):
        choice, size = data[offset], data[offset + 1]
        channel = choice >> 3 & 7
        machine.unread[channel].append(data[offset + 2 : offset + 2 + size])
        offset += 2 + size
        machine.events.append((_EVENTS[choice & 7], channel))
        now += choice >> 6
        _, events, _, _ = streams.poll(1, now)
        for kind, *rest in events:
            lost += kind == QuicEvent.LOST
            if kind == QuicEvent.READABLE and size & 1:
                streams.read(1, int(str(rest[0])), 1000)
            elif kind == QuicEvent.RESET:
                streams.reset(1, int(str(rest[0])), 0)
        if size & 2:
            number = streams.open(1)
            if number is not None:
                streams.write(1, number, [b"hello"])
                streams.finish(1, number)
    assert lost <= 1
    assert proven or streams.secured is None
    assert sum(len(each._data) for each in streams._channels.values()) <= 8 * BUFFER
