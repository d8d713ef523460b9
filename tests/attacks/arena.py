# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Where one row is played: the processes, what they use, and what is expected.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.account import cpuSeconds, openFiles, residentBytes, scheduled
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.yamux import Session

__all__ = ["Arena", "Process", "Result", "Target", "within"]

ROOT = Path(__file__).parents[2]

#: Seconds that a program has to answer, and to end.
ANSWER_LIMIT = 90.0

#: What the honest peer's p99 may be, as a multiple of what a node that nobody attacks
#: gives it at the same time; and what it may be in any case.  Both are longer by the
#: share of the time for which the attacked node waits for a processor: on a busy
#: machine that is no fault of its own, and the other node, which is idle, waits less.
SLOWDOWN = 5.0
SLOWDOWN_FLOOR = 0.1

#: Seconds that each attack is played for, over and over if it is short.
SHORTEST = 2.0

MIB = 1 << 20


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """
    Look at another process until something holds: nobody tells when it has let go
    of a socket.

    @return: whether it did in that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Process:
    """
    A program that says lines of JSON.

    @ivar lines: what it has said that was not asked for.
    @ivar pid: its process.
    """

    def __init__(self, command: Sequence[str], descriptors: int | None = None) -> None:
        """
        @param descriptors: how many it may have.
        """
        limit = (
            None
            if descriptors is None
            else lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (descriptors, descriptors)
            )
        )
        self._log = os.memfd_create("log")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            preexec_fn=limit,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._stdout = self._process.stdout.fileno()
        # It may tell of a thousand connections before anybody listens.
        fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, MIB)
        self._buffer = b""
        self._answers: deque[dict[str, Any]] = deque()
        self.lines: list[dict[str, Any]] = []
        self.first = self.hear()

    def _listen(self, seconds: float) -> bool:
        """
        Take what it has said.

        @return: whether it said anything, in that time.
        """
        if not select.select([self._stdout], [], [], seconds)[0]:
            return False
        data = os.read(self._stdout, MIB)
        if not data:
            raise RuntimeError(f"it has ended: {self.log()[-2000:]}")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            # Foreign peers tell of events by themselves.
            if "event" in said:
                self.lines.append(said)
            else:
                self._answers.append(said)
        return True

    def ask(self, *words: object) -> dict[str, Any]:
        """
        Say a line, and wait for the answer.
        """
        self.tell(*words)
        return self.hear()

    def tell(self, *words: object) -> None:
        """
        Say a line, whose answer L{hear} gives.
        """
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """
        Wait for an answer.
        """
        while not self._answers:
            if not self._listen(ANSWER_LIMIT):
                raise RuntimeError(f"it says nothing: {self.log()[-2000:]}")
        return self._answers.popleft()

    def events(self, name: str) -> int:
        """
        Count what it told by itself.
        """
        while self._listen(0):
            pass
        return sum(each["event"] == name for each in self.lines)

    @property
    def runs(self) -> bool:
        """
        Whether it has not ended.
        """
        return self._process.poll() is None

    def log(self) -> str:
        """
        Give what it wrote to stderr.
        """
        size = os.fstat(self._log).st_size
        return os.pread(self._log, size, 0).decode(errors="replace")

    def end(self) -> int:
        """
        Close its stdin.

        @return: its exit status.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            return self._process.wait(ANSWER_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    # What it uses

    @property
    def memory(self) -> int:
        """
        Its resident memory in bytes.
        """
        return residentBytes(self.pid)

    @property
    def peak(self) -> int:
        """
        The most that was, since L{forgetPeak}.
        """
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        # It has ended.
        return 0

    def forgetPeak(self) -> None:
        """
        Measure the peak from now on.
        """
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def cpu(self) -> float:
        """
        Seconds of processor time.
        """
        return cpuSeconds(self.pid)

    @property
    def descriptors(self) -> int:
        """
        How many files and sockets it has open.
        """
        return openFiles(self.pid)


class Target(Process):
    """
    The node that is attacked.

    @ivar ours: whether it is of this project, and answers questions.
    @ivar address: where it listens.
    @ivar multiaddr: the same, as a full multiaddr.
    @ivar peerID: who it is, as text.
    """

    def __init__(
        self,
        command: Sequence[str],
        ours: bool = True,
        descriptors: int | None = None,
    ) -> None:
        super().__init__(command, descriptors)
        self.ours = ours
        self.multiaddr: str = self.first["addrs"][0]
        self.peerID: str = self.first["peerId"]
        parts = self.multiaddr.split("/")
        self.address = parts[2], int(parts[4])

    @property
    def opened(self) -> int:
        """
        How many connections were told of.
        """
        if self.ours:
            return int(self.ask("state")["OpenedConn"])
        return self.events("connected")

    @property
    def open(self) -> int:
        """
        How many of these are told not to have ended.
        """
        if self.ours:
            state = self.ask("state")
            return int(state["OpenedConn"] - state["ClosedConn"])
        return self.events("connected") - self.events("disconnected")


@dataclass
class Result:
    """
    What came of a row.

    @ivar row: the name of the row.
    @ivar peer: who was attacked.
    @ivar seen: what it did.
    @ivar failures: what it should have done, but did not.
    @ivar memory: bytes, at the peak, above the quiet value.
    @ivar p99: of the honest peer's pings during the attack, in seconds.
    @ivar quiet: the same of its pings to the bystander.
    @ivar lost: how many of its pings got no answer.
    @ivar seconds: how long the attack lasted.
    @ivar cpu: what it has cost the node, in seconds of processor time.
    """

    row: str
    peer: str
    seen: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory: int = 0
    quiet: float = 0.0
    p99: float = 0.0
    lost: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    def json(self) -> str:
        """
        As one line.
        """
        return json.dumps(asdict(self))


class Arena:
    """
    One row: a node, an honest peer, and what an attack tells of them.

    @ivar target: the node.
    @ivar bystander: another one, which nobody attacks.
    @ivar honest: the honest peer.
    @ivar address: where the node listens.
    @ivar result: what came of it.
    """

    def __init__(
        self, row: str, peer: str, target: Target, bystander: Target, honest: Process
    ) -> None:
        self.target = target
        self.bystander = bystander
        self.honest = honest
        self.address = target.address
        self.result = Result(row, peer)

    @property
    def ours(self) -> bool:
        """
        Whether the node is of this project.
        """
        return self.target.ours

    # What a row tells

    def expect(self, what: str, holds: bool, seen: object = "") -> None:
        """
        Take note of what should be.

        @param seen: what is instead, if it does not hold.
        """
        if not holds:
            self.result.failures.append(f"not {what}" + (f": {seen}" if seen else ""))

    def saw(self, what: str) -> None:
        """
        Take note of what is.
        """
        self.result.seen.append(what)

    def settle(self, session: Session) -> None:
        """
        Wait until the node has handled everything that was sent on a session.
        """
        pingOn(session)
        if self.ours:
            within(ANSWER_LIMIT, lambda: not self.target.ask("state")["reading"])

    def newcomer(self, source: str | None = None, limit: float = 2.0) -> float:
        """
        Expect that an honest peer can connect and ping.

        @return: the seconds that it took.
        """
        began = time.monotonic()
        try:
            session = Peer(source=source).dial(self.address)
            pingOn(session)
            session.close()
        except Ended as end:
            self.expect("open to a newcomer", False, end.how)
        seconds = time.monotonic() - began
        self.expect(
            f"open to a newcomer within {limit:g} s",
            seconds <= limit,
            f"{seconds:.1f} s",
        )
        return seconds

    # What holds for every row

    def play(self, attack: Callable[[Arena], None], memory: int, once: bool) -> Result:
        """
        Play a row, with all that has to be shown of each.

        @param memory: bytes by which the node may grow meanwhile.
        @param once: whether it is not to be played over and over.
        """
        target, result = self.target, self.result
        descriptors = target.descriptors
        # The honest peer may come from a network that is counted.
        networks = target.ask("state")["networks"] if target.ours else 0
        before = target.memory
        cpu = target.cpu
        ran, waited = scheduled(target.pid)
        target.forgetPeak()
        self.honest.ask("mark")
        began = time.monotonic()
        # A short attack would have few pings beside it.
        played = False
        while not played or (
            time.monotonic() < began + SHORTEST and not once and not result.failures
        ):
            played = True
            result.seen.clear()
            try:
                attack(self)
            except Exception as error:
                name = type(error).__name__
                self.expect("played to its end", False, f"{name}: {error}")
        result.seconds = time.monotonic() - began
        if not target.runs:
            self.expect("alive", False)
            return result
        result.cpu = target.cpu - cpu
        report = self.honest.ask("report")
        result.memory = max(target.peak - before, 0)
        result.p99 = report["attacked"]["p99"]
        result.lost = report["attacked"]["lost"]
        result.quiet = report["bystander"]["p99"]
        self.expect(
            f"within {memory // MIB} MiB",
            result.memory <= memory,
            f"{result.memory / MIB:.0f} MiB",
        )
        runs, waits = scheduled(target.pid)
        busy = 1 + (waits - waited) / max(runs - ran, 1)
        bound = max(SLOWDOWN * result.quiet, SLOWDOWN_FLOOR) * busy
        self.expect(
            f"honest p99 within {bound * 1000:.0f} ms",
            result.p99 <= bound,
            f"{result.p99 * 1000:.0f} ms",
        )
        # go-libp2p resets a stream of pings after 30 s, which it may.
        ended = 0 if self.ours else report["attacked"]["reopened"]
        self.expect(
            "every honest ping answered", not result.lost or bool(ended), result.lost
        )
        self._given(descriptors, networks)
        return result

    def _given(self, descriptors: int, networks: int) -> None:
        """
        Expect that all was given back, and the log is in order.
        """
        target = self.target
        self.expect(
            "every event paired", within(15, lambda: target.open == 1), target.open
        )
        self.expect(
            "every socket closed",
            within(15, lambda: target.descriptors <= descriptors + 1),
            f"{target.descriptors - descriptors} more",
        )
        if self.ours:
            state = target.ask("state")
            streams = state["OpenedStream"] - state["ClosedStream"]
            for name, count in (
                ("connections", state["connections"] - 1),
                ("streams", state["streams"] - 1),
                ("stream events", streams - 1),
                ("upgrades", state["upgrading"]),
                ("negotiations", state["negotiating"]),
                ("networks", state["networks"] - networks),
            ):
                self.expect(f"all {name} given back", not count, count)
        log = target.log()
        if self.ours:
            self.expect("free of tracebacks", "Traceback" not in log, _last(log))

    def close(self) -> None:
        """
        End the processes.
        """
        for each in (self.honest, self.target, self.bystander):
            each.end()


def _last(log: str) -> str:
    """
    Give the line of the first traceback that names the error.
    """
    lines = log[log.index("Traceback") :].splitlines() if "Traceback" in log else []
    named: Iterable[str] = (
        each for each in lines[1:] if each and not each[:1].isspace()
    )
    return next(iter(named), "")


def python(module: str, *arguments: str) -> list[str]:
    """
    Give the command that runs a module of ours.
    """
    return [sys.executable, "-m", module, *arguments]
