# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections that nobody uses for longer than the peer's keep-alive takes, with
the limits that each package has by default.

They begin with the first test and wait while others run, so that they take hardly any
time of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.task import deferLater

from tests.interop.matrix import Cell
from tests.interop.ours import ECHO, Client, Tasks, Watch, serve
from tests.interop.peers.build import available, build
from tests.interop.process import ForeignPeer
from tests.interop.sides import Sides, hasBackend
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import ClosedConn, ClosedStream, OpenedConn, OpenedStream
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols.identify import PROTOCOL_ID as IDENTIFY

__all__ = ["Idlers"]

#: Seconds: go-libp2p's yamux asks after 30, js-libp2p's too, and each gives up 10
#: later; js-libp2p's connection monitor asks every 10, ours every 30.
IDLE = 45

#: How many processes start at once, and how many there are.
STARTING = DeferredSemaphore(4)
RUNNING = DeferredSemaphore(48)


class Idler:
    """
    One connection that is left alone.

    @ivar _over: fires if the peer can do no more: with its answer, if it dials, or with
        its exit status.
    """

    def __init__(self, cell: Cell, sides: Sides) -> None:
        self._cell = cell
        self._sides = sides
        self._command = build(cell.peer)
        self._weDial = cell.direction == "we dial"
        self.node = sides.node(reactor, cell)
        self.watch = Watch(self.node)
        self._foreign: ForeignPeer | None = None
        self._over: Deferred[Any] = Deferred()

    async def run(self) -> None:
        """
        Connect, wait, and use the connection again.
        """
        serve(self.node)
        self.node.startService()
        try:
            connection = await STARTING.run(Deferred.fromCoroutine, self._open())
            await self._wait(connection)
        finally:
            # Nobody waits for it if something else failed before.
            self._over.addErrback(lambda _: None)
            if self._foreign is not None:
                await self._foreign.stop()
            await self.node.stopService()
        self.watch.balanced()

    async def _open(self) -> IConnection:
        options = [*self._sides.options(self._cell), "--defaults"]
        if self._weDial:
            foreign = self._start("listen", *options)
            self._over = foreign.ended
            opening = self._dial(foreign)
        else:
            address, *_ = await self.node.whenListening()
            options += ["--do", f"echo=1000,idle={IDLE},echo=1001"]
            foreign = self._start("dial", str(address), *options)
            self._over = foreign.line()
            opening = self._accept()
        opened = Deferred.fromCoroutine(opening)
        try:
            first: Any = await DeferredList(
                [opened, self._over], fireOnOneCallback=True, fireOnOneErrback=True
            )
        finally:
            opened.addErrback(lambda _: None)
            opened.cancel()
        result, index = first
        assert index == 0, (result, foreign.errors)
        connection: IConnection = result
        return connection

    def _start(self, *arguments: str) -> ForeignPeer:
        self._foreign = ForeignPeer.start(reactor, self._command, *arguments)
        return self._foreign

    async def _dial(self, foreign: ForeignPeer) -> IConnection:
        target = self._sides.target(self._cell, await foreign.line())
        return await self._identified(await self._connect(target))

    async def _accept(self) -> IConnection:
        await self.watch.event(
            ClosedStream,
            lambda each: each.protocolID == ECHO and each.direction == "inbound",
        )
        return await self._identified(self.watch.seen(OpenedConn)[-1].connection)

    async def _identified(self, connection: IConnection) -> IConnection:
        await self.node.identify(connection.remotePeer)
        # And they ask us.  The end of that may be long in coming: over mplex, rust
        # sends it when there is something else to send.
        await self.watch.event(
            OpenedStream,
            lambda each: each.protocolID == IDENTIFY and each.direction == "inbound",
        )
        return connection

    async def _connect(self, target: str) -> IConnection:
        """
        Connect to a peer that has just started, as many others have: once, on a machine
        with two cores, one took longer than the deadline of a dial.
        """
        for left in (2, 1, 0):
            try:
                return await self.node.connect(target)
            except DialFailed:
                if not left:
                    raise
        raise AssertionError("there is always a last attempt")

    async def _wait(self, connection: IConnection) -> None:
        tasks = Tasks(connection)
        # rust-libp2p closes a connection without streams.
        held = self._cell.peer == "rust"
        client = await tasks.open(ECHO, Client()) if held else None
        if self._weDial:
            await deferLater(reactor, IDLE)
            assert connection.connected, connection.reason
            await tasks.echo(1000)
        else:
            result = await self._over
            assert result["ok"], (result, self._foreign and self._foreign.errors)
        assert not self.watch.seen(
            ClosedConn, lambda each: each.connection is connection and self._weDial
        )
        if client is not None:
            client.ended.addErrback(lambda reason: None)


class Idlers:
    """
    All connections that are to be idle.
    """

    def __init__(self, cells: Iterable[Cell], sides: Sides) -> None:
        self._sides = sides
        self._runs = {
            cell: self._begin(cell)
            for cell in cells
            if available(cell.peer) is None and hasBackend(cell.backend)
        }

    def _begin(self, cell: Cell) -> Deferred[None]:
        return RUNNING.run(
            lambda: Deferred.fromCoroutine(Idler(cell, self._sides).run())
        )

    async def of(self, cell: Cell) -> None:
        """
        Wait until one of them was there long enough, and used again.  If it failed,
        another begins, for a test that is run again.
        """
        run = self._runs.pop(cell, None) or self._begin(cell)
        await run
