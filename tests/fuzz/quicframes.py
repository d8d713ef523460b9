# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: frames of QUIC, of a peer that has proven its identity, into both backends.

Without the distribution C{twisted-libp2p-native} the second one does nothing.
"""

from __future__ import annotations

from functools import cache

from twisted.python.reflect import requireModule

from tests.attacks.raw.packets import PIECE
from tests.fuzz.target import target
from tests.quic.hostile import HostileDialer
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.quic.pair import MOMENT

_NATIVE = requireModule("twisted_libp2p.quic.native")


@cache
def _backend(name: str) -> IQuicBackend:
    if name == "aioquic":
        return AioquicBackend(lambda: MOMENT)
    backend: IQuicBackend = _NATIVE.NativeBackend()
    return backend


@cache
def _connected(name: str) -> HostileDialer:
    """
    Return a connection: a handshake costs more than all the rest, so inputs share one
    until it is lost.
    """
    hostile = HostileDialer(_backend(name))
    hostile.connect()
    return hostile


def _heard(name: str, data: bytes) -> None:
    """
    Send frames: the connection goes on, or ends with one last event.
    """
    hostile = _connected(name)
    listener = hostile.listener
    before = len(listener.events)
    hostile.frames(data[:PIECE])
    hostile.run(0.05)
    for event in listener.events[before:]:
        if event[0] in (QuicEvent.READABLE, QuicEvent.OPENED):
            listener.readAll(event[1])
    hostile.run(0.05)
    lost = hostile.lost
    if lost is not None:
        assert listener.events[-1][0] == QuicEvent.LOST
        assert "panic" not in listener.events[-1][3]
    if lost is not None or hostile.quic._close_event is not None:
        _connected.cache_clear()


@target
def quicFrames(data: bytes) -> None:
    """
    Frames into aioquic.
    """
    _heard("aioquic", data)


@target
def nativeFrames(data: bytes) -> None:
    """
    Frames into quinn-proto.
    """
    if _NATIVE is not None:
        _heard("native", data)
