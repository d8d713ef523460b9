# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: the boundary of the native backend of QUIC.

An input is read as a script: calls with arguments of any kind and number on two
endpoints that are connected, and datagrams between them that are changed, cut, lost,
joined or come twice.  Whatever happens, a call raises nothing but the exceptions of
wrong arguments, no connection ends by a panic, and a third endpoint still connects.

Without the distribution C{twisted-libp2p-native} it does nothing: C{make native}.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from twisted.python.reflect import requireModule

from tests.fuzz.target import target
from twisted_libp2p.interfaces import (
    IQuicBackend,
    QuicEvent,
    ReceivedDatagram,
    SentDatagram,
)
from twisted_libp2p.testing.quic.pair import End, QuicPair

_NATIVE = requireModule("twisted_libp2p.quic.native")

_ALLOWED = (BufferError, KeyError, OverflowError, TypeError, ValueError)

#: Arguments where a handle, a stream, a code, a size or a time is wanted.
_NUMBERS = (
    *(0, 1, 2, 3, 4, 5, 8, 9, 1000, 65_536, 2**31, 2**32, 2**53),
    *(2**62 - 1, 2**62, 2**63, 2**64, -1, 0.5, 1e9, 1e300, float("nan"), None, "0"),
)
_DATA = (b"", b"a", bytes(3000), memoryview(bytes(70_000)), bytearray(9), "text", None)
_HOSTS = ("192.0.2.1", "192.0.2.2", "::1", "fe80::1%eth0", "", "host", "1.2.3.4%x")

#: Calls, and the kinds of their arguments: h handle, n number, d and o data, p pieces,
#: a host, r received datagrams.
_CALLS = (
    *(("open", "h"), ("write", "hnp"), ("write", "hnp"), ("read", "hnn")),
    *(("read", "hnn"), ("finish", "hn"), ("reset", "hnn"), ("stop", "hnn")),
    *(("poll", "hn"), ("poll", "hn"), ("close", "hnnd"), ("ping", "h")),
    *(("moved", "hn"), ("setWindow", "hn"), ("certificate", "h"), ("alpn", "h")),
    *(("address", "h"), ("stats", "h"), ("forget", "h"), ("connect", "nanoao")),
    *(("accept", "nn"), ("retry", "n"), ("refuse", "n"), ("ignore", "n")),
    ("receive", "nr"),
)


class Script:
    """
    The bytes of an input, read as choices.
    """

    def __init__(self, data: bytes) -> None:
        self._bytes: Iterator[int] = iter(data)
        self.over = False

    def number(self) -> int:
        """
        Return the next byte; 0 after the end.
        """
        value = next(self._bytes, None)
        self.over = self.over or value is None
        return value or 0

    def of(self, choices: tuple[Any, ...]) -> Any:
        """
        Choose one.
        """
        return choices[self.number() % len(choices)]


class _Attack:
    """
    Two endpoints, and what an input does to them.
    """

    def __init__(self, backend: IQuicBackend, data: bytes) -> None:
        self.script = Script(data)
        self.backend = backend
        settings = {"maxStreams": 8, "streamWindow": 20_000}
        self.pair = QuicPair(backend, None, settings, settings)
        self.pair.carry = self._carry
        self._keep: list[bytes] = []

    def run(self) -> None:
        """
        Play the script.
        """
        self.pair.connect()
        for _ in range(200):
            if self.script.over:
                break
            end = self.script.of((self.pair.dialer, self.pair.listener))
            self._call(end)
            if self.script.number() % 4 == 0:
                self._rest()
        self._rest()
        for each in (self.pair.dialer, self.pair.listener):
            for *_, text in each.named(QuicEvent.LOST):
                assert "panic" not in text, text

    def _rest(self) -> None:
        """
        Carry datagrams, if both handles are still there.
        """
        try:
            self.pair.run(20)
        except KeyError:
            self.pair.dialer.over = self.pair.listener.over = True

    def _call(self, end: End) -> None:
        name, kinds = self.script.of(_CALLS)
        arguments = [self._argument(end, kind) for kind in kinds]
        method: Any = getattr(end.endpoint, name)
        with suppress(*_ALLOWED):
            method(*arguments)

    def _argument(self, end: End, kind: str) -> Any:
        script = self.script
        if kind == "h" and script.number() % 8:
            return end.handle
        match kind:
            case "h" | "n":
                return script.of(_NUMBERS)
            case "p":
                return [script.of(_DATA) for _ in range(script.number() % 4)]
            case "a":
                return script.of(_HOSTS)
            case "r":
                return [self._received() for _ in range(script.number() % 4)]
            case _:
                return script.of(_DATA)

    def _received(self) -> tuple[Any, ...]:
        script = self.script
        data = self._keep[script.number() % len(self._keep)] if self._keep else b""
        return (
            data if script.number() % 4 else script.of(_DATA),
            script.of(_HOSTS),
            script.of(_NUMBERS),
            script.of(_NUMBERS),
            script.of(_NUMBERS),
        )

    def _carry(self, datagram: SentDatagram, end: End) -> list[SentDatagram]:
        """
        Carry a datagram, most often unchanged.
        """
        self._keep[8:] = [datagram.data]
        choice = self.script.number()
        data = datagram.data
        match choice:
            case 250:
                return []
            case 251:
                return [datagram, datagram]
            case 252:
                return [datagram._replace(data=data[: self.script.number() * 5])]
            case 253:
                place = self.script.number() * len(data) // 256
                changed = bytearray(data)
                changed[place] ^= self.script.number() or 1
                return [datagram._replace(data=bytes(changed))]
            case 254:
                return [datagram._replace(segment=self.script.number())]
            case 255:
                return [datagram._replace(data=data + self._keep[0])]
        return [datagram]

    def works(self) -> None:
        """
        Check that the endpoint of the listener serves another dialer.
        """
        pair = QuicPair(self.backend)
        pair.listener.endpoint = self.pair.listener.endpoint
        pair.dialer.host = "198.51.100.7"
        pair.now = self.pair.now
        pair.dial()
        pair.run()
        assert pair.dialer.named(QuicEvent.CONFIRMED), pair.dialer.events


@target
def nativeCalls(data: bytes) -> None:
    """
    Hostile calls and datagrams end at most the connection that they concern.
    """
    if _NATIVE is None:
        return
    attack = _Attack(_NATIVE.NativeBackend(), data)
    attack.run()
    # A handshake takes as long as the rest of an input.
    if data[:1] < b"\x40":
        attack.works()
    receive = attack.pair.listener.endpoint.receive
    receive(1e9, [ReceivedDatagram(data, "192.0.2.9", 9)])
