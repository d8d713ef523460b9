# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Scenarios that are played over two backends, and the accounts of what came of them.

A scenario is drawn from a seed: both ends open streams, write, end, reset and stop
them, read them or not, and lose datagrams.  After each step both ends come to rest.
The account has everything that an application can learn, in an order that does not
depend on how a backend cuts streams into datagrams.
"""

from __future__ import annotations

from random import Random

from twisted_libp2p.interfaces import IQuicBackend, QuicEvent, SentDatagram
from twisted_libp2p.testing.quic.pair import End, QuicPair

__all__ = ["play"]

#: Events that say when a backend wants to be called, not what the peer has done.
_CALLS = (QuicEvent.READABLE, QuicEvent.WRITABLE, QuicEvent.AVAILABLE)

#: Tokens are random, and their number is a choice of the backend.
_IGNORED = (*_CALLS, QuicEvent.TOKEN)

#: The bytes of a stream that an application may leave unread, and of one write.
_WINDOW = 30_000
_SIZES = (0, 1, 100, 1_200, 5_000, 20_000)

_STREAMS = 6


class _Side:
    """
    One end, as its application sees it.

    @ivar end: the end of the pair.
    @ivar unread: the streams whose end has not been read.
    @ivar seen: how many events are in the account.
    """

    def __init__(self, end: End, name: str) -> None:
        self.end = end
        self.name = name
        self.unread: set[int] = set()
        self.writing: set[int] = set()
        self.seen = 0

    def events(self) -> list[str]:
        """
        Return the new events.
        """
        new = self.end.events[self.seen :]
        self.seen = len(self.end.events)
        named = []
        for kind, *arguments in new:
            if kind == QuicEvent.OPENED:
                self.unread.add(arguments[0])
                self.writing.add(arguments[0])
            elif kind == QuicEvent.LOST:
                # The text is the backend's own.
                arguments.pop()
            if kind not in _IGNORED:
                numbers = [int(each) for each in arguments]
                named.append(f"{self.name} {QuicEvent(kind).name} {numbers}")
        return sorted(named)


class _Scenario:
    """
    A connection, and the account of it.
    """

    def __init__(
        self, seed: int, backend: IQuicBackend, other: IQuicBackend | None
    ) -> None:
        self.random = Random(seed)
        settings = {"streamWindow": _WINDOW, "maxStreams": _STREAMS}
        self.pair = QuicPair(backend, other, settings, settings)
        self.sides = (
            _Side(self.pair.dialer, "dialer"),
            _Side(self.pair.listener, "listener"),
        )
        self.account: list[str] = []
        self.pair.connect()
        self.rest()

    def rest(self) -> None:
        """
        Let both ends come to rest, and add their events to the account.
        """
        self.pair.advance(1.0)
        for side in self.sides:
            self.account += side.events()

    def step(self) -> None:
        """
        Do one thing on one side.
        """
        side = self.random.choice(self.sides)
        acts = ("open", "write", "write", "read", "read", "finish", "reset", "stop")
        act = self.random.choice(acts)
        number, size = self.random.random(), self.random.choice(_SIZES)
        drop = self.random.random() < 0.2
        streams = sorted(side.unread if act in ("read", "stop") else side.writing)
        result: object = None
        end = side.end
        if act == "open":
            opened = end.endpoint.open(end.connection)
            if opened is not None:
                # At once, since numbers count as opened together with later ones:
                # quinn-proto reports these early, and aioquic when their bytes come.
                end.endpoint.write(end.connection, opened, [b"x"])
                side.unread.add(opened)
                side.writing.add(opened)
            result = opened
        elif streams:
            stream = streams[int(number * len(streams))]
            result = stream, self._act(side, act, stream, size)
        if drop:
            self._dropNext()
        self.account.append(f"{side.name} {act} {result}")
        self.rest()

    def _act(self, side: _Side, act: str, stream: int, size: int) -> object:
        """
        Do one thing to a stream, and return what the application learns.
        """
        end = side.end
        endpoint, handle = end.endpoint, end.connection
        if act == "write":
            # What a full window takes of it is a choice of the backend.
            endpoint.write(handle, stream, [bytes(size)])
            return size
        if act == "read":
            data, result = end.readAll(stream)
            if result is not None:
                side.unread.discard(stream)
            return len(data), result
        if act == "finish":
            endpoint.finish(handle, stream)
            side.writing.discard(stream)
        elif act == "reset":
            endpoint.reset(handle, stream, 40 + stream)
            side.writing.discard(stream)
        else:
            endpoint.stop(handle, stream, 60 + stream)
            side.unread.discard(stream)
        return None

    def _dropNext(self) -> None:
        """
        Lose the next datagrams that are sent together.
        """

        def carry(datagram: SentDatagram, end: End) -> list[SentDatagram]:
            self.pair.carry = lambda each, _: [each]
            return []

        self.pair.carry = carry


def play(
    seed: int, backend: IQuicBackend, other: IQuicBackend | None = None, steps: int = 25
) -> list[str]:
    """
    Play a scenario, and return the account of it.

    @param backend: that of the dialer.
    @param other: that of the listener; the same by default.
    """
    scenario = _Scenario(seed, backend, other)
    for _ in range(steps):
        scenario.step()
    side = scenario.random.choice(scenario.sides)
    # The last datagram is sent once.
    scenario.pair.carry = lambda each, _: [each]
    side.end.endpoint.close(side.end.connection, scenario.pair.now, 7, b"over")
    scenario.rest()
    return scenario.account
