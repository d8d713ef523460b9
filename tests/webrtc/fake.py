# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A machine of DTLS and SCTP that does what a test says.
"""

from __future__ import annotations

from collections import defaultdict

__all__ = ["FakeMachine"]


class FakeMachine:
    """
    A connection without a peer.

    @ivar received: the datagrams.
    @ivar written: the messages, by channel.
    @ivar unread: the messages to read, by channel.
    @ivar shutChannels: the channels that were closed.
    @ivar full: the bytes that wait on each channel.
    @ivar events: the next events.
    """

    def __init__(self, now: float = 0.0, dialed: bool = False) -> None:
        self.dialed = dialed
        self.received: list[bytes] = []
        self.written: dict[int, list[bytes]] = defaultdict(list)
        self.unread: dict[int, list[bytes]] = defaultdict(list)
        self.text: set[int] = set()
        self.shutChannels: list[int] = []
        self.full = 0
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
        return self.full

    def buffered(self, channel: int) -> int | None:
        """
        Return what the test has prepared.
        """
        return self.full

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
        Return anything.
        """
        return b"certificate"
