# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: the boundary of the native machines of WebRTC.

An input is read as a script: calls with arguments of any kind and number on two
connected ends, readings of the clock in any order, hellos for which there is no
connection, and datagrams between the ends that are changed, cut, lost, or come twice.
Whatever happens, a call raises nothing but the exceptions of wrong arguments, no
connection ends by a panic, and what waits to be read stays bounded.

Without the distribution C{twisted-libp2p-native} it does nothing: C{make native}.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from tests.fuzz.natives import Script
from tests.fuzz.target import target
from twisted_libp2p.identity import Identity
from twisted_libp2p.quic.webtransport.certificate import CertificateWindow
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.webrtc.native import (
    WINDOW,
    Connection,
    Machines,
    RtcEvent,
    connections,
    installed,
)

_ALLOWED = (OverflowError, TypeError, ValueError)

#: Arguments where a channel, a size or a time is wanted, and bytes.
_CHANNELS = (0, 1, 2, 3, 4, 65535, 65536, -1, None)
_SIZES = (0, 1, 100, 65536, 2**40, -1, 0.5)
_TIMES = (0.0, 1.0, 150.0, 1e9, 1e300, float("nan"), float("inf"), -5.0, None)
_DATA = (b"", b"a", bytes(3000), bytes(70_000), bytearray(9), "text", None)

#: Calls, and the kinds of their arguments: c channel, n size, t time, d data.
_CALLS = (
    *(("open", "c"), ("open", "c"), ("write", "cd"), ("write", "cd")),
    *(("buffered", "c"), ("full", ""), ("read", "cn"), ("read", "cn")),
    *(("shut", "c"), ("certificate", ""), ("poll", "t"), ("receive", "td")),
    ("close", "t"),
)
_OFFERS = ("judge", "ask", "resume")

#: The most datagrams that are carried between two calls.
_ROUNDS = 20


@cache
def _machines() -> Machines | None:
    if not installed():
        return None
    window = CertificateWindow(Identity.generate(), lambda: MOMENT)
    return connections(window.present())


class _Attack:
    """
    Two ends, and what an input does to them.
    """

    def __init__(self, machines: Machines, data: bytes) -> None:
        self.script = Script(data)
        self.machines = machines
        self.now = 100.0
        self.ends = [machines.make(self.now, each) for each in (True, False)]
        self.kept: list[bytes] = [data]
        self.waiting: list[list[bytes]] = [[], []]

    def run(self) -> None:
        """
        Play the script.
        """
        self.carry(honest=self.script.number() % 4 > 0)
        for _ in range(200):
            if self.script.over:
                break
            choice = self.script.number()
            if choice >= 240:
                self._offer()
            else:
                self._call(self.ends[choice % 2])
            if choice % 4 == 0:
                self.carry()
        self.carry(honest=True)

    def carry(self, honest: bool = False) -> None:
        """
        Carry datagrams.
        """
        for _ in range(_ROUNDS):
            self.now += 0.01
            for index, end in enumerate(self.ends):
                for each in self._poll(end):
                    for data in [each] if honest else self._changed(each):
                        self.ends[1 - index].receive(self.now, data)

    def _poll(self, end: Connection) -> list[bytes]:
        sent, events, _, _ = end.poll(self.now)
        for kind, *rest in events:
            assert kind != RtcEvent.LOST or "panic" not in str(rest[-1]), rest
        self.kept[1:] = [*self.kept[1:], *sent][-8:]
        return sent

    def _changed(self, data: bytes) -> list[bytes]:
        """
        Change a datagram, most often not at all.
        """
        script = self.script
        match script.number():
            case 250:
                return []
            case 251:
                return [data, data]
            case 252:
                return [data[: script.number() * 5]]
            case 253:
                place = script.number() * len(data) // 256
                changed = bytearray(data)
                changed[place] ^= script.number() or 1
                return [bytes(changed)]
            case 254:
                return [self._bytes()]
        return [data]

    def _bytes(self) -> bytes:
        return self.kept[self.script.number() % len(self.kept)]

    def _offer(self) -> None:
        """
        Give the listener a datagram of a peer without a connection.
        """
        call: Any = getattr(self.machines, self.script.of(_OFFERS))
        hello = self._bytes()
        if self.script.number() % 2:
            hello = hello[: self.script.number() * 5]
        with suppress(*_ALLOWED):
            made = call(self._time(), b"here", hello)
            if isinstance(made, bytes):
                assert len(made) <= len(hello)

    def _time(self) -> Any:
        return self.now if self.script.number() % 4 else self.script.of(_TIMES)

    def _call(self, end: Connection) -> None:
        name, kinds = self.script.of(_CALLS)
        choices = {"c": _CHANNELS, "n": _SIZES, "d": _DATA}
        arguments = [
            self._time() if kind == "t" else self.script.of(choices[kind])
            for kind in kinds
        ]
        method: Any = getattr(end, name)
        with suppress(*_ALLOWED):
            method(*arguments)

    def check(self) -> None:
        """
        Check that no more can be read than the window has room for.
        """
        for end in self.ends:
            unread = sum(len(end.read(each, 2 * WINDOW)[0]) for each in range(6))
            assert unread <= WINDOW + 65536, unread


@target
def webRtcCalls(data: bytes) -> None:
    """
    Hostile calls and datagrams end at most the connection that they concern.
    """
    machines = _machines()
    if machines is None:
        return
    attack = _Attack(machines, data)
    attack.run()
    attack.check()
