# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hostile dialer before the endpoint of a backend, in memory.
"""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import QuicConnection

from tests.attacks.raw.certificates import shown
from tests.attacks.raw.packets import sealed
from tests.attacks.raw.quic import hello
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent, ReceivedDatagram
from twisted_libp2p.testing.quic.pair import MOMENT, End

__all__ = ["HostileDialer"]


class HostileDialer:
    """
    A dialer that may say anything, and a listener.

    @ivar quic: aioquic's object of the dialer.
    @ivar listener: the listener.
    @ivar address: the address of the dialer.
    @ivar now: the time.
    """

    def __init__(
        self, backend: IQuicBackend, quic: QuicConnection | None = None, **settings: Any
    ) -> None:
        """
        @param quic: a dialer of another kind.
        @param settings: settings of the listener.
        """
        self.listener = End(backend, "192.0.2.2", 4002, **settings)
        self.quic = quic or hello(shown(moment=MOMENT))
        self.address = ("192.0.2.1", 4001)
        self.now = 0.0
        self.quic.connect(("192.0.2.2", 4002), self.now)

    def connect(self) -> None:
        """
        Complete the handshake.
        """
        self.run()
        assert self.listener.named(QuicEvent.CONNECTED), self.listener.events

    def run(self, seconds: float = 0.2) -> None:
        """
        Carry datagrams for some time, in both directions.
        """
        until = self.now + seconds
        while self.now < until:
            self.listener.now = self.now
            timer = self.quic.get_timer()
            if timer is not None and timer <= self.now:
                self.quic.handle_timer(self.now)
            for data, _ in self.quic.datagrams_to_send(self.now):
                self.answered(self.put(data))
            self.answered(self.listener.poll())
            self.now += 0.005

    def put(self, data: bytes) -> list[Any]:
        """
        Send a datagram, and return the answers that are sent at once.
        """
        return self.listener.receive([ReceivedDatagram(data, *self.address)])

    def answered(self, sent: list[Any]) -> None:
        """
        Take the datagrams of the listener.
        """
        for data, _, _, segment, _ in sent:
            step = segment or len(data)
            for begin in range(0, len(data), step):
                piece = bytes(data[begin : begin + step])
                self.quic.receive_datagram(piece, ("192.0.2.2", 4002), self.now)

    def frames(self, *frames: bytes) -> None:
        """
        Send each of these in a packet of its own, on an established connection.
        """
        for each in frames:
            self.answered(self.put(sealed(self.quic, each)))

    @property
    def lost(self) -> tuple[int, int] | None:
        """
        The cause and the code of the end of the connection; None so far.
        """
        found = self.listener.named(QuicEvent.LOST)
        assert len(found) <= 1, found
        return (int(found[0][0]), found[0][1]) if found else None
