# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer that connects, claims to serve a protocol, and answers as it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from tests.attacks.raw import multistream
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import IDENTIFY, PING, Peer
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import ACK, DATA, FIN, RST, SYN, WINDOW, frame

__all__ = ["Server"]


class Server:
    """
    A server of one protocol, in a thread of its own.

    @ivar identity: who it is.
    @ivar asked: fires when the first request has come.
    @ivar requests: the number of requests.
    """

    def __init__(
        self,
        address: tuple[str, int],
        protocol: str,
        answer: Callable[[bytes], bytes | None],
        source: str | None = None,
        identity: Identity | None = None,
        listens: tuple[bytes, ...] = (),
    ) -> None:
        """
        Connect, and begin to serve.

        @param answer: returns the bytes that answer a request; None for a reset.
        @param listens: the addresses that it states.
        """
        peer = Peer(identity, source)
        self.identity = peer.identity
        self.asked = Event()
        self.requests = 0
        self._protocol = protocol
        self._answer = answer
        self._session = peer.dial(address)
        served = (IDENTIFY, PING, protocol)
        self._description = (
            field(1, self.identity.publicKey)
            + b"".join(field(2, each) for each in listens)
            + b"".join(field(3, each.encode()) for each in served)
        )
        self._buffers: dict[int, bytes] = {}
        self._spoken: dict[int, str] = {}
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """
        Hang up.
        """
        self._session.close()
        self._thread.join()

    def _serve(self) -> None:
        """
        Read all frames, until the end.
        """
        try:
            self._session.pipe.patience(600.0)
            while True:
                got = self._session.read()
                if got.flags & SYN and got.kind in (DATA, WINDOW):
                    self._buffers[got.stream] = b""
                    self._session.send(frame(WINDOW, ACK, got.stream, 0))
                if got.body and got.stream in self._buffers:
                    self._session.send(frame(WINDOW, 0, got.stream, len(got.body)))
                    self._buffers[got.stream] += got.body
                    self._take(got.stream)
                if got.flags & (FIN | RST):
                    self._buffers.pop(got.stream, None)
                    self._spoken.pop(got.stream, None)
        except (Ended, OSError):
            return

    def _take(self, stream: int) -> None:
        """
        Handle the complete messages of a stream.
        """
        while message := self._next(stream):
            spoken = self._spoken.get(stream)
            if spoken is None:
                self._negotiate(stream, message.decode().rstrip("\n"))
                continue
            self.requests += 1
            answer = self._answer(message)
            if answer is None:
                self._session.send(frame(WINDOW, RST, stream, 0))
            else:
                self._send(stream, answer)
            self.asked.set()

    def _next(self, stream: int) -> bytes:
        """
        Return the next complete message; nothing without one.
        """
        data = self._buffers.get(stream, b"")
        if self._spoken.get(stream) == PING:
            self._send(stream, data)
            self._buffers[stream] = b""
            return b""
        size = shift = 0
        for position, byte in enumerate(data):
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                end = position + 1 + size
                if len(data) < end:
                    return b""
                self._buffers[stream] = data[end:]
                return data[position + 1 : end]
        return b""

    def _negotiate(self, stream: int, text: str) -> None:
        if text == "/multistream/1.0.0":
            self._send(stream, multistream.HEADER)
        elif text in (IDENTIFY, PING, self._protocol):
            self._spoken[stream] = text
            self._send(stream, multistream.message(text))
            if text == IDENTIFY:
                self._send(stream, delimited(self._description))
                self._session.send(frame(WINDOW, FIN, stream, 0))
        else:
            self._send(stream, multistream.NA)

    def _send(self, stream: int, data: bytes) -> None:
        for start in range(0, len(data), 32768):
            piece = data[start : start + 32768]
            self._session.send(frame(DATA, 0, stream, body=piece))
