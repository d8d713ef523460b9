# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The table of targets, and what they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

__all__ = [
    "DIFFERENTIAL",
    "TARGETS",
    "Machine",
    "Target",
    "cut",
    "differential",
    "headed",
    "sameHoweverCut",
    "target",
]

#: Takes bytes; raises if something is wrong.
Target = Callable[[bytes], None]

#: All targets, by name.
TARGETS: dict[str, Target] = {}

#: Those that compare with another implementation, and need it built.
DIFFERENTIAL: dict[str, Target] = {}

T = TypeVar("T")

#: How many bytes of an input say how the others are cut.
_HEAD = 3

#: After so many pieces they are twice as long, and so on: it is where a run begins to
#: be cut finely that matters, and a piece costs more than its bytes.
_FINE = 12


def target(function: Target) -> Target:
    """
    Put a target into the table.
    """
    TARGETS[function.__name__] = function
    return function


def differential(function: Target) -> Target:
    """
    Put a target into the table of those that need another implementation.
    """
    DIFFERENTIAL[function.__name__] = function
    return function


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """
    Let an input say itself how it is cut.

    @return: what is to be fed, whole and in pieces.
    """
    head, body = data[:_HEAD], data[_HEAD:]
    pieces: list[bytes] = []
    offset = 0
    if body and head[0] >> 6:
        # Begin in the midst of it.
        offset = len(body) * (head[0] >> 6) // 4
        pieces.append(body[:offset])
    while offset < len(body):
        size = head[len(pieces) % _HEAD] % 60 + 1 << len(pieces) // _FINE
        pieces.append(body[offset : offset + size])
        offset += size
    return body, pieces


def headed(data: bytes, body: bytes) -> bytes:
    """
    Let an input say how other bytes than its own are cut.

    @return: what L{cut} and L{sameHoweverCut} take.
    """
    return data[:_HEAD].ljust(_HEAD, b"\0") + body


def sameHoweverCut(data: bytes, run: Callable[[Iterator[bytes]], T]) -> T:
    """
    Run something with an input, whole and in pieces: the outcomes are equal.

    @param run: takes the pieces, and gives what came of them.
    @return: the outcome.
    """
    body, pieces = cut(data)
    whole = run(iter([body]))
    parts = run(iter(pieces)) if len(pieces) > 1 else whole
    if whole != parts:
        raise AssertionError(f"whole: {whole!r}; in pieces: {parts!r}")
    return whole


class Machine(Protocol):
    """
    What is fed with bytes, answers with bytes, and is done at some time.
    """

    @property
    def trailing(self) -> bytes:
        """
        What came behind the end.
        """

    def receive(self, data: bytes) -> bytes:
        """
        Take bytes, and answer.
        """


def drive(
    machine: Machine,
    pieces: Iterator[bytes],
    done: Callable[[Any], object],
    errors: type[Exception] | tuple[type[Exception], ...],
) -> tuple[object, ...]:
    """
    Feed a machine until it is done.

    @param done: tells what was agreed; None so far.
    @param errors: what it may raise.
    @return: what it has answered and agreed, and the rest; or its error.
    """
    answer = b""
    for piece in pieces:
        try:
            answer += machine.receive(piece)
        except errors as error:
            # What it had answered before that depends on when it was asked.
            return type(error), str(error)
        if done(machine) is not None:
            return answer, done(machine), machine.trailing + b"".join(pieces)
    return answer, None
