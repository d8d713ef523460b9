# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer that sends what a test tells it to, well-formed or not.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IMuxer, Role
from twisted_libp2p.testing.muxer import MuxedConnectionDouble
from twisted_libp2p.testing.pump import Pump, pieces


class Budget:
    """
    The memory that an owner has for its session.

    @ivar room: how many bytes are left.
    """

    def __init__(self, room: int) -> None:
        self.room = room

    def claim(self) -> int:
        """
        Say how many are left.
        """
        return self.room

    def hold(self, size: int) -> None:
        """
        Give so many.
        """
        self.room -= size

    def free(self, size: int) -> None:
        """
        Take so many back.
        """
        self.room += size


class Frames:
    """
    Notes the frames that the reader of a muxer finds.

    @ivar found: of each what its header says, and the parts of its body.
    """

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []

    def headerReceived(self, *header: int) -> None:
        """
        Note it.
        """
        self.found.append(header)

    def bodyReceived(self, data: bytes, last: bool = True) -> None:
        """
        Note it.
        """
        self.found[-1] += (data,)


class RawPeer(Protocol):
    """
    One session of a muxer, and a peer of it that is no muxer at all.

    @ivar owner: the owner of the session.
    @ivar session: the session, as the listener of the connection unless told
        otherwise.
    @ivar layer: its layer.
    @ivar received: what the session has sent, since it was last taken.
    @ivar lost: why the connection was lost, if it was.
    """

    def __init__(self, muxer: IMuxer, clock: Clock, role: Role = Role.SERVER) -> None:
        self.received = bytearray()
        self.lost: Failure | None = None
        alice, bob = PeerID(b"\x00\x01a"), PeerID(b"\x00\x01b")
        self.owner = MuxedConnectionDouble(alice, bob)
        factory = muxer.wrap(role, self.owner)
        layer: Any = factory.buildProtocol(PeerAddress(bob))
        self.layer = layer
        self.session = layer.session
        # What is sent in one piece arrives in one read, whatever its size.
        self.pump = Pump(self, layer, clock=clock, split=pieces(1 << 30))
        self.pump.connect()
        self.pump.flush()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep it.
        """
        self.lost = reason

    def send(self, *data: bytes) -> None:
        """
        Send bytes, in one piece, and let the session act on them.
        """
        self.pump.client.writeSequence(data)
        self.pump.flush()

    def take(self) -> bytes:
        """
        @return: what the session has sent since the last time.
        """
        data = bytes(self.received)
        self.received.clear()
        return data
