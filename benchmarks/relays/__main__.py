# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Measure relays side by side: ours, and those of go and rust::

    python -m benchmarks.relays [--rounds N] [--mib N] [NAME=PROGRAM ...]

as C{ours go=PROGRAM rust=PROGRAM}.  A PROGRAM is built from the folder C{go} or C{rust}
here, by C{go build -o PROGRAM} or C{cargo build --release}; all relays are without
limits.  A listener and a dialer of ours, the listener in a process of its own, meet
through each relay in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred, gatherResults

from tests.account import cpuSeconds, residentBytes
from twisted_libp2p.interfaces import DialOptions, IConnection
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.perf import measure
from twisted_libp2p.relay.events import ReservationHeld

OURS = [sys.executable, "-m", "benchmarks.relays.ours"]

MIB = 1 << 20

#: How many circuits are opened one after the other, and how many stay for the memory;
#: how many peers reserve a place.
CIRCUITS = 100
IDLE = 300
RESERVATIONS = 100

#: The options of a circuit of its own.
FRESH = DialOptions(fresh=True, timeout=60.0)


class Program:
    """
    A relay or a listener.

    @ivar address: its address.
    @ivar pid: its process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self.address: str = said["addr"]
        self.pid: int = said["pid"]

    def end(self) -> None:
        """
        Close its standard input, and wait.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class _Allowing:
    """
    A connection whose streams are opened although its relay states a limit: rust-libp2p
    always does.
    """

    def __init__(self, connection: IConnection) -> None:
        self._connection = connection

    def openStream(self, protocols: Any, factory: Any) -> Deferred[Any]:
        """
        Open a stream.
        """
        return self._connection.openStream(protocols, factory, allowLimited=True)


class Contest:
    """
    One relay, with a listener and a dialer.

    @ivar relay: the relay.
    @ivar figures: the measured values by name.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.relay = Program(command)
        self._listener = Program([*OURS, "listen", self.relay.address])
        self._nodes: list[Node] = []
        self.figures: dict[str, list[float]] = {}

    def _node(self) -> Node:
        node = Node(reactor, limits=Limits.none(), holePunching=False)
        node.startService()
        self._nodes.append(node)
        return node

    def _note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    async def round(self, size: int) -> None:
        """
        Measure once.

        @param size: the bytes to send.
        """
        dialer, pid = self._node(), self.relay.pid
        through: Any = _Allowing(await dialer.connect(self._listener.address))
        await measure(dialer.clock, through, MIB, 0)
        cpu = cpuSeconds(pid)
        found = await measure(dialer.clock, through, size, 0)
        self._note("MiB/s", size / found.uploadSeconds / MIB)
        self._note("s of CPU for a GiB", (cpuSeconds(pid) - cpu) * 1024 * MIB / size)
        cpu, began = cpuSeconds(pid), dialer.clock.seconds()
        for _ in range(CIRCUITS):
            circuit = await dialer.connect(self._listener.address, FRESH)
            await circuit.close()
        seconds = dialer.clock.seconds() - began
        self._note("circuits/s", CIRCUITS / seconds)
        self._note("ms of CPU for a circuit", (cpuSeconds(pid) - cpu) * 1e3 / CIRCUITS)
        await self._stop()

    async def memory(self) -> None:
        """
        Measure what idle circuits and reservations take.
        """
        dialer, pid = self._node(), self.relay.pid
        await dialer.connect(self._listener.address)
        before = residentBytes(pid)
        for _ in range(IDLE):
            await dialer.connect(self._listener.address, FRESH)
        if len(dialer.connections) <= IDLE:
            raise RuntimeError(f"of {IDLE} circuits {len(dialer.connections) - 2} stay")
        self._note("KiB of a circuit", (residentBytes(pid) - before) / 1024 / IDLE)
        before = residentBytes(pid)
        waiting = []
        for _ in range(RESERVATIONS):
            node = self._node()
            waiting.append(node.events.next(ReservationHeld))
            await node.listenOn(f"{self.relay.address}/p2p-circuit")
        await gatherResults(waiting)
        taken = (residentBytes(pid) - before) / 1024 / RESERVATIONS
        self._note("KiB of a reservation, with its connection", taken)
        await self._stop()

    async def _stop(self) -> None:
        nodes, self._nodes = self._nodes, []
        for each in nodes:
            await each.stopService()

    def end(self) -> None:
        """
        End the processes.
        """
        self._listener.end()
        self.relay.end()


async def run(options: argparse.Namespace) -> None:
    """
    Measure all relays in turn, and print the medians and the ranges.
    """
    contests = {}
    for each in options.relays or ["ours"]:
        name, _, program = each.partition("=")
        command = [program] if program else [*OURS, "relay"]
        contests[name] = Contest(command)
    for contest in contests.values():
        # What was used before would be used again.
        await contest.memory()
    for _ in range(options.rounds):
        for contest in contests.values():
            await contest.round(options.mib * MIB)
    for contest in contests.values():
        contest.end()
    for name in contests[next(iter(contests))].figures:
        print(name)
        for relay, contest in contests.items():
            values = contest.figures[name]
            print(
                f"    {relay:<6}{median(values):10.2f}"
                f"   ({min(values):.2f} to {max(values):.2f})"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relays")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("relays", nargs="*", metavar="NAME=PROGRAM")
    options = parser.parse_args(arguments)

    def start(_: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(run(options))

    task.react(start)


if __name__ == "__main__":
    main()
