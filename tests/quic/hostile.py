# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Hostile peers before the endpoint of a backend, in memory.
"""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import QuicConnection

from tests.attacks.raw.certificates import shown
from tests.attacks.raw.packets import sealed
from tests.attacks.raw.quic import hello
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent, ReceivedDatagram
from twisted_libp2p.testing.quic.pair import MOMENT, End

__all__ = ["HostileDialer", "HostileListener"]


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
        for data in _pieces(sent):
            self.quic.receive_datagram(data, ("192.0.2.2", 4002), self.now)

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


class HostileListener:
    """
    A listener that may show anything, and a dialer.

    @ivar dialer: the dialer.
    @ivar first: its first datagram.
    """

    def __init__(
        self, backend: IQuicBackend, expected: PeerID | None = None, **settings: Any
    ) -> None:
        """
        Begin to dial.

        @param expected: the peer that the dialer expects.
        @param settings: settings of the dialer.
        """
        self.dialer = End(backend, "192.0.2.1", 4001, **settings)
        data = None if expected is None else expected.toBytes()
        self.dialer.handle = self.dialer.endpoint.connect(
            0.0, "192.0.2.2", 4002, data, "libp2p", b""
        )
        self._waiting = _pieces(self.dialer.poll())
        self.first = self._waiting[0]

    def put(self, data: bytes) -> list[bytes]:
        """
        Send a datagram, and return those that the dialer answers.
        """
        answers = self.dialer.receive([ReceivedDatagram(data, "192.0.2.2", 4002)])
        return _pieces([*answers, *self.dialer.poll()])

    def answer(self, quic: QuicConnection, seconds: float = 0.2) -> None:
        """
        Answer by a connection of aioquic, for some time.
        """
        now = 0.0
        while now < seconds:
            for data in self._waiting:
                quic.receive_datagram(data, ("192.0.2.1", 4001), now)
            self.dialer.now = now
            self._waiting = _pieces(self.dialer.poll())
            for data, _ in quic.datagrams_to_send(now):
                self._waiting += self.put(data)
            now += 0.005


def _pieces(sent: list[Any]) -> list[bytes]:
    """
    Return each datagram by itself.
    """
    found = []
    for data, _, _, segment, _ in sent:
        step = segment or len(data)
        found += [
            bytes(data[begin : begin + step]) for begin in range(0, len(data), step)
        ]
    return found
