# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
multistream-select: who proposes, and who answers.
"""

from __future__ import annotations

from tests.attacks.raw.pipe import Pipe
from tests.attacks.raw.wire import delimited

__all__ = ["HEADER", "NA", "Refused", "answer", "choose", "message", "receive"]


def message(text: str) -> bytes:
    """
    Encode a message.
    """
    return delimited(text.encode() + b"\n")


HEADER = message("/multistream/1.0.0")
NA = message("na")


class Refused(Exception):
    """
    The peer does not serve it.
    """


def receive(pipe: Pipe) -> str:
    """
    Receive a message.
    """
    return pipe.message().decode().rstrip("\n")


def choose(pipe: Pipe, protocol: str) -> None:
    """
    Propose a protocol, and nothing else.

    @raise Refused: the peer answers otherwise.
    @raise Ended: it does not answer.
    """
    pipe.send(HEADER + message(protocol))
    said = receive(pipe)
    if said == "/multistream/1.0.0":
        said = receive(pipe)
    if said != protocol:
        raise Refused(f"{protocol}: {said}")


def answer(pipe: Pipe, *protocols: str) -> str:
    """
    Agree on what the peer proposes, if it is one of these.

    @return: which.
    """
    said = receive(pipe)
    pipe.send(HEADER)
    while True:
        if said != "/multistream/1.0.0":
            pipe.send(message(said) if said in protocols else NA)
        if said in protocols:
            return said
        said = receive(pipe)
