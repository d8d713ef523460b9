# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two hubs of QUIC with a bad network between them, in memory and in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from twisted.internet.task import Clock

from twisted_libp2p.interfaces import IQuicBackend, ReceivedDatagram, SentDatagram
from twisted_libp2p.testing.muxer.doubles import Collector
from twisted_libp2p.testing.quic.network import QuicSessionPair, Wire

__all__ = ["BadLink", "Transfer", "Weather"]

#: Seconds of one step of the clock.
STEP = 0.002


class Weather:
    """
    The properties of the network, in both directions; they may change at any time.

    @ivar delay: seconds of each datagram.
    @ivar loss: the fraction of the datagrams that is lost.
    @ivar repeat: the fraction that comes twice.
    @ivar swap: the fraction that comes 10 ms later than those sent after it.
    @ivar mtu: the bytes of the largest datagram that passes; no error is reported of
        larger ones.
    @ivar up: whether any passes.
    @ivar address: the address of the dialer, as its peer sees it; answers to another
        one are lost.
    """

    def __init__(self, **properties: Any) -> None:
        self.delay = 0.005
        self.loss = self.repeat = self.swap = 0.0
        self.mtu = 65_535
        self.up = True
        self.address = ("192.0.2.1", 4001)
        for name, value in properties.items():
            assert name in vars(self), name
            setattr(self, name, value)


class _BadWire(Wire):
    """
    A port whose datagrams pass through the weather.

    @ivar counts: the number of datagrams that passed, were lost, and so on.
    """

    def __init__(
        self, host: str, port: int, deliver: Callable[[SentDatagram, Wire], None]
    ) -> None:
        super().__init__(host, port)
        self._deliver = deliver

    def send(self, datagram: SentDatagram) -> None:
        """
        Send each datagram of a group by itself.
        """
        data, host, port, segment, ecn = datagram
        step = segment or len(data)
        for begin in range(0, len(data), step):
            piece = data[begin : begin + step]
            self._deliver(SentDatagram(piece, host, port, 0, ecn), self)


class BadLink(QuicSessionPair):
    """
    Two sessions over a bad network.

    @ivar weather: the network.
    @ivar counts: the datagrams that met with each property.
    @ivar losing: the numbers of datagrams that are lost in any case; the first is 0.
    @ivar largest: the bytes of the largest datagram that has passed.
    """

    def __init__(
        self,
        backend: IQuicBackend,
        other: IQuicBackend | None = None,
        weather: Weather | None = None,
        **settings: Any,
    ) -> None:
        """
        Connect, through the network.
        """
        super().__init__(Clock(), backend, other, start=False, **settings)
        self.weather = weather or Weather()
        self.counts = dict.fromkeys(("passed", "lost", "repeated", "swapped"), 0)
        self.losing: set[int] = set()
        self.largest = 0
        self._random = Random(19)
        self._number = -1
        self.wires = (
            _BadWire("192.0.2.1", 4001, self._carry),
            _BadWire("192.0.2.2", 4002, self._carry),
        )
        self.near.port, self.far.port = self.wires
        self.upgrades[0].ready = lambda each: each.start(self.client)
        self.upgrades[1].ready = lambda each: each.start(self.server)
        self.near.dial("192.0.2.2", 4002, self.upgrades[0])

    def _carry(self, datagram: SentDatagram, wire: Wire) -> None:
        """
        Deliver a datagram in its time, or lose it.
        """
        weather, random = self.weather, self._random
        fromDialer = wire is self.wires[0]
        self._number += 1
        if (
            not weather.up
            or self._number in self.losing
            or len(datagram.data) > weather.mtu
            or random.random() < weather.loss
            or not (fromDialer or (datagram.host, datagram.port) == weather.address)
        ):
            self.counts["lost"] += 1
            return
        self.largest = max(self.largest, len(datagram.data))
        delay = weather.delay
        if random.random() < weather.swap:
            self.counts["swapped"] += 1
            delay += 0.01
        source = weather.address if fromDialer else (wire.host, wire.number)
        hub = self.far if fromDialer else self.near
        received = ReceivedDatagram(datagram.data, *source, 0, datagram.ecn)
        self.counts["passed"] += 1
        self.clock.callLater(delay, hub.received, [received])
        if random.random() < weather.repeat:
            self.counts["repeated"] += 1
            self.clock.callLater(delay + 0.001, hub.received, [received])

    def flush(self) -> None:
        """
        Let one step of time pass.
        """
        self.clock.advance(STEP)

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """
        Let time pass until something holds.

        @return: the seconds that it took.
        """
        began = self.clock.seconds()
        while not condition():
            if self.clock.seconds() > began + seconds:
                raise AssertionError(f"not within {seconds:g} s; {self.counts}")
            self.clock.advance(STEP)
        return self.clock.seconds() - began

    def connected(self) -> bool:
        """
        Whether both sides have a session.
        """
        return all(each.session is not None for each in self.upgrades)


class Transfer:
    """
    Bytes on their way, in both directions at once, on a stream for each.
    """

    def __init__(self, link: BadLink, size: int) -> None:
        self._link = link
        random = Random(size)
        self._ways: list[tuple[Collector, bytes, Collector]] = []
        for owner, other in (
            (link.client, link.server),
            (link.server, link.client),
        ):
            mine = Collector()
            before = len(other.protocols)
            owner.openStream(mine)
            link.until(partial(_more, other.protocols, before), 60)
            data = random.randbytes(size)
            mine.stream.write(data)
            mine.stream.loseWriteConnection()
            self._ways.append((mine, data, other.protocols[before]))

    @property
    def arrived(self) -> int:
        """
        The bytes that have arrived.
        """
        return sum(len(theirs.data) for _, _, theirs in self._ways)

    def goOn(self, size: int, seconds: float = 60.0) -> None:
        """
        Let time pass until so many more bytes have arrived.
        """
        wanted = self.arrived + size
        self._link.until(lambda: self.arrived >= wanted, seconds)

    def finish(self, seconds: float = 120.0) -> float:
        """
        Let time pass until all bytes have arrived, unchanged.

        @return: the seconds that it took.
        """
        total = sum(len(data) for _, data, _ in self._ways)
        took = self._link.until(lambda: self.arrived >= total, seconds)
        for _, data, theirs in self._ways:
            assert bytes(theirs.data) == data
        return took


def _more(found: list[Any], before: int) -> bool:
    return len(found) > before
