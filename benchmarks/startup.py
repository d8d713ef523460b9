# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How long it takes until something can be done: imports, and the start of a node.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from benchmarks.contenders import Contender
from benchmarks.failures import noted
from benchmarks.placement import fixed
from benchmarks.progress import Progress
from benchmarks.rows import Row
from tests.account import cpuSeconds
from tests.interop.process import PeerEnded

__all__ = ["NAME", "startUp"]

#: What the work is called.
NAME = "start-up"

#: Seconds in which a program is ready.
LIMIT = 60.0

READY = re.compile(rb"ready|listening on|peerId")


class _Watch(ProcessProtocol):
    """
    Waits for a word of a process.

    @ivar ready: fires when it is there.
    @ivar ended: fires when the process has ended.
    """

    transport: Any

    def __init__(self) -> None:
        self._told = b""
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        """
        See whether it is there.
        """
        self._told += data
        if not self.ready.called and READY.search(self._told):
            self.ready.callback(None)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """
        It does not come any more.
        """
        self.ended.callback(None)
        if not self.ready.called:
            said = self._told.decode(errors="replace")
            self.ready.errback(PeerEnded(f"{reason.getErrorMessage()} {said}"))


def _environment() -> dict[str, str]:
    """
    Return the environment of the measured programs.

    @return: the environment of a user, for whom Python keeps bytecode from the first
        start on.
    """
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


async def _start(reactor: Any, command: Sequence[str]) -> tuple[float, float]:
    """
    Start a program.

    @return: the milliseconds until it was ready, on the wall and of CPU.
    """
    watch = _Watch()
    argv = [*fixed(), *command]
    begin = time.perf_counter()
    reactor.spawnProcess(watch, argv[0], argv, env=_environment())
    try:
        await watch.ready.addTimeout(LIMIT, reactor)
        wall = time.perf_counter() - begin
        cpu = cpuSeconds(watch.transport.pid)
    finally:
        if not watch.ended.called:
            watch.transport.signalProcess("KILL")
        await watch.ended
    return wall * 1000, cpu * 1000


def _importing(python: str, statement: str) -> list[str]:
    """
    Give a command that imports something and says so.
    """
    return [python, "-c", f"{statement}\nprint('ready', flush=True)\ninput()"]


def _programs(contender: Contender) -> Mapping[str, Sequence[str]]:
    """
    Give what is started, by name; of those only that are Python.
    """
    python = contender.command[0]
    if contender.name == "ours":
        return {
            "import of the package": _importing(python, "import twisted_libp2p"),
            "import of a node": _importing(
                python, "from twisted_libp2p.node import Node"
            ),
            "start to listen": [
                *(python, "-m", "twisted", "--log-format=text", "libp2p"),
                *("--listen", "/ip4/127.0.0.1/tcp/0"),
            ],
        }
    if contender.name == "py":
        return {
            "import of the package": _importing(python, "import libp2p"),
            "import of a node": _importing(python, "from libp2p import new_host"),
            "start to listen": [*contender.command, "listen"],
        }
    if contender.name == "raw":
        reactor = "from twisted.internet import reactor"
        return {
            "import of the package": _importing(python, "pass"),
            "import of a node": _importing(python, reactor),
        }
    return {}


async def startUp(
    reactor: Any, contenders: Sequence[Contender], rounds: int, progress: Progress
) -> tuple[list[Row], list[str]]:
    """
    Measure all, in alternating rounds.  A round before them leaves the bytecode.

    C{raw} stands for Python itself, and for Twisted's reactor.

    @return: the figures, and a line for each thing that could not be measured.
    """
    notes: list[str] = []
    samples: dict[tuple[str, str], list[tuple[float, float]]] = {}
    programs = {each.name: _programs(each) for each in contenders}
    for turn in range(rounds + 1):
        for name in dict.fromkeys(work for each in programs.values() for work in each):
            for peer, commands in programs.items():
                if name in commands:
                    progress.show(NAME, f"{name}, round {turn} of {rounds}, {peer}")
                    # A failure of the round that leaves the bytecode comes again.
                    with noted(notes if turn else [], f"{peer}: {name}"):
                        took = await _start(reactor, commands[name])
                        if turn == 0:
                            continue
                        samples.setdefault((name, peer), []).append(took)
    rows = [
        Row.of(f"{name}: {kind}", "", peer, "ms", [each[place] for each in took])
        for (name, peer), took in samples.items()
        for place, kind in enumerate(("wall", "CPU"))
    ]
    return rows, notes
