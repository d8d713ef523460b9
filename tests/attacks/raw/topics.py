# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A raw peer of topics: what it says on its stream, and what the node says on its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.attacks.raw.identity import Identity
from tests.attacks.raw.multistream import HEADER, NA, message
from tests.attacks.raw.peer import Peer
from tests.attacks.raw.pipe import Ended, Pipe
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.raw.yamux import (
    DATA,
    FIN,
    PROTOCOL_ID,
    RST,
    SYN,
    WINDOW,
    Frame,
    Session,
    frame,
)

__all__ = [
    "CONTROL",
    "EXTENSIONS",
    "GOSSIPSUB",
    "GRAFT",
    "HAVE",
    "MESSAGE",
    "PRUNE",
    "SUBSCRIPTION",
    "TOPIC",
    "UNWANTED",
    "WANT",
    "Member",
    "control",
    "pruned",
    "signed",
    "subscription",
]

GOSSIPSUB = "/meshsub/1.3.0"

TOPIC = b"news"

# The fields of an RPC, and of its control.
SUBSCRIPTION, MESSAGE, CONTROL = 1, 2, 3
HAVE, WANT, GRAFT, PRUNE, UNWANTED, EXTENSIONS = range(1, 7)

_PROPOSAL = HEADER + message(GOSSIPSUB)


def subscription(topic: bytes, on: int = 1) -> bytes:
    """
    Return the content of an RPC with a subscription.
    """
    return field(SUBSCRIPTION, field(1, on) + field(2, topic))


def control(kind: int, content: bytes) -> bytes:
    """
    Return an RPC with control of one kind.
    """
    return delimited(field(CONTROL, field(kind, content)))


def pruned(topic: bytes, seconds: int, peers: bytes = b"") -> bytes:
    """
    Return an RPC with a prune.

    @param peers: the fields of the recommended peers.
    """
    return control(PRUNE, field(1, topic) + peers + field(3, seconds))


def signed(
    author: Identity,
    data: bytes,
    number: int,
    right: bool = True,
    topic: bytes = TOPIC,
    key: bytes = b"",
) -> bytes:
    """
    Return an RPC with a message.

    @param right: whether its signature is right.
    @param key: the field of its key.
    """
    content = field(1, author.peerID) + field(2, data)
    content += field(3, number.to_bytes(8, "big")) + field(4, topic)
    signature = author.sign(b"libp2p-pubsub:" + content)
    if not right:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return delimited(field(MESSAGE, content + field(5, signature) + key))


class _Session(Session):
    """
    A session that takes the streams of topics that the node opens, and refuses others.

    @ivar said: the bytes that the node has said on the last one.
    @ivar opened: the number of these streams.
    @ivar ended: the number of those that the node has reset.
    @ivar reads: whether the node gets credit for further bytes.
    @ivar resets: whether each stream is reset at once.
    """

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(pipe)
        self.said = b""
        self.opened = self.ended = 0
        self.reads, self.refuses = True, False
        self._taken = 0
        self._heard: dict[int, bytes] = {}

    def read(self) -> Frame:
        """
        Receive a frame.
        """
        got = super().read()
        if got.stream % 2 == 0 and got.kind in (DATA, WINDOW):
            self._take(got)
        return got

    def _take(self, got: Frame) -> None:
        if got.flags & SYN:
            self._heard[got.stream] = b""
        if got.stream in self._heard:
            self._heard[got.stream] += got.body
            self._answer(got.stream)
        elif got.stream == self._taken:
            self.said += got.body
            self.ended += bool(got.flags & RST)
        if got.body and self.reads:
            self.send(frame(WINDOW, 0, got.stream, len(got.body)))

    def _answer(self, stream: int) -> None:
        data = self._heard[stream]
        if data.startswith(_PROPOSAL):
            del self._heard[stream]
            self.opened += 1
            self._taken, self.said = stream, data[len(_PROPOSAL) :]
            if self.refuses:
                self.send(frame(WINDOW, RST, stream, 0))
            else:
                self.send(frame(DATA, 0, stream, body=_PROPOSAL))
        elif not _PROPOSAL.startswith(data):
            del self._heard[stream]
            self.send(frame(DATA, FIN, stream, body=HEADER + NA))


class Member:
    """
    A raw peer that has subscribed to topics of the node.

    @ivar identity: who it is.
    @ivar session: its session.
    """

    def __init__(
        self,
        address: tuple[str, int],
        identity: Identity | None = None,
        source: str | None = None,
        topics: tuple[bytes, ...] = (TOPIC,),
        refuses: bool = False,
    ) -> None:
        """
        Connect, and subscribe.

        @param refuses: whether the streams of the node are reset at once.
        """
        peer = Peer(identity, source)
        self.identity = peer.identity
        secure = peer.secure(address)
        peer.multiplex(secure, PROTOCOL_ID)
        self.session = _Session(secure)
        self.session.refuses = refuses
        self._stream = self.session.open(GOSSIPSUB)
        self.say(delimited(b"".join(map(subscription, topics))))

    def say(self, *rpcs: bytes) -> None:
        """
        Send RPCs, as fast as the node reads them.
        """
        data = b"".join(rpcs)
        while data:
            self.until(lambda: self._stream.credit > 0)
            room = self._stream.credit
            self._stream.send(data[:room])
            data = data[room:]

    def rpcs(self) -> Iterator[bytes]:
        """
        Remove and return the RPCs that the node has sent.
        """
        while True:
            data = self.session.said
            size = shift = place = 0
            while place < len(data):
                byte = data[place]
                size |= (byte & 0x7F) << shift
                place, shift = place + 1, shift + 7
                if byte < 0x80:
                    break
            else:
                return
            if len(data) < place + size:
                return
            self.session.said = data[place + size :]
            yield data[place : place + size]

    def heard(self, kind: int) -> list[bytes]:
        """
        Remove the RPCs of the node, and return the control of a kind.
        """
        return [
            bytes(inner)
            for rpc in self.rpcs()
            for number, content in fields(rpc)
            if number == CONTROL and isinstance(content, bytes)
            for name, inner in fields(content)
            if name == kind and isinstance(inner, bytes)
        ]

    def messages(self) -> list[bytes]:
        """
        Remove the RPCs of the node, and return the data of their messages.
        """
        return [
            bytes(value)
            for rpc in self.rpcs()
            for number, content in fields(rpc)
            if number == MESSAGE and isinstance(content, bytes)
            for name, value in fields(content)
            if name == 2 and isinstance(value, bytes)
        ]

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> bool:
        """
        Read from the node until something holds.

        @return: whether it did in that time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                self.session.until(lambda _: True, min(left, 0.2))
            except Ended as end:
                if end.how != "silent":
                    raise
        return True

    def close(self) -> None:
        """
        Hang up.
        """
        self.session.close()
