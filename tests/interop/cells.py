# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One connection of the matrix: everything that is done on it, task by task.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.interop.matrix import IDS, MIB, PY_OBSERVED, TASKS, Cell, note, reasons
from tests.interop.ours import BACK, ECHO, RESET, SINK, Tasks, Watch, serve
from tests.interop.process import ForeignPeer
from tests.interop.results import Results
from tests.interop.sides import Sides
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.events import ClosedConn, ClosedStream, Identified, OpenedConn
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols.identify import PROTOCOL_ID as IDENTIFY
from twisted_libp2p.protocols.perf import PROTOCOL_ID as PERF
from twisted_libp2p.protocols.perf import measure
from twisted_libp2p.protocols.ping import PROTOCOL_ID as PING

__all__ = ["LIMIT", "Course", "theyDial", "weDial"]

#: Seconds for a task, or for all of a foreign dialer.
LIMIT = 180

#: What a foreign dialer is told to do for a task.
TOLD = {
    "identify": "identify",
    "ping": "ping",
    "echo": f"echo={MIB}",
    "large": "echo={large}",
    "halfclose": f"halfclose={MIB}",
    "reset": "reset",
    "remote-reset": "remote-reset",
    "back": "back",
    "many": "many",
    "perf": "perf={perf}",
}

#: The bytes after which a stream is reset.
RESET_AFTER = 10

SERVED = {ECHO, RESET, SINK, BACK, PING, IDENTIFY, PERF}


class Course:
    """
    The tasks of one connection: each goes well or not, whatever the others do.

    @ivar failures: what went wrong.
    """

    def __init__(
        self, reactor: Any, cell: Cell, results: Results, sides: Sides
    ) -> None:
        self.reactor = reactor
        self.cell = cell
        self.sides = sides
        self._results = results
        self.failures: dict[str, str] = {}

    async def do(self, task: str, doing: Coroutine[Any, Any, Any]) -> Any:
        """
        Do a task in time, and note what came of it.  A task in which the peer has a gap
        is tried nevertheless.  It may go well, since the gap can depend on which of two
        frames arrives first, but it may fail only by its own assertion.

        @return: what came of it; None if it went wrong.
        """
        gap = self.cell.gap(task)
        waiting = Deferred.fromCoroutine(doing).addTimeout(LIMIT, self.reactor)
        value = failure = None
        try:
            value = await waiting
        except Exception as error:
            if gap is None or not isinstance(error, AssertionError):
                failure = Failure().getTraceback()
        if failure is not None:
            self.failures[task] = failure
        self._results.task(self.cell, task, failure is None)
        return value

    def check(self) -> None:
        """
        Fail if anything did.
        """
        if self.failures:
            told = "\n".join(
                f"--- {TASKS[task]}\n{text}" for task, text in self.failures.items()
            )
            raise AssertionError(f"{self.cell.name}\n{told}")


async def weDial(reactor: Any, command: list[str], cell: Cell, course: Course) -> None:
    """
    They listen, we dial, and do every task.
    """
    foreign = ForeignPeer.start(reactor, command, "listen", *course.sides.options(cell))
    node = course.sides.node(reactor, cell)
    serve(node)
    watch = Watch(node)
    node.startService()

    async def dial() -> IConnection:
        hello = await foreign.line()
        connection = await node.connect(course.sides.target(cell, hello))
        assert str(connection.remotePeer) == hello["peerId"]
        assert connection.security == IDS[cell.security]
        assert connection.muxer == IDS[cell.muxer]
        assert connection.early is cell.early
        told = await foreign.event("connected", peer=str(node.peerID))
        # Peers have various names for what QUIC does by itself.
        if not cell.native:
            assert told["security"] == IDS[cell.security], told
            assert told["muxer"] == IDS[cell.muxer], told
        assert told["early"] in (None, cell.early), told
        return connection

    async def identify() -> None:
        told = await node.identify(peer)
        assert set(told.protocols) >= SERVED, told
        if note(cell, "identify") is not PY_OBSERVED:
            assert "127.0.0.1" in str(told.observedAddress)
        assert told.agent
        # And they ask us.
        await watch.event(
            ClosedStream,
            lambda each: each.protocolID == IDENTIFY and each.direction == "inbound",
        )

    async def ping() -> None:
        for _ in range(3):
            assert await node.ping(peer) < 10

    async def echo() -> None:
        for size in (0, 1, 1400, MIB):
            await tasks.echo(size)

    async def halfClose() -> None:
        await tasks.halfClose(MIB)
        await foreign.event("halfclosed", protocol=SINK, bytes=MIB)

    async def reset() -> None:
        await tasks.reset()
        ended = await foreign.line(
            lambda line: (
                line.get("protocol") == ECHO
                # No other stream ends after as many bytes.
                and (line["event"] == "reset" or line.get("bytes") == RESET_AFTER)
            )
        )
        assert ended["event"] == "reset", ended

    async def remoteReset() -> None:
        reason = await tasks.remoteReset()
        assert reason.check(StreamReset), reason

    async def perf() -> None:
        for upload, download in ((cell.perf, 0), (0, cell.perf)):
            measured = await measure(reactor, connection, upload, download)
            assert (measured.uploaded, measured.downloaded) == (upload, download)

    async def close() -> None:
        await connection.close()
        await foreign.event("disconnected", peer=str(node.peerID))
        (opened,) = watch.seen(OpenedConn)
        (closed,) = watch.seen(ClosedConn)
        assert closed.connection is opened.connection is connection
        assert (closed.peer, closed.direction) == (peer, "outbound")
        assert closed.reason.check(*reasons(cell)), closed
        watch.balanced()
        assert len(node.connections) == 0

    try:
        connection = await course.do("dial", dial())
        if connection is None:
            return
        peer, tasks = connection.remotePeer, Tasks(connection)
        await course.do("identify", identify())
        await course.do("ping", ping())
        await course.do("echo", echo())
        await course.do("large", tasks.echo(cell.large))
        await course.do("halfclose", halfClose())
        await course.do("reset", reset())
        await course.do("remote-reset", remoteReset())
        await course.do("back", tasks.back())
        await course.do("many", tasks.many())
        await course.do("perf", perf())
        await course.do("close", close())
    finally:
        await node.stopService()
        await foreign.stop()


async def theyDial(
    reactor: Any, command: list[str], cell: Cell, course: Course
) -> None:
    """
    We listen, they dial, and do every task.
    """
    node = course.sides.node(reactor, cell)
    orders = {
        task: order.format(large=cell.large, perf=cell.perf)
        for task, order in TOLD.items()
    }
    serve(node)
    watch = Watch(node)
    node.startService()
    address, *_ = await node.whenListening()
    foreign = ForeignPeer.start(
        reactor,
        command,
        "dial",
        str(address),
        *course.sides.options(cell),
        "--do",
        ",".join(orders.values()),
    )

    async def dial() -> Any:
        result = await foreign.line()
        assert result["remotePeer"] == str(node.peerID), (result, foreign.errors)
        if not cell.native:
            assert result["security"] == IDS[cell.security]
            assert result["muxer"] == IDS[cell.muxer]
        assert result["early"] in (None, cell.early)
        # py-libp2p dials again if its first attempt is slow.
        opened = watch.seen(OpenedConn)[-1]
        assert (opened.security, opened.muxer) == (IDS[cell.security], IDS[cell.muxer])
        assert opened.early is cell.early
        assert opened.direction == "inbound"
        return result

    async def told(task: str) -> dict[str, Any]:
        facts: dict[str, Any] = result["results"][orders[task]]
        assert "error" not in facts, (facts, foreign.errors)
        return facts

    async def identify() -> None:
        facts = await told("identify")
        assert facts["agentVersion"].startswith("twisted_libp2p/")
        assert set(facts["protocols"]) >= SERVED, facts
        assert str(address.withoutPeer()) in str(facts["listenAddrs"])
        assert "127.0.0.1" in facts["observedAddr"]
        # And we have asked them.
        identified = watch.seen(Identified, lambda each: not each.push)[-1]
        assert set(identified.protocols) >= SERVED, identified

    async def reset() -> None:
        await told("reset")
        assert watch.seen(
            ClosedStream,
            lambda each: (
                each.protocolID == ECHO
                and each.direction == "inbound"
                and each.reason.check(StreamReset) is not None
            ),
        )

    async def remoteReset() -> None:
        assert (await told("remote-reset"))["reset"]

    async def close() -> None:
        assert await foreign.ended == (0 if result["ok"] else 1)
        for opened in watch.seen(OpenedConn):
            closed = await watch.closed(opened)
            assert (closed.peer, closed.direction) == (opened.peer, "inbound")
        # The last one is that on which all was done.
        assert closed.reason.check(*reasons(cell)), closed
        watch.balanced()
        assert len(node.connections) == 0

    try:
        result = await course.do("dial", dial())
        if result is None:
            return
        for task in ("ping", "echo", "large", "halfclose", "back", "many", "perf"):
            await course.do(task, told(task))
        await course.do("identify", identify())
        await course.do("reset", reset())
        await course.do("remote-reset", remoteReset())
        await course.do("close", close())
    finally:
        await node.stopService()
        await foreign.stop()
