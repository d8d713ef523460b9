# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that the other peer opens, and the answers to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread

from tests.attacks.raw import multistream
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import IDENTIFY, Peer
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import (
    DATA,
    FIN,
    RST,
    SYN,
    WINDOW,
    Frame,
    Session,
    Stream,
    frame,
)

__all__ = ["Handler", "Incoming", "Server", "accept", "identified", "serve"]

#: Answers a stream.
Handler = Callable[[Stream], None]


class _Arrivals:
    """
    The streams that the peer opens; those of other protocols are refused.
    """

    def __init__(self, session: Session, protocols: Collection[str]) -> None:
        self._session = session
        self._proposals = {
            multistream.HEADER + multistream.message(each): each for each in protocols
        }
        self._heard: dict[int, bytes] = {}

    def next(self, seconds: float) -> tuple[str, Incoming]:
        """
        Wait for a stream.

        @return: its protocol, and the stream.
        @raise Ended: none comes in that time.
        """
        deadline = time.monotonic() + seconds
        while True:
            for stream in list(self._heard):
                protocol = self._answer(stream)
                if protocol is not None:
                    data = self._heard.pop(stream)
                    return protocol, Incoming(self._session, stream, data, self)
            self.take(self._session.until(lambda _: True, deadline - time.monotonic()))

    def take(self, got: Frame) -> None:
        """
        Keep what is said on a stream that was not answered yet.
        """
        if got.kind not in (DATA, WINDOW):
            return
        if got.flags & SYN:
            self._heard[got.stream] = b""
        if got.flags & RST:
            self._heard.pop(got.stream, None)
        elif got.stream in self._heard:
            self._heard[got.stream] += got.body

    def _answer(self, stream: int) -> str | None:
        """
        Agree on a proposal, or refuse it.

        @return: the protocol; None if there is none, or not yet.
        """
        data = self._heard[stream]
        for proposal, protocol in self._proposals.items():
            if data.startswith(proposal):
                self._heard[stream] = data[len(proposal) :]
                self._session.send(frame(DATA, 0, stream, body=proposal))
                return protocol
        if not any(each.startswith(data) for each in self._proposals):
            del self._heard[stream]
            refusal = multistream.HEADER + multistream.NA
            self._session.send(frame(DATA, FIN, stream, body=refusal))
        return None


class Incoming(Stream):
    """
    A stream of the peer.
    """

    def __init__(
        self, session: Session, stream: int, data: bytes, others: _Arrivals
    ) -> None:
        super().__init__(session, stream)
        self._buffer = data
        self._others = others

    def other(self, got: Frame) -> None:
        """
        Keep a frame of another stream.
        """
        self._others.take(got)


def accept(session: Session, protocol: str, seconds: float = 20.0) -> Stream:
    """
    Wait for a stream of the peer with a protocol; others are refused.

    @raise Ended: none comes.
    """
    return _Arrivals(session, [protocol]).next(seconds)[1]


def identified(
    protocols: Sequence[str], listens: Sequence[bytes] = (), **others: int | bytes
) -> Handler:
    """
    Return a handler that answers identify.

    @param listens: the addresses at which we claim to listen.
    @param others: further fields, as C{f4=...}.
    """
    message = b"".join(field(2, each) for each in listens)
    message += b"".join(field(3, each.encode()) for each in protocols)
    message += b"".join(field(int(name[1:]), value) for name, value in others.items())

    def answer(stream: Stream) -> None:
        stream.send(delimited(message))
        stream.finish()

    return answer


def serve(session: Session, handlers: Mapping[str, Handler], seconds: float) -> str:
    """
    Answer the streams of the peer, one after the other, for some time, or until it ends
    the session; those of other protocols are refused.

    @param handlers: the answers by protocol.
    @return: how it ended: C{"silent"} when the time is over.
    """
    deadline = time.monotonic() + seconds
    arrivals = _Arrivals(session, handlers)
    while True:
        try:
            protocol, stream = arrivals.next(deadline - time.monotonic())
        except Ended as end:
            return end.how
        try:
            handlers[protocol](stream)
        except Ended as end:
            if stream.id not in session.resets:
                return end.how


class Server:
    """
    A peer that connects, claims to serve a protocol, and answers each request as it
    likes, in a thread of its own.

    @ivar identity: who it is.
    @ivar asked: fires when the first request has come.
    @ivar requests: the number of requests.
    @ivar thread: the thread.
    """

    def __init__(
        self,
        address: tuple[str, int],
        protocol: str,
        answer: Callable[[bytes], bytes | None],
        source: str,
        seconds: float = 600.0,
        identity: Identity | None = None,
        **others: int | bytes,
    ) -> None:
        """
        Connect, and begin to serve.

        @param answer: returns the bytes that answer a request; None for a reset.
        @param source: its address.
        @param seconds: how long it serves.
        @param identity: who it is; somebody new by default.
        @param others: further fields of identify, as C{f4=...}.
        """
        self.identity = identity or Identity()
        self.asked = Event()
        self.requests = 0
        self._answer = answer
        self._session = Peer(self.identity, source).dial(address)
        about = identified([protocol], (), f1=self.identity.publicKey, **others)
        handlers = {IDENTIFY: about, protocol: self._respond}
        self.thread = Thread(target=self._serve, args=(handlers, seconds), daemon=True)
        self.thread.start()

    def close(self) -> None:
        """
        Hang up.
        """
        self._session.close()
        self.thread.join()

    def _serve(self, handlers: Mapping[str, Handler], seconds: float) -> None:
        with suppress(Ended):
            serve(self._session, handlers, seconds)
        self._session.close()

    def _respond(self, stream: Stream) -> None:
        # The peer may take its request back.
        with suppress(Ended):
            request = stream.message()
            self.requests += 1
            answer = self._answer(request)
            if answer is None:
                stream.close()
            else:
                stream.send(answer)
                stream.finish()
        self.asked.set()
