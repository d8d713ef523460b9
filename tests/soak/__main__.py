# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{python -m tests.soak}: the node to which the peers come, and the verdict.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from statistics import median
from typing import Any, NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from tests.account import openFiles, residentBytes
from tests.interop.ours import serve
from tests.interop.peers.build import DEFAULT_CACHE, PEERS, available, build
from tests.interop.process import ForeignPeer, PeerEnded
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    ConnectionTrimmed,
    LimitReached,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import Limits as KnownPeers
from twisted_libp2p.peerstore import openPeerStore

MIB = 1024 * 1024

#: In how many processes our own peers are.
CROWDS = 4

#: How many bytes the other implementations transfer at once.
SIZE = 262_144

#: Seconds between two deaths.
KILLING = 13.0

#: Seconds between two lines.
TELLING = 10.0

#: Seconds that all may take to be gone when nobody comes any more: what has
#: vanished without a word is noticed by the keep-alive.
LEAVING = 60.0

#: By how much the medians of the second fifth and of the last may differ, of
#: bytes of memory, of open files, and of calls that wait.
DRIFT = (4 * MIB, 12, 60)


class Sample(NamedTuple):
    """
    What the node takes.

    @ivar memory: its resident memory, in bytes.
    @ivar files: its open files.
    @ivar calls: the calls that wait in its reactor.
    """

    memory: int
    files: int
    calls: int


class CrowdProcess(ProcessProtocol):
    """
    A process of peers of ours.

    @ivar done: what its peers have done, in all processes.
    @ivar begun: fires when its peers are on their way.
    @ivar ended: fires when it has ended.
    """

    transport: Any

    def __init__(self, done: Counter[str]) -> None:
        self.done = done
        self.begun: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._buffer = b""

    def outReceived(self, data: bytes) -> None:
        """
        It reports.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.done.update(json.loads(line))
        if lines and not self.begun.called:
            self.begun.callback(None)

    def errReceived(self, data: bytes) -> None:
        """
        It has a failure of its own.
        """
        self.done["tracebacks"] += 1
        sys.stderr.write(data.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        """
        It is gone.
        """
        self.ended.callback(None)


class Soak:
    """
    One run.
    """

    def __init__(self, reactor: Any, seconds: float, peers: int) -> None:
        """
        @param seconds: how long peers come.
        @param peers: how many there are at a time.
        """
        self._reactor = reactor
        self._seconds = seconds
        self._peers = peers
        self._done: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._samples: list[Sample] = []
        self._crowds: list[CrowdProcess] = []
        self._foreign: list[ForeignPeer] = []
        self._dialing: list[Deferred[None]] = []
        self._running = True
        self._begin = 0.0
        self._folder = tempfile.mkdtemp()
        self._node = Node(
            reactor,
            listen=["/ip4/127.0.0.1/tcp/0"],
            # It would remember all peers, and so grow with each.
            peerstore=openPeerStore(
                reactor, f"sqlite:{self._folder}/peers.db", KnownPeers(peers=4 * peers)
            ),
            limits=Limits.scaled(connections=peers // 2),
            policy=ConnectionPolicy(
                lowWater=peers // 5,
                highWater=peers * 3 // 10,
                grace=2.0,
                interval=2.0,
            ),
        )
        serve(self._node)
        for kind in (
            OpenedConn,
            ClosedConn,
            OpenedStream,
            ClosedStream,
            ConnectionTrimmed,
            LimitReached,
        ):
            self._node.events.subscribe(
                kind, lambda event: self._events.update([type(event).__name__])
            )
        globalLogPublisher.addObserver(cast(ILogObserver, self._logged))

    async def run(self) -> bool:
        """
        Run.

        @return: whether all is well.
        """
        try:
            self._node.startService()
            (address,) = await self._node.whenListening()
            await self._node.peerstore.whenLoaded()
            before = self._sample()
            await self._populate(str(address))
            await self._live(str(address))
            after = await self._leave()
            return self._judge(before, after)
        finally:
            await self._node.stopService()
            shutil.rmtree(self._folder)

    async def _populate(self, address: str) -> None:
        """
        Start all peers.
        """
        addresses = [address]
        built = [name for name in PEERS if _isBuilt(name)]
        for name in built:
            peer = ForeignPeer.start(self._reactor, build(name), "listen")
            self._foreign.append(peer)
            addresses += (await peer.line())["addrs"][:1]
        for name in built:
            dialing = Deferred.fromCoroutine(self._dialOn(name, address))
            self._dialing.append(dialing.addErrback(self._broken))
        self._shares = [
            len(range(index, self._peers - 2 * len(built), CROWDS))
            for index in range(CROWDS)
        ]
        self._addresses = addresses
        for share in self._shares:
            self._crowds.append(self._startCrowd(share))
        for crowd in self._crowds:
            await crowd.begun
        print(
            f"{sum(self._shares)} peers of ours in {CROWDS} processes,"
            f" and {', '.join(built) or 'no others'}, each of which listens and dials",
            flush=True,
        )

    def _broken(self, reason: Failure) -> None:
        self._done["tracebacks"] += 1
        reason.printTraceback(sys.stderr)

    def _startCrowd(self, share: int) -> CrowdProcess:
        crowd = CrowdProcess(self._done)
        command = [sys.executable, "-m", "tests.soak.crowd", str(share)]
        self._reactor.spawnProcess(
            crowd, command[0], [*command, *self._addresses], env=None
        )
        return crowd

    async def _dialOn(self, name: str, address: str) -> None:
        """
        Have an implementation dial the node, over and over.
        """
        command = build(name)
        while self._running:
            peer = ForeignPeer.start(
                self._reactor,
                command,
                "dial",
                address,
                "--security",
                random.choice(("noise", "tls")),
                "--muxer",
                random.choice(("yamux", "mplex")),
                "--do",
                "ping,identify,echo,halfclose,reset,back,many",
                "--size",
                str(SIZE),
            )
            if random.random() < 0.2:
                killing = self._reactor.callLater(
                    random.uniform(0.5, 3.0), peer.transport.signalProcess, "KILL"
                )
                await peer.ended
                if killing.active():
                    killing.cancel()
                else:
                    self._done["killed"] += 1
                continue
            try:
                told = await peer.line()
            except PeerEnded:
                self._done[f"{name} failed"] += 1
            else:
                self._done[f"{name} {'went well' if told['ok'] else 'failed'}"] += 1
                if not told["ok"]:
                    self._done[f"{name}: {told['error']}"] += 1
                echo = told["results"].get("echo", {})
                counted = told["results"].get("halfclose", {}).get("answer")
                if echo.get("equal") is False and echo.get("bytes") == SIZE:
                    self._done["wrong"] += 1
                if counted not in (None, "", str(SIZE)):
                    self._done["wrong"] += 1
            await peer.ended
            await deferLater(self._reactor, random.uniform(1.0, 5.0))

    async def _live(self, address: str) -> None:
        """
        Let them come.
        """
        self._begin = self._reactor.seconds()
        loops = []
        for work, interval in (
            (self._take, 1.0),
            (self._kill, KILLING),
            (self._tell, TELLING),
        ):
            loop = LoopingCall(work)
            loop.clock = self._reactor
            loop.start(interval, now=False)
            loops.append(loop)
        await deferLater(self._reactor, self._seconds)
        for loop in loops:
            loop.stop()
        self._running = False

    def _sample(self) -> Sample:
        gc.collect()
        return Sample(
            residentBytes(os.getpid()),
            openFiles(os.getpid()),
            len(self._reactor.getDelayedCalls()),
        )

    def _take(self) -> None:
        self._samples.append(self._sample())

    def _kill(self) -> None:
        """
        Kill a process with all its peers, and start another.
        """
        index = random.randrange(CROWDS)
        self._crowds[index].transport.signalProcess("KILL")
        self._crowds[index] = self._startCrowd(self._shares[index])
        self._done["killed"] += self._shares[index]

    def _tell(self) -> None:
        sample = self._samples[-1]
        print(
            f"{self._reactor.seconds() - self._begin:6.0f} s"
            f"  {len(self._node.connections):3} connections"
            f" ({self._events['OpenedConn']} so far,"
            f" {self._events['ConnectionTrimmed']} trimmed)"
            f"  {self._events['OpenedStream']} streams"
            f"  {self._done['bytes'] / MIB:.0f} MiB"
            f"  {self._done['whole']} of {self._done['begun']} transfers whole"
            f"  {self._done['wrong']} wrong"
            f"  {sample.memory / MIB:.1f} MiB resident"
            f"  {sample.files} files  {sample.calls} calls",
            flush=True,
        )

    async def _leave(self) -> Sample:
        """
        Have all go, and wait until they are gone.

        @return: what the node takes then.
        """
        gone: Deferred[None] = Deferred()

        def look(_: object = None) -> None:
            if not len(self._node.connections) and not gone.called:
                gone.callback(None)

        subscription = self._node.events.subscribe(ClosedConn, look)
        for crowd in self._crowds:
            crowd.transport.closeStdin()
            await crowd.ended
        for dialing in self._dialing:
            await dialing
        for peer in self._foreign:
            await peer.stop()
        look()
        left = self._reactor.seconds()
        gone.addTimeout(LEAVING, self._reactor)
        try:
            await gone
        except TimeoutError:
            print(f"after {LEAVING:.0f} s there are still connections")
        subscription.cancel()
        print(f"all had gone within {self._reactor.seconds() - left:.1f} s")
        # The dials back to peers that are gone have an end, too.
        await deferLater(self._reactor, 1.0)
        return self._sample()

    def _logged(self, event: Any) -> None:
        if event["log_level"] is LogLevel.critical:
            self._done["tracebacks"] += 1
            failure = event.get("log_failure")
            sys.stderr.write(failure.getTraceback() if failure else str(event))

    def _judge(self, before: Sample, after: Sample) -> bool:
        """
        Print the figures.

        @return: whether they are good.
        """
        fifth = len(self._samples) // 5
        early, late = (
            Sample(*(round(median(column)) for column in zip(*part, strict=True)))
            for part in (self._samples[fifth : 2 * fifth], self._samples[-fifth:])
        )
        peak = Sample(*map(max, zip(*self._samples, strict=True)))
        used = self._node.connections.limiter.snapshot().system.used
        checks = {
            "no byte was wrong": not self._done["wrong"],
            "limits were met": bool(self._events["ConnectionTrimmed"]),
            "transfers were whole": self._done["whole"] > self._done["begun"] // 2,
            "no traceback": not self._done["tracebacks"],
            "connections opened and closed pair up": self._events["OpenedConn"]
            == self._events["ClosedConn"],
            "streams opened and closed pair up": self._events["OpenedStream"]
            == self._events["ClosedStream"],
            "nothing is held": not any(used),
            "no file is left open": after.files <= before.files + 4,
            "no call is left": after.calls <= before.calls + 4,
        }
        for name, drift, first, last in zip(
            Sample._fields, DRIFT, early, late, strict=True
        ):
            checks[f"{name} is flat"] = last - first <= drift
        for name, sample in (
            ("before", before),
            ("second fifth", early),
            ("last fifth", late),
            ("peak", peak),
            ("afterwards", after),
        ):
            print(
                f"{name:12}  {sample.memory / MIB:7.1f} MiB resident"
                f"  {sample.files:4} files  {sample.calls:4} calls"
            )
        for counts in (self._events, self._done):
            print(", ".join(f"{name}: {counts[name]}" for name in sorted(counts)))
        for name, good in checks.items():
            print(f"{'ok ' if good else 'BAD'} {name}")
        return all(checks.values())


def _isBuilt(name: str) -> bool:
    """
    Tell whether a foreign peer is there.
    """
    digest = PEERS[name].digest()
    return available(name) is None and (DEFAULT_CACHE / f"{name}-{digest}").is_dir()


def main(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    Run, and end with a status.
    """
    parser = ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--peers", type=int, default=50)
    given = parser.parse_args(arguments)

    async def run() -> None:
        good = await Soak(reactor, given.seconds, given.peers).run()
        if not good:
            raise SystemExit(1)

    return Deferred.fromCoroutine(run())


if __name__ == "__main__":
    react(main, sys.argv[1:])
