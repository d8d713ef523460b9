# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Scenarios that are played over two backends, and the accounts of what came of them.

A scenario is drawn from a seed: the listener takes the dialer at once, or asks for a
proof of its address, or refuses it, or either judges the other's certificate bad.
Then both ends open streams, write, end, reset and stop them, read them or not, lose
datagrams, move to other addresses, change windows and are silent.  After each step both
ends come to rest.
The account has everything that an application can learn, in an order that does not
depend on how a backend cuts streams into datagrams.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IQuicBackend, QuicEvent, SentDatagram
from twisted_libp2p.testing.quic.pair import End, QuicPair

__all__ = ["BEGINNINGS", "play"]

#: Events that say when a backend wants to be called, not what the peer has done.
_CALLS = (QuicEvent.READABLE, QuicEvent.WRITABLE, QuicEvent.AVAILABLE)

#: Tokens are random, and their number is a choice of the backend.
_IGNORED = (*_CALLS, QuicEvent.TOKEN)

#: The bytes of a stream that an application may leave unread, and of one write.
_WINDOW = 30_000
_SIZES = (0, 1, 100, 1_200, 5_000, 20_000)

_STREAMS = 6

#: How a connection may begin: most do without trouble, and live on.
BEGINNINGS = (
    "accepted",
    "accepted",
    "accepted",
    "retried",
    "retried",
    "with a token",
    "refused",
    "ignored",
    "another peer",
    "a bad dialer",
    "a bad listener",
    "another protocol",
)

#: Beginnings after which there is no connection.
_FAILING = frozenset(BEGINNINGS[6:])


def _refuse(data: bytes, expected: bytes | None) -> bytes:
    """
    Judge every certificate bad.
    """
    raise InvalidInput("a bad certificate")


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
            elif kind == QuicEvent.STOPPED:
                # As the contract has it.
                self.end.endpoint.reset(self.end.connection, *arguments)
                self.writing.discard(arguments[0])
            elif kind == QuicEvent.LOST:
                # The text is the backend's own.
                arguments.pop()
            if kind not in _IGNORED:
                facts = [
                    each if isinstance(each, str) else int(each) for each in arguments
                ]
                named.append(f"{self.name} {QuicEvent(kind).name} {facts}")
        return sorted(named)


class _Scenario:
    """
    A connection, and the account of it.
    """

    def __init__(
        self, seed: int, backend: IQuicBackend, other: IQuicBackend | None
    ) -> None:
        self.random = Random(seed)
        self.beginning = self.random.choice(BEGINNINGS)
        settings: dict[str, Any] = {"streamWindow": _WINDOW, "maxStreams": _STREAMS}
        dialers, listeners = dict(settings), dict(settings)
        if self.beginning == "a bad dialer":
            listeners["judge"] = _refuse
        elif self.beginning == "a bad listener":
            dialers["judge"] = _refuse
        elif self.beginning == "another protocol":
            dialers["alpn"] = (b"h3",)
        self.pair = QuicPair(backend, other, dialers, listeners)
        self.sides = (
            _Side(self.pair.dialer, "dialer"),
            _Side(self.pair.listener, "listener"),
        )
        self.account: list[str] = [self.beginning]
        self._begin()
        self.rest()
        if self.beginning == "another protocol":
            # quinn-proto accepts no peer whose whole ClientHello has come and is bad.
            lost = "listener LOST"
            self.account = [each for each in self.account if lost not in each]

    @property
    def failed(self) -> bool:
        """
        Whether there is no connection.
        """
        return self.beginning in _FAILING

    def _begin(self) -> None:
        """
        Dial, and have the listener decide.
        """
        pair, end = self.pair, self.pair.listener
        if self.beginning == "retried":
            end.knocked = end.retry
        elif self.beginning == "refused":
            end.knocked = lambda knock: end.endpoint.refuse(knock.number)
        elif self.beginning == "ignored":
            end.knocked = lambda knock: []
        if self.beginning == "another peer":
            pair.dial(Identity.generate().peerID.toBytes())
            pair.run()
        elif self.beginning == "with a token":
            pair.connect()
            token = pair.dialer.named(QuicEvent.TOKEN)[0][0]
            pair.dialer.endpoint.close(pair.dialer.connection, pair.now, 0, b"")
            pair.advance(10)
            # Only a listener that knows the token does without another proof.
            end.knocked = end.retry
            sent = len(end.sent)
            pair.dial(token=token)
            pair.run()
            first = end.sent[sent].data[0] & 0xF0
            self.account.append("a Retry" if first == 0xF0 else "no Retry")
        else:
            pair.connect()

    def rest(self) -> None:
        """
        Let both ends come to rest, and add their events to the account.
        """
        for _ in range(2):
            # Answers to the first events cause others.
            self.pair.advance(1.0)
            for side in self.sides:
                self.account += side.events()

    def step(self) -> None:
        """
        Do one thing on one side.
        """
        side = self.random.choice(self.sides)
        acts = (
            *("open", "write", "write", "read", "read", "finish", "reset", "stop"),
            *("move", "window", "silence"),
        )
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
        elif act == "move":
            # The dialer alone: QUIC lets no listener move.
            self.pair.dialer.port = 10_000 + int(number * 1000)
            result = self.pair.dialer.port
            mover = self.pair.dialer
            mover.endpoint.ping(mover.connection)
        elif act == "window":
            # Larger than all streams together need: it bounds nothing.
            end.endpoint.setWindow(end.connection, 16_000_000 + int(number * 1e6))
        elif act == "silence":
            self.pair.advance(20 * number)
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
    if scenario.failed:
        return scenario.account
    for _ in range(steps):
        scenario.step()
    side = scenario.random.choice(scenario.sides)
    # The last datagram is sent once.
    scenario.pair.carry = lambda each, _: [each]
    side.end.endpoint.close(side.end.connection, scenario.pair.now, 7, b"over")
    scenario.rest()
    return scenario.account
