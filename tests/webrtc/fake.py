# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A machine of DTLS and SCTP that does what a test says.
"""

from __future__ import annotations

from collections import defaultdict

from twisted_libp2p.webrtc.native import Hello

__all__ = ["COOKIE", "FakeMachine", "FakeMachines"]

#: The end of a hello with a cookie.
COOKIE = b"cookie"


class FakeMachine:
    """
    A connection without a peer.

    @ivar received: the datagrams.
    @ivar written: the messages, by channel.
    @ivar unread: the messages to read, by channel.
    @ivar shutChannels: the channels that were closed.
    @ivar waiting: the bytes that wait on each channel.
    @ivar crowded: whether too many bytes of all wait.
    @ivar events: the next events.
    @ivar theirs: the certificate of the peer.
    """

    theirs = b"certificate"

    def __init__(self, now: float = 0.0, dialed: bool = False) -> None:
        self.dialed = dialed
        self.received: list[bytes] = []
        self.written: dict[int, list[bytes]] = defaultdict(list)
        self.unread: dict[int, list[bytes]] = defaultdict(list)
        self.text: set[int] = set()
        self.shutChannels: list[int] = []
        self.waiting = 0
        self.crowded = False
        self.out: list[bytes] = []
        self.events: list[tuple[object, ...]] = []
        self.over = False

    def receive(self, now: float, data: bytes) -> None:
        """
        Keep a datagram.
        """
        self.received.append(data)

    def poll(
        self, now: float
    ) -> tuple[list[bytes], list[tuple[object, ...]], float | None, bool]:
        """
        Return what the test has prepared.
        """
        out, self.out = self.out, []
        events, self.events = self.events, []
        return out, events, None, self.over

    def open(self, channel: int) -> bool:
        """
        Open each channel.
        """
        return True

    def write(self, channel: int, message: bytes) -> int | None:
        """
        Keep a message.
        """
        self.written[channel].append(bytes(message))
        return self.waiting

    def full(self) -> bool:
        """
        Return what the test has prepared.
        """
        return self.crowded

    def buffered(self, channel: int) -> int | None:
        """
        Return what the test has prepared.
        """
        return self.waiting

    def read(self, channel: int, maximum: int) -> tuple[bytes, bool]:
        """
        Return messages, joined.
        """
        found = bytearray()
        waiting = self.unread[channel]
        while waiting and len(found) < maximum:
            found += waiting.pop(0)
        return bytes(found), channel in self.text

    def shut(self, channel: int) -> None:
        """
        Note a closed channel.
        """
        self.shutChannels.append(channel)

    def close(self, now: float) -> None:
        """
        End.
        """
        self.over = True

    def certificate(self) -> bytes | None:
        """
        Return what the test has prepared.
        """
        return self.theirs


class FakeMachines:
    """
    Makes such machines.

    @ivar made: all of them.
    """

    def __init__(self) -> None:
        self.made: list[FakeMachine] = []

    def make(self, now: float, dialed: bool) -> FakeMachine:
        """
        Make a machine.
        """
        self.made.append(FakeMachine(now, dialed))
        return self.made[-1]

    def judge(self, now: float, source: bytes, hello: bytes) -> Hello:
        """
        Find the cookie, which is the same for everybody.
        """
        if COOKIE in hello:
            return Hello.PROVEN if hello.endswith(COOKIE) else Hello.FALSE
        return Hello.FIRST

    def ask(self, now: float, source: bytes, hello: bytes) -> bytes | None:
        """
        Return the cookie.
        """
        return COOKIE

    def resume(self, now: float, source: bytes, hello: bytes) -> FakeMachine | None:
        """
        Make a machine that has got the hello.
        """
        machine = self.make(now, False)
        machine.receive(now, hello)
        return machine
