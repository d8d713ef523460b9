# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the messages of AutoNAT, and the streams that carry them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.fuzz.target import sameHoweverCut, target
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.reachability.answering import AnsweringStream
from twisted_libp2p.reachability.asking import MAX_DATA, AskingStream
from twisted_libp2p.reachability.messages import (
    DIAL_REQUEST,
    MAX_ADDRESSES,
    Answer1,
    DialRequest,
    Request1,
    nonceOf,
    readAny,
    statusOfDialBack,
)
from twisted_libp2p.testing.host import HostDouble, StreamDouble

__all__ = [
    "autonatAnswers",
    "autonatMessages",
    "autonatOldMessages",
    "autonatRequests",
]

_HOST = HostDouble()
_OWN = Multiaddr("/ip4/8.8.8.8/tcp/4001")


@target
def autonatMessages(data: bytes) -> None:
    """
    A message of AutoNAT v2 is a violation, or read again as it was written.
    """
    for read in (nonceOf, statusOfDialBack):
        with suppress(ProtocolViolation):
            assert read(data) >= 0
    try:
        message = readAny(data)
    except ProtocolViolation:
        return
    if isinstance(message, DialRequest):
        assert len(message.addresses) <= MAX_ADDRESSES
        if None in message.addresses:
            return
    assert readAny(message.toBytes()) == message


@target
def autonatOldMessages(data: bytes) -> None:
    """
    A message of AutoNAT v1 is a violation, or read again as it was written.
    """
    for kind in (Request1, Answer1):
        try:
            message = kind.fromBytes(data)
        except ProtocolViolation:
            continue
        assert kind.fromBytes(message.toBytes()) == message


def _stream() -> StreamDouble:
    return StreamDouble(_HOST.meet(None, "/ip4/8.8.8.8/tcp/50000"), DIAL_REQUEST)


@target
def autonatRequests(data: bytes) -> None:
    """
    A server takes one request, and the demanded data, however they are cut.
    """

    def run(pieces: Iterator[bytes]) -> object:
        asked: list[DialRequest] = []
        paid: list[object] = []

        def serve(stream: AnsweringStream, request: DialRequest) -> Deferred[None]:
            asked.append(request)
            return stream.demand(0, 1000).addCallback(paid.append)

        deadlines = Deadlines(Clock(), 15.0)
        answering = AnsweringStream(deadlines, lambda _: True, serve, lambda _: None)
        stream = _stream()
        answering.makeConnection(stream)
        for piece in pieces:
            answering.dataReceived(piece)
        deadlines.stop()
        return asked, paid, stream.value(), stream.resetCode

    sameHoweverCut(data, run)


@target
def autonatAnswers(data: bytes) -> None:
    """
    A client takes the messages of a server, however they are cut, and sends no more
    data than it may.
    """

    def run(pieces: Iterator[bytes]) -> object:
        found: list[object] = []
        deadlines = Deadlines(Clock(), 15.0)
        asking = AskingStream(deadlines, DialRequest((_OWN,), 1), lambda: True)
        asking.result.addBoth(lambda result: found.append(str(result)[:60]))
        stream = _stream()
        asking.makeConnection(stream)
        for piece in pieces:
            asking.dataReceived(piece)
        deadlines.stop()
        assert len(stream.value()) < MAX_DATA * 1.1
        return found, len(stream.value()), stream.resetCode

    sameHoweverCut(data, run)
