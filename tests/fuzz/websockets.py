# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the opening handshake of a WebSocket, on both sides, and the frames after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.fuzz.target import headed, sameHoweverCut, target
from tests.transport.websocket.frames import (
    ACCEPT,
    MASK,
    REQUEST,
    Recorder,
    answerTo,
    client,
    layer,
)
from twisted_libp2p.errors import RemoteError
from twisted_libp2p.transport.websocket.opening import (
    MAX_HEAD,
    ClientOpening,
    ServerOpening,
)

# The size of the bytes of our own that an answer may have besides the peer's.
_ANSWER = 1024


def _opened(opening: Any, pieces: Iterator[bytes]) -> tuple[object, ...]:
    """
    Feed an opening handshake.

    @return: whether frames follow, and what came after the handshake.
    """
    answer = b""
    for piece in pieces:
        answer += opening.receive(piece)
        if opening.done or opening.failure is not None:
            break
    assert len(opening._head) <= MAX_HEAD and len(answer) <= _ANSWER
    if not opening.done:
        return opening.failure is None, None
    if isinstance(opening, ServerOpening):
        assert b"Sec-WebSocket-Accept: " in answer
    return True, opening.trailing + b"".join(pieces)


@target
def webSocketRequests(data: bytes) -> None:
    """
    The side that answers a request.
    """
    sameHoweverCut(data, lambda pieces: _opened(ServerOpening(), pieces))


@target
def webSocketAnswers(data: bytes) -> None:
    """
    The side that has sent a request; of an input the right answer takes its key.
    """
    opening = client()
    right = answerTo(opening.start()).partition(b"Accept: ")[2][: len(ACCEPT)]
    key = opening.protocol.key

    def run(pieces: Iterator[bytes]) -> tuple[object, ...]:
        machine: ClientOpening = client()
        machine.protocol.key = key
        return _opened(machine, pieces)

    sameHoweverCut(data[:3] + data[3:].replace(ACCEPT, right), run)


def _read(server: bool, data: bytes) -> None:
    """
    Feed a layer with frames: what it delivers does not depend on how they are cut, and
    it ends once, for a reason that is typed.
    """

    def run(pieces: Iterator[bytes]) -> tuple[object, ...]:
        upper, transport = Recorder(), StringTransport()
        one = layer(Clock(), ServerOpening if server else client, upper)
        one.makeConnection(transport)
        first = REQUEST if server else answerTo(transport.value())
        one.dataReceived(first)
        for piece in pieces:
            one.dataReceived(piece)
        ended = one._reason is not None
        one.connectionLost(connectionDone)
        (reason,) = upper.reasons
        assert ended or reason.check(RemoteError), reason
        return upper.received, ended

    sameHoweverCut(data, run)


@target
def webSocketServers(data: bytes) -> None:
    """
    The frames of a client; of the first ones of an input the mask is right.
    """
    _read(True, headed(data, data[3:].replace(b"MASK", MASK)))


@target
def webSocketClients(data: bytes) -> None:
    """
    The frames of a server.
    """
    _read(False, data)
