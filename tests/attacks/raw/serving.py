# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that the other peer opens, and the answers to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tests.attacks.raw import multistream
from tests.attacks.raw.pipe import Ended, Pipe
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import DATA, FIN, PING, SYN, Session, Stream, frame

__all__ = ["Handler", "Incoming", "identified", "receive", "serve"]

#: Answers a stream.
Handler = Callable[[Stream], None]


class Incoming(Stream):
    """
    A stream of the peer.
    """

    def __init__(self, session: Session, stream: int, data: bytes) -> None:
        super().__init__(session, stream)
        self._buffer = data


def receive(pipe: Pipe) -> bytes:
    """
    Receive a message with its length.
    """
    length = shift = 0
    while True:
        byte = pipe.exactly(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return pipe.exactly(length)


def identified(protocols: list[str], **others: int | bytes) -> Handler:
    """
    Return what answers identify.

    @param others: further fields, as C{f4=...}.
    """
    message = b"".join(field(3, each.encode()) for each in protocols)
    message += b"".join(field(int(name[1:]), value) for name, value in others.items())

    def answer(stream: Stream) -> None:
        stream.send(delimited(message))
        stream.finish()

    return answer


def serve(session: Session, handlers: Mapping[str, Handler], seconds: float) -> str:
    """
    Answer the streams of the peer for some time, or until it ends the session; those of
    other protocols are refused.

    @param handlers: the answers by protocol.
    @return: how it ended: C{"silent"} when the time is over.
    """
    deadline = time.monotonic() + seconds
    heard: dict[int, bytes] = {}
    proposals = {
        multistream.HEADER + multistream.message(each): each for each in handlers
    }

    def answer(stream: int, data: bytes) -> None:
        for proposal, protocol in proposals.items():
            if data.startswith(proposal):
                del heard[stream]
                session.send(frame(DATA, 0, stream, body=proposal))
                handlers[protocol](Incoming(session, stream, data[len(proposal) :]))
                return
        if not any(each.startswith(data) for each in proposals):
            del heard[stream]
            refusal = multistream.HEADER + multistream.NA
            session.send(frame(DATA, FIN, stream, body=refusal))

    while True:
        try:
            got = session.until(
                lambda each: (
                    each.kind != PING and bool(each.flags & SYN or each.stream in heard)
                ),
                deadline - time.monotonic(),
            )
            heard[got.stream] = heard.get(got.stream, b"") + got.body
            if got.body:
                answer(got.stream, heard[got.stream])
        except Ended as end:
            if end.how != "reset" or time.monotonic() > deadline:
                return end.how
            if not _alive(session):
                return end.how


def _alive(session: Session) -> bool:
    """
    Check whether only a stream was reset.
    """
    try:
        session.synchronize()
    except Ended:
        return False
    return True
