# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The machines of rust-libp2p, in a process beside this one.

They are polled over a transport in memory, and so the same steps always have the
same outcome; C{tests/interop/peers/machines} is their source, and tells what goes
over the pipe.
"""

from __future__ import annotations

import atexit
import subprocess
from collections.abc import Iterable
from functools import cache
from itertools import chain
from struct import Struct
from typing import NamedTuple

from tests.interop.peers.build import build

__all__ = ["Machines", "Record", "machines"]

_HEAD = Struct("!cII")


class Record(NamedTuple):
    """
    One thing to do, or one that has come of it.

    @ivar kind: what it is.
    @ivar number: of which stream, or how.
    @ivar payload: its bytes.
    """

    kind: bytes
    number: int = 0
    payload: bytes = b""


_END = Record(b".")


class Machines:
    """
    A process with the machines: it is given one run after the other.
    """

    def __init__(self, command: list[str]) -> None:
        # Most runs fit into such a pipe as a whole, and so neither side waits.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=1 << 20
        )

    def run(self, first: Record, steps: Iterable[Record]) -> list[list[Record]]:
        """
        Run one machine from its beginning.

        @param first: which machine, and how it is made.
        @param steps: what is done to it.
        @return: what has come of each step.
        """
        steps = list(steps)
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None
        into.write(b"".join(chain.from_iterable(map(_pack, (first, *steps, _END)))))
        into.flush()
        outcomes: list[list[Record]] = []
        for _ in steps:
            outcome: list[Record] = []
            while (record := self._read()) != _END:
                outcome.append(record)
            outcomes.append(outcome)
        return outcomes

    def close(self) -> None:
        """
        Let the process end.
        """
        self._process.communicate()

    def _read(self) -> Record:
        out = self._process.stdout
        assert out is not None
        head = out.read(_HEAD.size)
        assert len(head) == _HEAD.size, "the machines are gone"
        kind, number, size = _HEAD.unpack(head)
        return Record(kind, number, out.read(size) if size else b"")


def _pack(record: Record) -> tuple[bytes, bytes]:
    kind, number, payload = record
    return _HEAD.pack(kind, number, len(payload)), payload


@cache
def machines() -> Machines:
    """
    Give the machines, which live as long as this process.
    """
    built = Machines(build("machines"))
    atexit.register(built.close)
    return built
