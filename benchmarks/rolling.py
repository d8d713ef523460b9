# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{python -m benchmarks.rolling}: the workers of C{twist libp2p --processes} are replaced
while clients come, each with a connection of its own and a stream that lasts for three
seconds.

First all workers are replaced, as often as the time allows: no client may see an
error.  Then one of them is stopped by C{SIGSTOP}: the time until another one serves in
its place is measured.  Only the streams that the stopped worker had may fail then.  The
machine should be idle: clients for which it has no time do not come, and are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from tests.faults.clients import LASTS
from tests.processes import TWIST, Program

#: Seconds of clients before, between and after the replacements: old and new workers
#: have streams.
PAUSE = LASTS + 1.0


class Crowd:
    """
    The processes with the clients.

    @ivar done: the number of streams that have lasted.
    @ivar missed: the number of clients that did not come.
    @ivar slowest: the seconds of the longest dial.
    @ivar errors: the errors of the other streams.
    """

    def __init__(self, run: Any, address: str, rate: float, processes: int) -> None:
        """
        @param run: starts a program.
        @param address: the address of the workers.
        @param rate: the clients of all processes in a second.
        @param processes: the number of processes.
        """
        self.done = self.missed = 0
        self.slowest = 0.0
        self.errors: Counter[str] = Counter()
        share = str(rate / processes)
        self._programs: list[Program] = [
            run("-m", "tests.faults.clients", address, share) for _ in range(processes)
        ]

    async def finish(self) -> None:
        """
        Let the last clients end, and add the counts.
        """
        for each in self._programs:
            each.transport.closeStdin()
        for each in self._programs:
            if await each.ends():
                raise RuntimeError(each.err.decode())
            found = json.loads(each.out)
            self.done += found["done"]
            self.missed += found["missed"]
            self.slowest = max(self.slowest, found["slowest"])
            self.errors.update(found["errors"])

    def __str__(self) -> str:
        """
        Return the counts and the errors.
        """
        counts = (
            f"{self.done} streams, {self.errors.total()} errors; {self.missed} clients"
            f" did not come; the slowest stream was open after {self.slowest:.2f} s"
        )
        errors = [f"{count} x {error}" for error, count in self.errors.most_common(5)]
        return "\n    ".join([counts, *errors])


class Measurement:
    """
    The node, and the clients that come to it.
    """

    def __init__(self, reactor: Any, options: argparse.Namespace) -> None:
        """
        @param options: the command line.
        """
        self._reactor = reactor
        self._options = options

    def _run(self, *arguments: str) -> Program:
        program = Program()
        command = [sys.executable, *arguments]
        self._reactor.spawnProcess(program, sys.executable, command, dict(os.environ))
        return program

    def _crowd(self, address: str) -> Crowd:
        options = self._options
        return Crowd(self._run, address, options.rate, options.clients)

    def _pause(self, seconds: float = PAUSE) -> Deferred[None]:
        return deferLater(self._reactor, seconds, lambda: None)

    async def measure(self) -> int:
        """
        Measure, and print the results.

        @return: the number of errors while the workers were replaced.
        """
        node = self._run(
            *TWIST,
            "--log-format=text",
            "libp2p",
            f"--processes={self._options.processes}",
            "--listen=/ip4/127.0.0.1/tcp/0",
            "--echo",
        )
        address = await node.says(r"processes are reached at (\S+/p2p/\w+)")
        errors = await self._roll(node, address)
        await self._suspend(node, address)
        await node.stop()
        return errors

    async def _roll(self, node: Program, address: str) -> int:
        """
        Replace all workers again and again.
        """
        crowd = self._crowd(address)
        await self._pause()
        begun = self._reactor.seconds()
        times: list[float] = []
        while not times or self._reactor.seconds() - begun < self._options.seconds:
            since = self._reactor.seconds()
            read = node.out.count(b"all workers are replaced")
            node.transport.signalProcess("HUP")
            line = "all workers are replaced.*"
            await node.says(f"(?s)(?:{line}){{{read + 1}}}()")
            times.append(self._reactor.seconds() - since)
            await self._pause()
        passed = self._reactor.seconds() - begun
        await crowd.finish()
        print(
            f"{len(times)} times all {self._options.processes} workers were replaced,"
            f" each time within {max(times):.1f} s, in {passed:.0f} s:\n    {crowd}",
            flush=True,
        )
        return crowd.errors.total()

    async def _suspend(self, node: Program, address: str) -> None:
        """
        Stop one worker.
        """
        crowd = self._crowd(address)
        await self._pause()
        pid = re.findall(rb"worker 1 is process (\d+)", node.out)[-1].decode()
        begun = self._reactor.seconds()
        os.kill(int(pid), signal.SIGSTOP)
        await node.says(rf"\(process {pid}\) (does not answer)")
        noticed = self._reactor.seconds() - begun
        await node.says(rf"\(process {pid}\) has ended: signal (9)")
        replaced = self._reactor.seconds() - begun
        await self._pause()
        await crowd.finish()
        print(
            f"one worker was stopped: noticed after {noticed:.1f} s, replaced after"
            f" {replaced:.1f} s:\n    {crowd}"
        )


def main(arguments: Sequence[str]) -> None:
    """
    Run it.
    """
    parser = argparse.ArgumentParser("benchmarks.rolling", description=__doc__)
    parser.add_argument("--processes", type=int, default=4, help="workers")
    parser.add_argument("--rate", type=float, default=100.0, help="clients in a second")
    parser.add_argument(
        "--clients", type=int, default=2, help="processes that share the clients"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of replacements")
    options = parser.parse_args(arguments)

    async def run(reactor: Any) -> None:
        if await Measurement(reactor, options).measure():
            raise SystemExit(1)

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main(sys.argv[1:])
